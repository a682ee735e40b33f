"""Durations as text."""

from datetime import timedelta

import pytest
from headrace_ingestion.durations import Duration, duration_ms, format_duration, parse_duration
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("10s", timedelta(seconds=10)),
        ("5m", timedelta(minutes=5)),
        ("24h", timedelta(hours=24)),
        ("30d", timedelta(days=30)),
        ("0s", timedelta(0)),
        ("36500d", timedelta(days=36_500)),
    ],
)
def test_a_duration_is_a_whole_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["5", "m", "", "1.5h", "-5m", "5 m", "5M", "5min", "1w", "\u0665m", "5m\n"])
def test_other_text_is_refused_with_the_units(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_duration(text)
    assert str(caught.value) == (
        f"{text!r} is not a duration\n  units:  ms, s, m, h, d\n  try:    a whole number and a unit, such as 5m"
    )


def test_a_duration_of_more_than_a_century_is_refused() -> None:
    with pytest.raises(ValueError, match="'36501d' is too long a duration"):
        parse_duration("36501d")


@pytest.mark.parametrize(
    ("text", "shortest"), [("60s", "1m"), ("90m", "90m"), ("24h", "1d"), ("1500ms", "1500ms"), ("0d", "0s")]
)
def test_the_shortest_text_is_written(text: str, shortest: str) -> None:
    assert format_duration(parse_duration(text)) == shortest


@given(st.integers(min_value=0, max_value=36_500 * 86_400_000))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration
    assert duration_ms(duration) == milliseconds


@pytest.mark.parametrize("duration", [timedelta(microseconds=1), timedelta(seconds=-1)])
def test_what_has_no_text_is_an_error(duration: timedelta) -> None:
    with pytest.raises(ValueError, match="zero or more whole milliseconds"):
        format_duration(duration)


def test_a_bare_number_in_a_declaration_has_no_unit() -> None:
    class Declared(BaseModel):
        over: Duration

    assert Declared.model_validate({"over": "5m"}).over == timedelta(minutes=5)
    assert Declared.model_validate({"over": "5m"}).model_dump(mode="json") == {"over": "5m"}
    with pytest.raises(ValidationError, match="'5' is not a duration"):
        Declared.model_validate({"over": 5})
