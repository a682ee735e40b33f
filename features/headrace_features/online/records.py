"""Records of a feature topic → rows of the online store. A record that cannot be read is data, never an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

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

_NUMBERS = (*Order._fields, "event_time_ms")
_numbers_of = itemgetter(*_NUMBERS)
_INTEGER: Final = frozenset({int})
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
    event_time_ms: int
    declaration: str
    features: bytes | dict[str, Any]


class _Expected(NamedTuple):
    """What a record of a view holds, and how to see at once that it does: nearly all do.

    Attributes:
        view: The view.
        no_features: Fields that are none of its features.
        columns: Name of each column and the types that its values may have.
        fits: Whether a record has all columns, each of one of its types; if not, it may still be right.
    """

    view: View
    no_features: frozenset[str]
    columns: list[tuple[str, frozenset[type]]]
    fits: Callable[[dict[str, Any]], bool]


def compile_reader(view: View) -> ReadBatch:
    """Return the function that reads the values of a batch of the view's topic and keeps the newest row of each key.

    Rows of other declarations of the view are read, too: which of them may be served is decided at the lookup.
    """
    columns = [(column.name, _JSON_TYPES[column.type]) for column in view.columns]
    no_features = ENVELOPE | {view.key}
    expected = _Expected(view, no_features, columns, _all_fit(columns))

    def read(values: Iterable[bytes | None]) -> Reduced:
        newest: dict[str, _Read] = {}
        unreadable: list[tuple[int, Unreadable]] = []
        for index, value in enumerate(values):
            answer = _read(value, expected)
            if isinstance(answer, Unreadable):
                unreadable.append((index, answer))
                continue
            known = newest.get(answer.key)
            if known is None or answer.order > known.order:
                newest[answer.key] = answer
        # Only the newest are encoded, where that is needed: under load most rows of a batch are replaced within it.
        return Reduced([_row(found, no_features) for found in newest.values()], unreadable)

    return read


def _all_fit(columns: list[tuple[str, frozenset[type]]]) -> Callable[[dict[str, Any]], bool]:
    """Return the check of a record's columns: those with the same types are taken out of it at once."""
    names: dict[frozenset[type], list[str]] = {}
    for name, types in columns:
        names.setdefault(types, []).append(name)
    # One name twice: of a single one, the getter would return the value and no tuple.
    checks = [(types.issuperset, itemgetter(*same, same[0])) for types, same in names.items()]

    def fit(record: dict[str, Any]) -> bool:
        try:
            return all(are_all(map(type, values_of(record))) for are_all, values_of in checks)
        except KeyError:
            return False

    return fit


def _read(value: bytes | None, expected: _Expected) -> _Read | Unreadable:
    try:
        record = read_feature_row(value)
    except FeatureRowError as error:
        return Unreadable(str(error))
    try:
        numbers = _numbers_of(record)
    except KeyError:
        return _wrong_number(record)
    if not _INTEGER.issuperset(map(type, numbers)) or min(numbers) < 0:
        return _wrong_number(record)
    if type(record.get("declaration")) is not str:
        return Unreadable(f"the field 'declaration' is {_shown(record.get('declaration'))}, expected a string")
    key = record.get(expected.view.key)
    if type(key) is not str and type(key) is not int:
        return Unreadable(f"the key {expected.view.key!r} is {_shown(key)}, expected a string or an integer")
    wrong = _wrong_value(record, expected)
    if wrong is not None:
        return Unreadable(f"the feature {wrong!r} is {_shown(record[wrong])}, which is not of its type")
    features = _as_written(value or b"", record, expected.no_features) or record
    return _Read(str(key), Order(*numbers[:-1]), numbers[-1], record["declaration"], features)


def _wrong_number(record: dict[str, Any]) -> Unreadable:
    numbers = {name: record.get(name) for name in _NUMBERS}
    wrong = next(name for name, number in numbers.items() if type(number) is not int or number < 0)
    return Unreadable(f"the field {wrong!r} is {_shown(numbers[wrong])}, expected an integer of zero or more")


def _wrong_value(record: dict[str, Any], expected: _Expected) -> str | None:
    if record["declaration"] == expected.view.digest:
        if expected.fits(record):
            return None
        return next((name for name, types in expected.columns if type(record.get(name)) not in types), None)
    # Another declaration has other columns, whose types are not known here.
    known = expected.no_features
    return next((name for name, v in record.items() if type(v) not in _SCALARS and name not in known), None)


def _as_written(value: bytes, record: dict[str, Any], no_features: frozenset[str]) -> bytes | None:
    """Return the features as one JSON object just as they stand in the record, if they stand together at its end.

    So the job writes them, and to write twenty numbers anew takes longer than all the rest. None if they do not.
    """
    names = [*islice(record, len(no_features) + 1)]
    if not value.startswith(b"{") or len(names) <= len(no_features) or not no_features.issuperset(names[:-1]):
        return None
    at = value.find(f',"{names[-1]}":'.encode())
    # A comma and a name in bare quotes are no part of a text; of a nested value they may be.
    if at < 0 or value.find(b"{", 1, at) >= 0:
        return None
    return b"{" + value[at + 1 :]


def _row(found: _Read, no_features: frozenset[str]) -> OnlineRow:
    key, order, event_time_ms, declaration, features = found
    if not isinstance(features, bytes):
        features = OnlineRow.encode({name: value for name, value in features.items() if name not in no_features})
    return OnlineRow(key, order, event_time_ms, declaration, features)


def _shown(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
