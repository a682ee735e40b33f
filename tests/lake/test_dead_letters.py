"""Refused records in `ops.dead_letters`, each once, however often their batch is tried."""

import base64
from pathlib import Path

import pyarrow as pa
from headrace_lake import FlushPolicy, TableSpec, dead_letters_table, events_table
from headrace_lake.dead_letters import store_dead_letters
from headrace_lake.decode import RefusedRecord, compile_decoder
from headrace_lake.delta_table import open_for_append
from headrace_lake.feed import Feed
from headrace_lake.layout import is_table, table_folder
from lake_records import CALL, START_MS, SUBSCRIBER, HandClock, call_record, json_record

HERE = events_table(CALL, dead_letters_here=True)


def refused(*numbers: int) -> list[RefusedRecord]:
    """Calls that their contract refuses."""
    return compile_decoder(HERE)([call_record(number, duration_s=-1) for number in numbers]).refused


def dead_letters(lake: Path) -> list[dict[str, object]]:
    """Rows of the table, by offset."""
    rows = pa.table(open_for_append(lake, dead_letters_table()).scan()).to_pylist()
    return sorted(rows, key=lambda row: row["offset"])


def written(lake: Path, spec: TableSpec, *records: object) -> Feed:
    """A feed that has read and written these records."""
    feed = Feed(lake, spec, FlushPolicy(), HandClock())
    feed.start("topic-uuid", (0,))
    feed.take(0, list(records), len(records))  # type: ignore[arg-type]  # any mixture of records
    assert feed.write() == "committed"
    return feed


def test_a_dead_letter_says_what_why_and_where(tmp_path: Path) -> None:
    assert store_dead_letters(tmp_path, refused(4), "topic-uuid", {0: 5}, START_MS) == 1
    (row,) = dead_letters(tmp_path)
    value = base64.b64decode(str(row.pop("value")))
    assert b'"duration_s":-1' in value
    assert {name: str(content) for name, content in row.items()} == {
        "reason": "out_of_range",
        "detail": row["detail"],
        "event": "call",
        "topic": "events.call",
        "partition": "0",
        "offset": "4",
        "record_timestamp": "2025-01-01 00:00:00.004000+00:00",
        "event_id": "call-000004",
        "key": "s4",
        "recorded_at": "2025-01-01 00:00:00+00:00",
        "_partition": "None",
        "_offset": "None",
        "_key": "s4",
        "_recorded_at": "2025-01-01 00:00:00+00:00",
    }


def test_a_batch_that_is_tried_again_adds_only_what_is_not_there(tmp_path: Path) -> None:
    # A crash after the dead letters and before the rows: the same records come again, in other batches.
    assert store_dead_letters(tmp_path, refused(1, 3), "topic-uuid", {0: 4}, START_MS) == 2
    assert store_dead_letters(tmp_path, refused(1), "topic-uuid", {0: 2}, START_MS) == 0
    assert store_dead_letters(tmp_path, refused(1, 3, 5), "topic-uuid", {0: 6}, START_MS) == 1
    assert [row["offset"] for row in dead_letters(tmp_path)] == [1, 3, 5]


def test_events_that_a_job_reads_leave_their_dead_letters_to_it(tmp_path: Path) -> None:
    feed = written(tmp_path, events_table(CALL), call_record(0), call_record(1, duration_s=-1))
    assert (feed.counters.rows, feed.counters.refused) == (1, 1)
    assert not is_table(table_folder(tmp_path, "ops", "dead_letters"))


def test_events_that_no_view_reads_get_their_dead_letters_here(tmp_path: Path) -> None:
    written(tmp_path, HERE, call_record(0), call_record(1, duration_s=-1))
    assert [(row["offset"], row["reason"]) for row in dead_letters(tmp_path)] == [(1, "out_of_range")]


def test_a_feature_row_that_cannot_be_read_becomes_a_dead_letter_without_an_event(tmp_path: Path) -> None:
    written(tmp_path, SUBSCRIBER, json_record("features.subscriber", 0, []))
    (row,) = dead_letters(tmp_path)
    assert (row["reason"], row["event"], row["topic"]) == ("not_json", None, "features.subscriber")


def test_a_dead_letter_that_cannot_be_read_is_one_itself(tmp_path: Path) -> None:
    spec = dead_letters_table()
    written(tmp_path, spec, json_record("dead_letters", 0, {"reason": "not_json"}))
    (row,) = dead_letters(tmp_path)
    assert (row["reason"], row["detail"], row["topic"]) == ("missing_field", "field 'topic' is missing", "dead_letters")
