"""RFC 3339 text ↔ whole milliseconds since 1970-01-01T00:00:00Z."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

LATEST_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z; the earliest is 0."""

_FORM = re.compile(
    r"(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d+))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DAYS_OF_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAY_MS = 86_400_000


def parse_timestamp(text: str) -> int | None:
    """Return the instant in milliseconds, cut; None when `text` is not an RFC 3339 timestamp of a real date.

    `T` and `Z` are upper case, seconds end at 59, an offset is at most 23:59. The instant may lie outside 1970 to 9999:
    the caller compares it with 0 and `LATEST_MS`.

    >>> parse_timestamp("1970-01-01T01:00:00.0019+01:00")
    1
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = match.groups()
    day_ms = _day_ms(day)
    if day_ms is None:
        return None
    at = day_ms + int(hour) * 3_600_000 + int(minute) * 60_000 + int(second) * 1_000
    if fraction is not None:
        # Cutting digits is flooring, before 1970 too: the fraction always counts forward.
        at += int(f"{fraction:0<3.3}")
    if sign is not None:
        offset = int(offset_hours) * 3_600_000 + int(offset_minutes) * 60_000
        at += offset if sign == "-" else -offset
    return at


@lru_cache(maxsize=4096)
def _day_ms(day: str) -> int | None:
    """Milliseconds of midnight, in the proleptic Gregorian calendar with its year 0; None when there is no such day."""
    year, month, of_month = int(day[:4]), int(day[5:7]), int(day[8:])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= month <= 12 or not 1 <= of_month <= _DAYS_OF_MONTH[month - 1] + (leap and month == 2):
        return None
    # Leap days before this year; Python's floor division keeps year 0 right.
    before = year - 1
    days = year * 365 + before // 4 - before // 100 + before // 400 + _DAYS_BEFORE_MONTH[month - 1] + of_month
    return (days + (leap and month > 2) - 719_528) * _DAY_MS


def format_timestamp(at_ms: int) -> str:
    """Return the 24 characters that the SDK writes.

    Args:
        at_ms: Milliseconds since 1970, from 0 to `LATEST_MS`.

    >>> format_timestamp(1)
    '1970-01-01T00:00:00.001Z'
    """
    minute, rest = divmod(at_ms, 60_000)
    return f"{_minute_text(minute)}{rest // 1000:02d}.{rest % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _minute_text(minute: int) -> str:
    # Adding to the epoch is exact; `fromtimestamp` goes through a float.
    return f"{(_EPOCH + timedelta(minutes=minute)).isoformat()[:17]}"


def timestamp_ms(at: datetime) -> int:
    """Return an aware datetime in milliseconds since 1970, cut.

    Raises:
        ValueError: `at` has no time zone.
    """
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError(f"a timestamp needs a time zone, got {at.isoformat()}")
    return (at - _EPOCH) // _MILLISECOND
