"""Two versions of a contract: can a reader of one read what a producer of the other has sent?

Readers fill defaults, and leave out what their version does not name. All else that a producer may send has to pass the
checks of the reader. Tables of the lake hold the rows of all versions: a column never changes its type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from headrace_ingestion.contract import Contract
from headrace_ingestion.durations import format_duration
from headrace_ingestion.fields import Field, FieldType

Direction = Literal["backward", "forward", "lake", "version"]
"""`backward`: the newer reads what the older has sent; `forward`: the older reads what the newer sends; `lake`: both
stand in one table; `version`: records say by which version they were made, so one version is one contract."""

_WIDER: Mapping[FieldType, tuple[FieldType, ...]] = {
    "int": ("long", "double"),
    "long": ("double",),
    "enum": ("string",),
    "string": ("enum",),
}
"""Type of a producer → types of readers that may read it, as far as the values fit."""


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """One thing about which two versions do not agree.

    Attributes:
        direction: Who cannot read what.
        field: The field, as details call it: `lines[].price`; or `key`, `time`, `max_ahead`, `version`.
        problem: What is wrong, with both sides.
    """

    direction: Direction
    field: str
    problem: str


def compare(older: Contract, newer: Contract) -> list[Incompatibility]:
    """Return everything about which two versions of a contract do not agree; none: they are fully compatible."""
    found = [Incompatibility("backward", *problem) for problem in unreadable(newer, older)]
    found += [Incompatibility("forward", *problem) for problem in unreadable(older, newer)]
    found += [Incompatibility("lake", *problem) for problem in _changed_columns(older.fields, newer.fields)]
    if older.version == newer.version and older.digest != newer.digest:
        problem = f"both are version {newer.version} and demand different things"
        found.append(Incompatibility("version", "version", problem))
    return found


def unreadable(reader: Contract, writer: Contract) -> Iterator[tuple[str, str]]:
    """Yield field and problem of what a producer of `writer` may send and a reader of `reader` refuses."""
    for role in ("key", "time"):
        if getattr(reader, role) != getattr(writer, role):
            yield role, f"{writer.label} has {getattr(writer, role)!r}, {reader.label} has {getattr(reader, role)!r}"
    if reader.max_ahead < writer.max_ahead:
        ahead = f"{format_duration(writer.max_ahead)} ahead, {reader.label} at most {format_duration(reader.max_ahead)}"
        yield "max_ahead", f"{writer.label} takes events up to {ahead}"
    yield from _Pair(reader.label, writer.label).fields("", reader.fields, writer.fields)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Names of the two sides, for messages."""

    reader: str
    writer: str

    def fields(
        self, within: str, reader: Mapping[str, Field], writer: Mapping[str, Field]
    ) -> Iterator[tuple[str, str]]:
        for name, wanted in reader.items():
            path, sent = f"{within}{name}", writer.get(name)
            if sent is None:
                if wanted.is_needed:
                    yield path, f"{self.reader} requires it, {self.writer} does not have it"
            else:
                yield from self.field(path, wanted.stored, sent.stored)

    def field(self, path: str, reader: Field, writer: Field) -> Iterator[tuple[str, str]]:
        is_always_sent = writer.required or writer.default is not None
        if reader.is_needed and not is_always_sent:
            yield path, f"{self.reader} requires it, {self.writer} may leave it out"
        if reader.type != writer.type and reader.type not in _WIDER.get(writer.type, ()):
            yield path, f"{self.writer} sends {writer.type}, {self.reader} reads {reader.type}"
            return
        yield from ((path, problem) for problem in self.constraints(reader, writer))
        if reader.type == "object":
            yield from self.fields(f"{path}.", reader.fields or {}, writer.fields or {})
        else:
            for step, wanted in reader.inner.items():
                yield from self.field(f"{path}{step}", wanted, writer.inner[step])

    def constraints(self, reader: Field, writer: Field) -> Iterator[str]:
        for name, sign in _BOUNDS.items():
            wanted, sent = getattr(reader, name), getattr(writer, name)
            if wanted is not None and (sent is None or sign * sent > sign * wanted):
                yield f"{name} is {_shown(sent)} in {self.writer} and {wanted} in {self.reader}"
        if reader.pattern is not None and reader.pattern != writer.pattern:
            yield f"pattern is {_shown(writer.pattern)} in {self.writer} and {reader.pattern} in {self.reader}"
        if reader.allowed is not None:
            more = [value for value in writer.allowed or () if value not in reader.allowed]
            if more:
                yield f"{self.writer} sends {', '.join(map(repr, more))}, which {self.reader} does not have"
            elif writer.allowed is None:
                yield f"{self.writer} sends any value, {self.reader} only {', '.join(map(repr, reader.allowed))}"
        if reader.type == writer.type == "decimal":
            whole = [(field.precision or 0) - (field.scale or 0) for field in (reader, writer)]
            if whole[0] < whole[1] or (reader.scale or 0) < (writer.scale or 0):
                yield f"{self.writer} sends {_column(writer)}, {self.reader} reads {_column(reader)}"


# Which way a bound is wider: above a maximum, below a minimum.
_BOUNDS = {"minimum": -1, "maximum": 1, "max_length": 1, "min_items": -1, "max_items": 1}


def _shown(value: object) -> str:
    return "not given" if value is None else str(value)


def _changed_columns(older: Mapping[str, Field], newer: Mapping[str, Field]) -> Iterator[tuple[str, str]]:
    for name, field in newer.items():
        if name in older and _form(older[name]) != _form(field):
            was, now = _column(older[name]), _column(field)
            change = f"from {was} to {now}" if was != now else f"what is inside the {now}"
            yield name, f"a column never changes its type, here {change}: give the field a new name"
        if name in older and {older[name].pii, field.pii} & {"hash", "mask"} and older[name].pii != field.pii:
            change = f"from {_shown(older[name].pii)} to {_shown(field.pii)}"
            yield name, f"'pii' changes {change}: the same value is stored as two"


def _column(field: Field) -> str:
    return f"decimal({field.precision}, {field.scale})" if field.type == "decimal" else field.plain_type


def _form(field: Field) -> Any:
    """Return what decides about the type of a column."""
    return _column(field), [(path, _form(one)) for path, one in field.inner.items()]
