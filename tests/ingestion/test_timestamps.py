"""Timestamps as text; the vectors hold the borders, here is the wide field."""

from datetime import datetime, timedelta, timezone

import pytest
from headrace_ingestion.timestamps import LATEST_MS, format_timestamp, parse_timestamp, timestamp_ms
from hypothesis import given
from hypothesis import strategies as st

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@given(st.integers(0, LATEST_MS))
def test_what_is_written_is_read_back(at_ms: int) -> None:
    text = format_timestamp(at_ms)
    assert len(text) == 24
    assert parse_timestamp(text) == at_ms
    assert datetime.fromisoformat(text.replace("Z", "+00:00")) == EPOCH + timedelta(milliseconds=at_ms)


@given(st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))))
def test_any_date_of_the_calendar_is_read_and_cut(at: datetime) -> None:
    expected = (at - EPOCH) // timedelta(milliseconds=1)
    assert parse_timestamp(at.isoformat()) == expected
    assert timestamp_ms(at) == expected


def test_a_datetime_without_a_zone_is_an_error() -> None:
    with pytest.raises(ValueError, match="a timestamp needs a time zone, got 2026-01-01T00:00:00"):
        timestamp_ms(datetime(2026, 1, 1))  # noqa: DTZ001  (the missing zone is the point)
