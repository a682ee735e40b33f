"""Durations as people write them (`500ms`, `10s`, `5m`, `24h`, `30d`) and as Python holds them (`timedelta`)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from headrace_ingestion.problems import DeclarationProblem

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FORM = re.compile(f"([0-9]{{1,15}})({'|'.join(_UNITS_MS)})")
_LONGEST = timedelta(days=36_500)


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` says: a whole number and a unit, zero included, up to 36500d.

    >>> parse_duration("5m")
    datetime.timedelta(seconds=300)

    Raises:
        DeclarationProblem: (a ValueError) `text` is not a duration.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise DeclarationProblem(
            f"{text!r} is not a duration", {"units": ", ".join(_UNITS_MS)}, "a whole number and a unit, such as 5m"
        )
    milliseconds = int(match[1]) * _UNITS_MS[match[2]]
    if milliseconds > _LONGEST // timedelta(milliseconds=1):
        raise DeclarationProblem(f"{text!r} is too long a duration", {"longest": "36500d"}, "36500d")
    return timedelta(milliseconds=milliseconds)


def format_duration(duration: timedelta) -> str:
    """Return the shortest text that `parse_duration` reads back as `duration` (whole milliseconds, zero or more).

    >>> format_duration(timedelta(hours=1.5))
    '90m'

    Raises:
        ValueError: `duration` is negative or has a fraction of a millisecond.
    """
    milliseconds, rest = divmod(duration, timedelta(milliseconds=1))
    if rest or milliseconds < 0:
        raise ValueError(f"a duration is zero or more whole milliseconds, got {duration}")
    if milliseconds == 0:
        return "0s"
    unit = next(unit for unit in reversed(_UNITS_MS) if milliseconds % _UNITS_MS[unit] == 0)
    return f"{milliseconds // _UNITS_MS[unit]}{unit}"


def duration_ms(duration: timedelta) -> int:
    """Return `duration` in whole milliseconds."""
    return duration // timedelta(milliseconds=1)


def _read(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    # A bare number has no unit: 5 is neither seconds nor minutes.
    return parse_duration(value if isinstance(value, str) else str(value))


DURATION_SCHEMA = {
    "type": "string",
    "pattern": f"^{_FORM.pattern}$",
    "patternErrorMessage": f"a whole number and a unit ({', '.join(_UNITS_MS)}), such as 5m",
}
"""JSON Schema of a duration in a file; that the longest is 36500d, it cannot say."""

Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(DURATION_SCHEMA, mode="validation"),
]
"""A field of a declaration that holds a duration."""
