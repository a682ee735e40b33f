"""One field of many JSON objects → one Arrow column. The common case never looks at a single value in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from headrace_ingestion.errors import Reason

from headrace_lake.schemas import ARROW_TYPES, TIMESTAMP
from headrace_lake.tables import Column, ColumnType

_NONE = type(None)
# Arrow takes 1.5 for an integer and cuts it: the types of the values are checked before it sees them.
_PYTHON_TYPES: Final[dict[ColumnType, frozenset[type]]] = {
    "string": frozenset({str, _NONE}),
    "bool": frozenset({bool, _NONE}),
    "int": frozenset({int, _NONE}),
    "long": frozenset({int, _NONE}),
    "double": frozenset({int, float, _NONE}),
    "timestamp": frozenset({int, _NONE}),
    "reasons": frozenset({list, _NONE}),
}
_BOUNDS: Final[dict[ColumnType, tuple[int, int]]] = {
    "int": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    # Years 1 to 9999: what Python and DuckDB can read back.
    "timestamp": (-62_135_596_800_000, 253_402_300_799_999),
}
_JSON_NAMES: Final[dict[type, str]] = {
    str: "string",
    bool: "bool",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}


def epoch_ms_column(values: Sequence[int | None]) -> pa.Array:
    """Return a timestamp column of milliseconds since 1970."""
    return pa.array(values, pa.timestamp("ms", "UTC")).cast(TIMESTAMP)


def column_of(column: Column, values: list[Any], wrong: dict[int, tuple[Reason, str]]) -> pa.Array:
    """Return the column of `values`.

    Args:
        column: Declaration of the column.
        values: A JSON value per row; None where the field is absent or null. Is changed where values are wrong.
        wrong: Row → reason and detail. Rows whose value does not fit are added; in the column they are null.
    """
    if column.required and None in values:
        for index, value in enumerate(values):
            if value is None:
                wrong.setdefault(index, ("missing_field", f"field '{column.field}' is missing"))
    if set(map(type, values)) <= _PYTHON_TYPES[column.type]:
        try:
            return _built(column.type, values)
        except (pa.ArrowException, OverflowError):
            pass  # a value within is out of range: the row is found below
    for index, value in enumerate(values):
        refusal = _refusal(column, value)
        if refusal is not None:
            wrong.setdefault(index, refusal)
            values[index] = None
        elif column.type == "double" and value is not None:
            values[index] = float(value)
    return _built(column.type, values)


def _built(type_: ColumnType, values: Sequence[Any]) -> pa.Array:
    if type_ != "timestamp":
        return pa.array(values, ARROW_TYPES[type_])
    low, high = _BOUNDS["timestamp"]
    epoch = pa.array(values, pa.int64())
    extremes = pc.min_max(epoch)
    if extremes["min"].is_valid and (extremes["min"].as_py() < low or extremes["max"].as_py() > high):
        raise OverflowError("a timestamp lies outside the years 1 to 9999")
    return epoch.cast(pa.timestamp("ms", "UTC")).cast(TIMESTAMP)


def _refusal(column: Column, value: Any) -> tuple[Reason, str] | None:
    if type(value) not in _PYTHON_TYPES[column.type] or (column.type == "reasons" and not _are_reasons(value)):
        got = _JSON_NAMES[type(value)]
        return "wrong_type", f"field '{column.field}' expects {column.type}, got {got}"
    if value is not None and column.type in _BOUNDS:
        low, high = _BOUNDS[column.type]
        if not low <= value <= high:
            return "out_of_range", f"field '{column.field}' expects {column.type}, got a value outside its range"
    return None


def _are_reasons(value: Any) -> bool:
    if value is None:
        return True
    return all(
        isinstance(reason, Mapping)
        and type(reason.get("feature")) in (str, _NONE)
        and type(reason.get("value")) in (int, float, _NONE)
        and type(reason.get("contribution")) in (int, float, _NONE)
        for reason in value
    )
