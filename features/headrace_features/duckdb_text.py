"""Names and lists as DuckDB's SQL writes them."""

from __future__ import annotations

from collections.abc import Iterable


def quoted(name: str) -> str:
    """Return a name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a string in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def lines(parts: Iterable[str]) -> str:
    """Return the parts one a line, as they stand after SELECT."""
    return ",\n  ".join(parts)
