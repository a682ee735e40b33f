"""The views of `lake sql`: what they hide, and what they show of a lake that is still empty."""

from pathlib import Path

import pytest
from headrace_lake import (
    FlushPolicy,
    Lake,
    TableSpec,
    connect,
    duplicates_table,
    events_table,
    features_table,
    ops_tables,
)
from headrace_lake.feed import Feed
from headrace_lake.layout import table_folder
from lake_records import CALL, START_MS, SUBSCRIBER, HandClock, call_record, feature_fields, json_record

EVENTS = events_table(CALL)
SPECS = (EVENTS, SUBSCRIBER, *ops_tables())


def write(lake: Path, spec: TableSpec, *records: object) -> None:
    """Commit records to a table, in offsets of their own."""
    feed = Feed(lake, spec, FlushPolicy(), HandClock())
    first = (feed.start("topic-uuid", (0,)) or {})[0] or 0
    feed.take(0, list(records), first + len(records))  # type: ignore[arg-type]  # any mixture of records
    assert feed.write() == "committed"


def duplicate(number: int) -> dict[str, object]:
    """Fields of the ledger's row about the `number`-th call."""
    return {
        "view": "subscriber",
        "event": "call",
        "event_id": f"call-{number:06d}",
        "key": "s1",
        "partition": 0,
        "offset": number,
        "event_time_ms": START_MS,
        "clock_ms": START_MS,
    }


def test_declared_tables_can_be_queried_before_their_first_row(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "not there yet", SPECS)
    result = lake.sql("select * from events.call")
    assert (result.rows, result.columns[:4]) == ([], ["event_id", "_contract", "_trace", "subscriber_id"])
    assert lake.sql("select sum(duration_s_sum_1h) as s from features.subscriber").rows == [(None,)]
    assert [table.version for table in lake.tables()] == [None] * 6


def test_events_hide_what_the_ledger_of_duplicates_names_and_raw_shows_it(tmp_path: Path) -> None:
    write(tmp_path, EVENTS, *(call_record(number) for number in range(5)))
    write(tmp_path, duplicates_table(), json_record("duplicates", 0, duplicate(3)))
    lake = Lake(tmp_path, SPECS)
    assert lake.sql("select _offset from events.call order by all").rows == [(0,), (1,), (2,), (4,)]
    assert lake.sql("select count(*) from raw.events_call").rows == [(5,)]
    # A lake that knows no declaration reads the ledger all the same.
    assert Lake(tmp_path).sql("select count(*) from events.call").rows == [(4,)]


def test_a_duplicate_of_another_event_or_partition_hides_nothing(tmp_path: Path) -> None:
    write(tmp_path, EVENTS, call_record(0), call_record(1))
    others = [{**duplicate(0), "event": "other"}, {**duplicate(1), "partition": 7}]
    write(tmp_path, duplicates_table(), *(json_record("duplicates", at, row) for at, row in enumerate(others)))
    assert Lake(tmp_path).sql("select count(*) from events.call").rows == [(2,)]


def test_features_show_the_highest_revision_of_each_event(tmp_path: Path) -> None:
    rows = [feature_fields(1), feature_fields(2), feature_fields(1, revision=1, duration_s_count_1h=100)]
    write(tmp_path, SUBSCRIBER, *(json_record("features.subscriber", at, row) for at, row in enumerate(rows)))
    lake = Lake(tmp_path, SPECS)
    query = "select event_id, revision, duration_s_count_1h from {} order by all"
    assert lake.sql(query.format("features.subscriber")).rows == [("call-000001", 1, 100), ("call-000002", 0, 2)]
    assert len(lake.sql(query.format("raw.features_subscriber")).rows) == 3


def test_a_column_that_was_added_is_null_in_older_rows(tmp_path: Path) -> None:
    write(tmp_path, SUBSCRIBER, json_record("features.subscriber", 0, feature_fields(0)))
    wider = features_table(
        "subscriber", "subscriber_id", "string", [("duration_s_sum_1h", "double"), ("burst", "double")]
    )
    Feed(tmp_path, wider, FlushPolicy(), HandClock()).start("topic-uuid", (0,))
    lake = Lake(tmp_path)
    assert lake.sql("select duration_s_sum_1h, burst from features.subscriber").rows == [(0.0, None)]
    write(tmp_path, wider, json_record("features.subscriber", 1, feature_fields(1, burst=0.5)))
    query = "select burst, duration_s_count_1h from features.subscriber order by event_id"
    assert lake.sql(query).rows == [(None, 0), (0.5, None)]


def test_a_connection_of_its_own_keeps_its_snapshot_and_has_every_view(tmp_path: Path) -> None:
    write(tmp_path, EVENTS, call_record(0))
    connection = connect(tmp_path, SPECS)
    write(tmp_path, EVENTS, call_record(1))
    assert connection.sql("select count(*) from events.call").fetchall() == [(1,)]
    names = connection.sql("select schema_name || '.' || view_name from duckdb_views() where not internal order by 1")
    assert [name for (name,) in names.fetchall()] == [
        "events.call", "features.subscriber", "ops.alerts", "ops.dead_letters", "ops.duplicates", "ops.late_events",
        "raw.deletions", "raw.events_call", "raw.features_subscriber", "raw.ops_alerts", "raw.ops_dead_letters",
        "raw.ops_duplicates", "raw.ops_late_events",
    ]  # fmt: skip
    connection.close()


def test_tables_have_their_figures_from_the_log(tmp_path: Path) -> None:
    write(tmp_path, EVENTS, call_record(0), call_record(1))
    write(tmp_path, EVENTS, call_record(2))
    (table,) = Lake(tmp_path).tables()
    assert (table.schema, table.name, table.rows, table.files, table.version) == ("events", "call", 3, 2, 2)
    assert str(table.newest) == "2025-01-01 00:00:00.002000+00:00"
    assert table.bytes == sum(
        path.stat().st_size for path in table_folder(tmp_path, "events", "call").glob("*.parquet")
    )


@pytest.mark.parametrize("name", ["it's", 'a "b"', "ä ö"])
def test_a_lake_may_stand_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, EVENTS, call_record(0))
    assert Lake(tmp_path / name).sql("select count(*) from events.call").rows == [(1,)]
