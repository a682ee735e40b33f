"""Records of a feature topic → rows of the online store. A record that cannot be read is data, never an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import orjson
from headrace_ingestion.feature_rows import FeatureRowError, read_feature_row

from headrace_features.online.row import OnlineRow, Order
from headrace_features.view import View

ENVELOPE = frozenset(
    {
        "event_id", "event_time_ms", "clock_ms", "generation", "source_partition", "source_offset", "revision",
        "declaration", "ingested_at_ms", "emitted_at_ms",
    }
)  # fmt: skip
"""Fields of a record of `features.<view>` that are neither its key nor a feature."""

_NUMBERS = ("generation", "clock_ms", "source_offset", "revision", "emitted_at_ms", "event_time_ms")
_SHOWN_CHARACTERS = 80

_SCALARS = frozenset({str, int, float, bool, type(None)})
_JSON_TYPES: dict[str, frozenset[type]] = {
    "double": frozenset({float, int, type(None)}),
    "long": frozenset({int, type(None)}),
    "int": frozenset({int, type(None)}),
    "string": frozenset({str, type(None)}),
    "bool": frozenset({bool, type(None)}),
}


class Unreadable(NamedTuple):
    """Why a record is no row: a sentence with field and value."""

    reason: str


class Reduced(NamedTuple):
    """What a batch of records of one topic holds.

    Attributes:
        rows: The newest row of each key.
        unreadable: Why records are no rows, with their position in the batch.
    """

    rows: list[OnlineRow]
    unreadable: list[tuple[int, Unreadable]]


ReadBatch: TypeAlias = Callable[[Iterable[bytes | None]], Reduced]


class _Read(NamedTuple):
    key: str
    order: Order
    record: dict[str, Any]


def compile_reader(view: View) -> ReadBatch:
    """Return the function that reads the values of a batch of the view's topic and keeps the newest row of each key.

    Rows of other declarations of the view are read, too: which of them may be served is decided at the lookup.
    """
    columns = [(column.name, _JSON_TYPES[column.type]) for column in view.columns]
    no_features = ENVELOPE | {view.key}

    def read(values: Iterable[bytes | None]) -> Reduced:
        newest: dict[str, _Read] = {}
        unreadable: list[tuple[int, Unreadable]] = []
        for index, value in enumerate(values):
            answer = _read(value, view, columns, no_features)
            if isinstance(answer, Unreadable):
                unreadable.append((index, answer))
                continue
            known = newest.get(answer.key)
            if known is None or answer.order > known.order:
                newest[answer.key] = answer
        # Only the newest are encoded: under load most rows of a batch are replaced within it.
        return Reduced([_row(found, no_features) for found in newest.values()], unreadable)

    return read


def _read(
    value: bytes | None, view: View, columns: list[tuple[str, frozenset[type]]], no_features: frozenset[str]
) -> _Read | Unreadable:
    try:
        record = read_feature_row(value)
    except FeatureRowError as error:
        return Unreadable(str(error))
    for name in _NUMBERS:
        number = record.get(name)
        if type(number) is not int or number < 0:
            return Unreadable(f"the field {name!r} is {_shown(number)}, expected an integer of zero or more")
    if type(record.get("declaration")) is not str:
        return Unreadable(f"the field 'declaration' is {_shown(record.get('declaration'))}, expected a string")
    key = record.get(view.key)
    if type(key) is not str and type(key) is not int:
        return Unreadable(f"the key {view.key!r} is {_shown(key)}, expected a string or an integer")
    wrong = _wrong_value(record, view, columns, no_features)
    if wrong is not None:
        return Unreadable(f"the feature {wrong!r} is {_shown(record[wrong])}, which is not of its type")
    order = Order(
        record["generation"], record["clock_ms"], record["source_offset"], record["revision"], record["emitted_at_ms"]
    )
    return _Read(str(key), order, record)


def _wrong_value(
    record: dict[str, Any], view: View, columns: list[tuple[str, frozenset[type]]], no_features: frozenset[str]
) -> str | None:
    if record["declaration"] == view.digest:
        return next((name for name, types in columns if type(record.get(name)) not in types), None)
    # Another declaration has other columns, whose types are not known here.
    return next((name for name, v in record.items() if type(v) not in _SCALARS and name not in no_features), None)


def _row(found: _Read, no_features: frozenset[str]) -> OnlineRow:
    record = found.record
    features = {name: value for name, value in record.items() if name not in no_features}
    return OnlineRow(found.key, found.order, record["event_time_ms"], record["declaration"], OnlineRow.encode(features))


def _shown(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
