"""Accepted values of a field → one Arrow column, for the types that Arrow does not take as JSON has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
from headrace_ingestion.fields import Field

from headrace_lake.schemas import field_type

_Convert = Callable[[Any], Any]


def declared_column(field: Field, values: Sequence[Any]) -> pa.Array:
    """Return the column of values as the parser gives them: dates and decimals as text, instants as milliseconds."""
    convert = _converter(field)
    return pa.array([None if value is None else convert(value) for value in values], field_type(field))


def _converter(field: Field) -> _Convert:
    inner = {path.removeprefix("."): _converter(one) for path, one in field.inner.items()}
    if field.type == "list":
        item = inner["[]"]
        return lambda value: [None if one is None else item(one) for one in value]
    if field.type == "map":
        of_value = inner["{}"]
        return lambda value: [(key, None if one is None else of_value(one)) for key, one in value.items()]
    if field.type == "object":
        return lambda value: {
            name: None if value[name] is None else convert(value[name]) for name, convert in inner.items()
        }
    return _CONVERTERS.get(field.type, _as_it_is)


def _as_it_is(value: Any) -> Any:
    return value


_CONVERTERS: dict[str, _Convert] = {
    "decimal": Decimal,
    "date": date.fromisoformat,
    # Arrow takes a whole number for microseconds: so the column counts.
    "timestamp": lambda at_ms: at_ms * 1000,
}
