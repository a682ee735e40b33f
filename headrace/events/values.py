"""A value as a file holds it → the value that a field of the contract wants; what does not fit stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from headrace_ingestion.errors import closest
from headrace_ingestion.fields import Field
from headrace_ingestion.timestamps import parse_timestamp

from headrace.events.errors import MappingError
from headrace.events.sources import Format

Convert = Callable[[Any], Any]

_INTEGER = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_TRUTH = {"true": True, "false": False, "1": True, "0": False}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_zone(name: str) -> tzinfo:
    """Return the zone of that name.

    Raises:
        MappingError: The IANA database has none.
    """
    zones = available_timezones()
    if name not in zones:
        raise MappingError(
            f"--time-zone {name!r} is not a time zone",
            {"expected": "a name of the IANA database"},
            f"--time-zone {closest(name, zones) or 'UTC'}",
        )
    return UTC if name == "UTC" else ZoneInfo(name)


def converter(field: Field, form: Format, zone: tzinfo | None) -> Convert | None:
    """Return the conversion of a column's values into those of a field; None when there is nothing to do.

    - CSV: texts become numbers, bools (`true`, `false`, `1`, `0`) and timestamps; lists, maps and objects stand there
      as JSON.
    - Parquet: whole numbers become texts or bools (0, 1) where the contract wants those; dates become midnight, and
      midnight a date.
    - JSON Lines has types of its own: only timestamps without a zone are converted, and only when `zone` is given.

    Timestamps without a zone are in `zone`; in CSV and Parquet in UTC when that is None.
    """
    if field.type == "timestamp":
        return None if form == "jsonl" and zone is None else _timestamp(zone or UTC)
    if form == "jsonl":
        return None
    if form == "parquet":
        return _from_parquet(field)
    return _FROM_TEXT.get(field.plain_type)


def _from_parquet(field: Field) -> Convert | None:
    """Return the conversion of what Arrow gives, whose maps are lists of pairs."""
    inner = {path.removeprefix("."): _but_null(_from_parquet(one)) for path, one in field.inner.items()}
    if field.type == "list":
        return lambda value: [inner["[]"](one) for one in value]
    if field.type == "map":
        return lambda value: {key: inner["{}"](one) for key, one in value}
    if field.type == "object":
        return lambda value: {name: inner.get(name, _as_it_is)(one) for name, one in value.items()}
    return _timestamp(UTC) if field.type == "timestamp" else _FROM_PARQUET.get(field.plain_type)


def _but_null(convert: Convert | None) -> Convert:
    return lambda value: value if value is None or convert is None else convert(value)


def _as_it_is(value: Any) -> Any:
    return value


def _text_json(value: Any) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _midnight_as_date(value: Any) -> Any:
    is_midnight = isinstance(value, datetime) and value.time() == time()
    return value.date() if is_midnight else value


def shifted(convert: Convert | None, by: timedelta) -> Convert:
    """Return the conversion of a timestamp, `by` later."""

    def shift(value: Any) -> Any:
        found = convert(value) if convert else value
        if isinstance(found, str):
            at_ms = parse_timestamp(found)
            found = found if at_ms is None else _EPOCH + timedelta(milliseconds=at_ms)
        return found + by if isinstance(found, datetime) else found

    return shift


def _timestamp(zone: tzinfo) -> Convert:
    def convert(value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.strip())
            except ValueError:
                return value
        if isinstance(value, datetime):
            return value if value.tzinfo is not None else value.replace(tzinfo=zone)
        return datetime.combine(value, time(), zone) if isinstance(value, date) else value

    return convert


def _text_integer(value: Any) -> Any:
    text = value.strip()
    return int(text) if _INTEGER.fullmatch(text) else value


def _text_double(value: Any) -> Any:
    text = value.strip()
    return float(text) if _NUMBER.fullmatch(text) else value


def _text_bool(value: Any) -> Any:
    return _TRUTH.get(value.strip().lower(), value)


def _whole_as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value


def _whole_as_bool(value: Any) -> Any:
    return value == 1 if type(value) is int and value in (0, 1) else value


_FROM_TEXT: dict[str, Convert] = {
    "int": _text_integer,
    "long": _text_integer,
    "double": _text_double,
    "bool": _text_bool,
    "list": _text_json,
    "map": _text_json,
    "object": _text_json,
}
_FROM_PARQUET: dict[str, Convert] = {
    "string": _whole_as_text, "bool": _whole_as_bool, "date": _midnight_as_date,
}  # fmt: skip
