"""Records → rows: every type, and everything that is no row."""

from datetime import UTC, datetime
from typing import Any

import pytest
from headrace_ingestion.records import StoredRecord
from headrace_lake import events_table, scores_table
from headrace_lake.column_values import column_of
from headrace_lake.decode import compile_decoder, key_text
from headrace_lake.tables import Column, ColumnType
from lake_records import CALL, START_MS, SUBSCRIBER, call_record, feature_fields, json_record, score_fields
from packed_rows import packed

AT = datetime(2025, 1, 1, tzinfo=UTC)


def test_an_accepted_event_becomes_a_row_with_its_place() -> None:
    decoded = compile_decoder(events_table(CALL))([call_record(7, partition=3)])
    assert decoded.refused == []
    assert decoded.rows.to_pylist() == [
        {
            "event_id": "call-000007",
            "_contract": "call/1",
            "_trace": None,
            "subscriber_id": "s7",
            "started_at": AT.replace(microsecond=123_000),
            "duration_s": 7.0,
            "device": None,
            "_partition": 3,
            "_offset": 7,
            "_key": "s7",
            "_recorded_at": AT.replace(microsecond=7_000),
        }
    ]


def test_an_event_that_breaks_its_contract_is_refused_and_the_others_stay_in_order() -> None:
    records = [call_record(0), call_record(1, duration_s=-1), call_record(2)]
    decoded = compile_decoder(events_table(CALL))(records)
    assert decoded.rows.column("_offset").to_pylist() == [0, 2]
    assert [(one.record.offset, one.reason, one.event) for one in decoded.refused] == [(1, "out_of_range", "call")]


def test_a_batch_of_nothing_but_refused_events_has_no_rows_and_the_columns_of_the_table() -> None:
    decoded = compile_decoder(events_table(CALL))([call_record(0, duration_s="long")])
    assert decoded.rows.num_rows == 0
    assert decoded.rows.schema.names[:4] == ["event_id", "_contract", "_trace", "subscriber_id"]


def test_a_feature_row_gets_timestamps_without_their_suffix() -> None:
    row = compile_decoder(SUBSCRIBER)([json_record("features.subscriber", 4, feature_fields(4))]).rows.to_pylist()[0]
    assert row["clock"] == AT.replace(microsecond=4_000)
    assert (row["duration_s_sum_1h"], row["duration_s_count_1h"], row["source_offset"]) == (6.0, 4, 4)
    assert "clock_ms" not in row


def test_a_feature_that_is_null_or_absent_is_null() -> None:
    fields = feature_fields(1, duration_s_sum_1h=None)
    del fields["duration_s_count_1h"]
    row = compile_decoder(SUBSCRIBER)([json_record("features.subscriber", 1, fields)]).rows.to_pylist()[0]
    assert (row["duration_s_sum_1h"], row["duration_s_count_1h"]) == (None, None)


def test_the_reasons_of_a_score_are_a_list_of_structs() -> None:
    row = compile_decoder(scores_table("fraud"))([json_record("scores.fraud", 1, score_fields(1))]).rows.to_pylist()[0]
    assert row["reasons"] == [{"feature": "duration_s_sum_1h", "value": 1.5, "contribution": 0.25}]


def test_rows_in_json_and_in_binary_of_one_topic_are_the_same_rows() -> None:
    rows = [feature_fields(1), feature_fields(2, duration_s_sum_1h=None), feature_fields(3, declaration="another", x=1)]
    in_binary = [packed(fields, duration_s_sum_1h="d") for fields in rows]
    topic = "features.subscriber"
    plain = [json_record(topic, number, fields) for number, fields in enumerate(rows)]
    mixed = [plain[0], *(record._replace(value=v) for record, v in zip(plain, in_binary, strict=True)), plain[2]]
    decoded = compile_decoder(SUBSCRIBER)(mixed)
    assert decoded.refused == []
    expected = compile_decoder(SUBSCRIBER)([plain[0], *plain, plain[2]])
    assert decoded.rows.equals(expected.rows)


def test_a_binary_row_whose_values_are_not_of_the_table_is_refused() -> None:
    record = json_record("features.subscriber", 1, {})._replace(
        value=packed(feature_fields(1, duration_s_count_1h=1.5))
    )
    (refused,) = compile_decoder(SUBSCRIBER)([record]).refused
    assert (refused.reason, refused.detail) == ("wrong_type", "field 'duration_s_count_1h' expects long, got number")


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (b"{", "not_json", "the value is not JSON"),
        (b"[1]", "not_json", "the value is not a JSON object"),
        (None, "not_json", "the record has no value"),
        (b"{}", "missing_field", "field 'event_id' is missing"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_and_the_next_is_kept(
    value: bytes | None, reason: str, detail: str
) -> None:
    bad = StoredRecord("features.subscriber", 0, 0, START_MS, b"k", value)
    decoded = compile_decoder(SUBSCRIBER)([bad, json_record("features.subscriber", 1, feature_fields(1))])
    assert [(one.reason, one.detail, one.event) for one in decoded.refused] == [(reason, detail, None)]
    assert decoded.rows.column("_offset").to_pylist() == [1]


@pytest.mark.parametrize(
    ("type_", "good"),
    [
        ("string", "é"),
        ("bool", True),
        ("int", -(2**31)),
        ("long", 2**63 - 1),
        ("double", 0.5),
        ("double", 2**53 + 1),
        ("timestamp", 253_402_300_799_999),
        ("reasons", []),
    ],
)
def test_every_type_keeps_its_own_values_and_null(type_: ColumnType, good: Any) -> None:
    wrong: dict[int, Any] = {}
    column = column_of(Column("x", type_), [good, None], wrong)
    assert wrong == {}
    expected = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC) if type_ == "timestamp" else good
    assert column.to_pylist() == [float(good) if type_ == "double" else expected, None]


@pytest.mark.parametrize(
    ("type_", "bad", "reason"),
    [
        ("string", 1, "wrong_type"),
        ("bool", 1, "wrong_type"),
        ("int", 1.5, "wrong_type"),
        ("int", True, "wrong_type"),
        ("int", 2**31, "out_of_range"),
        ("long", 1.0, "wrong_type"),
        ("long", 2**63, "out_of_range"),
        ("double", True, "wrong_type"),
        ("double", "1", "wrong_type"),
        ("timestamp", "2025-01-01T00:00:00Z", "wrong_type"),
        ("timestamp", 253_402_300_800_000, "out_of_range"),
        ("reasons", {}, "wrong_type"),
        ("reasons", [{"feature": 1}], "wrong_type"),
        ("reasons", ["feature"], "wrong_type"),
    ],
)
def test_a_value_of_another_type_or_range_is_named_and_the_rest_of_the_column_stands(
    type_: ColumnType, bad: Any, reason: str
) -> None:
    wrong: dict[int, Any] = {}
    column = column_of(Column("x", type_, source="x"), [None, bad, None], wrong)
    assert column.to_pylist() == [None, None, None]
    assert {index: found[0] for index, found in wrong.items()} == {1: reason}
    assert wrong[1][1].startswith(f"field 'x' expects {type_}, got ")


def test_a_key_that_is_not_utf8_is_shown_as_its_bytes() -> None:
    assert key_text(b"a\xff") == "a\\xff"
    assert key_text(None) is None


def test_a_record_without_a_timestamp_has_none_in_the_table() -> None:
    record = json_record("features.subscriber", 1, feature_fields(1))._replace(timestamp=-1)
    assert compile_decoder(SUBSCRIBER)([record]).rows.column("_recorded_at").to_pylist() == [None]
