"""The encoder: what it writes, and what it refuses on the spot."""

import enum
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
from headrace_ingestion import Contract, EventError, Parsed, StoredRecord, compile_encoder, compile_parser
from hypothesis import given
from hypothesis import strategies as st

READING = Contract.model_validate(
    {
        "name": "reading",
        "version": 3,
        "key": "sensor",
        "time": "at",
        "fields": {
            "sensor": {"type": "long"},
            "at": {"type": "timestamp"},
            "ratio": {"type": "double", "required": False},
            "small": {"type": "int", "required": False},
            "flag": {"type": "bool", "required": False},
            "note": {"type": "string", "required": False},
            "seen": {"type": "timestamp", "required": False},
        },
    }
)
AT = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc)
encode = compile_encoder(READING)


def refused(**fields: Any) -> EventError:
    with pytest.raises(EventError) as caught:
        encode({"sensor": 7, "at": AT} | fields)
    return caught.value


def test_fields_are_written_in_the_order_of_the_contract_and_absent_ones_left_out() -> None:
    encoded = encode({"note": "ü", "at": AT, "sensor": 7, "flag": None, "ratio": -0.0})
    assert encoded.value.decode() == '{"sensor":7,"at":"2026-01-31T23:59:59.999Z","ratio":0.0,"note":"ü"}'
    assert encoded.key == b"7"
    assert encoded.event_time_ms == 1_769_903_999_999


@pytest.mark.parametrize(
    ("given_", "written"),
    [
        (datetime(2026, 1, 31, 23, 59, 59, 1_999, tzinfo=timezone.utc), "2026-01-31T23:59:59.001Z"),
        (datetime(2026, 2, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T23:00:00.000Z"),
        ("2026-01-31T23:59:59Z", "2026-01-31T23:59:59.000Z"),
        ("2026-02-01T01:59:59.98765+02:00", "2026-01-31T23:59:59.987Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc), "9999-12-31T23:59:59.999Z"),
        (datetime(1970, 1, 1, tzinfo=timezone.utc), "1970-01-01T00:00:00.000Z"),
    ],
)
def test_timestamps_are_written_in_24_characters(given_: object, written: str) -> None:
    assert orjson.loads(encode({"sensor": 7, "at": given_}).value)["at"] == written


def test_values_that_are_more_than_their_type_are_written_as_it() -> None:
    class Size(enum.IntEnum):
        SMALL = 4

    class Text(str):
        pass

    encoded = encode({"sensor": 7, "at": AT, "small": Size.SMALL, "note": Text("n"), "ratio": 3})
    assert orjson.loads(encoded.value) == {
        "sensor": 7, "at": "2026-01-31T23:59:59.999Z", "ratio": 3.0, "small": 4, "note": "n",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({"ratio": math.nan}, "out_of_range", "field 'ratio' expects a finite double, got a value outside it"),
        ({"ratio": math.inf}, "out_of_range", "field 'ratio' expects a finite double, got a value outside it"),
        ({"ratio": 10**400}, "out_of_range", "field 'ratio' expects a finite double, got a value outside it"),
        ({"ratio": True}, "wrong_type", "field 'ratio' expects double, got bool"),
        ({"small": True}, "wrong_type", "field 'small' expects int, got bool"),
        ({"small": 1.0}, "wrong_type", "field 'small' expects int, got number"),
        ({"small": 1e30}, "wrong_type", "field 'small' expects int, got number"),
        ({"sensor": -1e30}, "wrong_type", "field 'sensor' expects long, got number"),
        ({"small": "1"}, "wrong_type", "field 'small' expects int, got string '1'"),
        ({"flag": 1}, "wrong_type", "field 'flag' expects bool, got integer"),
        ({"note": b"n"}, "wrong_type", "field 'note' expects string, got bytes"),
        (
            {"small": 2**31},
            "out_of_range",
            "field 'small' expects int (-2147483648 to 2147483647), got a value outside it",
        ),
        (
            {"at": AT.replace(tzinfo=None)},
            "wrong_type",
            "field 'at' expects timestamp (an aware datetime, or RFC 3339 text with Z or an offset), "
            "got a datetime without a zone",
        ),
        (
            {"at": 1_769_903_999_999},
            "wrong_type",
            "field 'at' expects timestamp (an aware datetime, or RFC 3339 text with Z or an offset), got integer",
        ),
        (
            {"seen": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc)},
            "out_of_range",
            "field 'seen' expects the years 1970 to 9999, got a value outside them",
        ),
        ({"note": "a\ud800"}, "not_json", "field 'note' holds a lone surrogate"),
        ({"sensor": None}, "missing_field", "field 'sensor' is null"),
        ({"colour": None}, "unknown_field", "field 'colour' is not in the contract"),
        ({5: None}, "unknown_field", "field '5' is not in the contract"),
    ],
)
def test_a_wrong_event_is_refused_with_reason_and_detail(fields: dict[Any, Any], reason: str, detail: str) -> None:
    with pytest.raises(EventError) as caught:
        encode({"sensor": 7, "at": AT} | fields)
    assert (caught.value.reason, caught.value.detail) == (reason, detail)


def test_the_error_names_event_contract_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "call.yaml"
    path.write_text(
        "name: call\nversion: 2\nkey: who\ntime: at\nfields:\n  who: {type: string}\n  at: {type: timestamp}\n"
        "  duration_s: {type: double, minimum: 0}\n"
    )
    encode_call = compile_encoder(Contract.load(path, root=tmp_path))
    with pytest.raises(EventError) as wrong:
        encode_call({"who": "s1", "at": AT, "duration_s": -1})
    assert str(wrong.value) == (
        "event 'call' version 2 is refused: field 'duration_s' expects at least 0, got a value below it\n"
        "  reason:    out_of_range\n"
        "  contract:  call.yaml line 8\n"
        "  try:       correct the value, or the bound in the contract"
    )
    with pytest.raises(EventError) as unknown:
        encode_call({"who": "s1", "at": AT, "duration": 1})
    assert str(unknown.value) == (
        "event 'call' version 2 is refused: field 'duration' is not in the contract\n"
        "  fields:    who, at, duration_s\n"
        "  reason:    unknown_field\n"
        "  contract:  call.yaml\n"
        "  try:       duration_s"
    )


def test_an_event_that_could_not_be_a_mapping_is_not_changed() -> None:
    fields = {"sensor": 7, "at": AT}
    encode(fields)
    assert fields == {"sensor": 7, "at": AT}


EARLIEST, LATEST = (datetime(year, 1, 2) for year in (1971, 9999))  # noqa: DTZ001  (hypothesis adds the zone)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "sensor": st.integers(-(2**63), 2**63 - 1),
    "at": st.datetimes(EARLIEST, LATEST, timezones=st.timezones()),
    "ratio": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "small": st.none() | st.integers(-(2**31), 2**31 - 1),
    "flag": st.none() | st.booleans(),
    "note": st.none() | st.text(),
    "seen": st.none() | st.datetimes(EARLIEST, LATEST, timezones=st.just(timezone.utc)),
}


@given(st.fixed_dictionaries(VALUES))
def test_what_the_encoder_writes_the_parser_reads(fields: dict[str, Any]) -> None:
    encoded = encode(fields)
    parsed = compile_parser(READING)(
        StoredRecord("events.reading", 0, 0, encoded.event_time_ms, encoded.key, encoded.value)
    )
    assert isinstance(parsed, Parsed)
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    for name, value in fields.items():
        expected = (value - epoch) // timedelta(milliseconds=1) if isinstance(value, datetime) else value
        assert parsed.fields[name] == expected
