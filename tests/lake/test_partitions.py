"""Tables in partitions: rows stand where the card of their event says, and all that a table is good for stays so."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from headrace_ingestion.contract import Contract
from headrace_lake import Lake, LakeError, events_table
from headrace_lake.commit import Committed, commit
from headrace_lake.decode import compile_decoder
from headrace_lake.delta_table import active_files, deleted_before
from headrace_lake.history import table_history
from headrace_lake.offsets import OffsetRange
from headrace_lake.snapshots import take_snapshot
from headrace_lake.tables import TableSpec
from headrace_lake.upkeep import relayout
from headrace_lake.upkeep.compact import compact
from headrace_lake.upkeep.deletions import Deletion
from headrace_lake.upkeep.files import KeptTable, opened, stored_files
from headrace_lake.upkeep.relayout import lay_out_anew
from headrace_lake.upkeep.retain import Tiers, retain
from headrace_lake.upkeep.rewrite import Engine, mark_deleted
from headrace_lake.upkeep.vacuum import LEAST_AGE, vacuum
from headrace_lake.views import FILE, FILE_ROW, placed_rows_of
from lake_records import CALL, START_MS, call_record
from upkeep_tables import APP, table

DAY = timedelta(days=1)
START = datetime.fromtimestamp(START_MS / 1_000, UTC)
STATES = ("new", "paid", "sent_1.5")


def spec_of(more: dict[str, Any] | None = None, **card: Any) -> TableSpec:
    """The table of an event with this card; `more` are fields beside those of a call."""
    said = CALL.model_dump(mode="json", exclude_defaults=True)
    fields = {
        **said["fields"],
        "state": {"type": "enum", "values": list(STATES), "required": False},
        "paid": {"type": "bool", "required": False},
        **(more or {}),
    }
    return events_table(Contract.model_validate({**said, "fields": fields, "max_ahead": "30d", "access": card}))


def rows(spec: TableSpec, first: int, last: int) -> pa.Table:
    """Calls six hours apart, by turns in each state and in none, paid, unpaid and neither."""
    records = []
    for number in range(first, last):
        at = (START + number * timedelta(hours=6)).isoformat()
        state, paid = (*STATES, None)[number % 4], (True, False, None)[number % 3]
        records.append(call_record(number, started_at=at, state=state, paid=paid))
    decoded = compile_decoder(spec)(records)
    assert not decoded.refused, decoded.refused
    return decoded.rows


def write(lake: Path, spec: TableSpec, first: int, last: int, size: int = 8) -> None:
    """Commit calls as the writer does, so many at a time."""
    for start in range(first, last, size):
        outcome = commit(lake, spec, rows(spec, start, start + size), {APP: OffsetRange(start or None, start + size)})
        assert isinstance(outcome, Committed)


def handle(lake: Path) -> DeltaTable:
    """The table."""
    return DeltaTable(lake / "events" / "call")


def folders(lake: Path) -> list[str]:
    """The folders that active files stand in, each once."""
    return sorted({Path(file).parent.name for file in active_files(handle(lake))})


def read(lake: Path, spec: TableSpec, query: str = "select * from events.call order by _offset") -> Sequence[Any]:
    """The rows of a query."""
    return Lake(lake, [spec]).sql(query).rows


def plan(lake: Path, spec: TableSpec, condition: str) -> str:
    """What DuckDB says that it has read for a query."""
    query = f"explain analyze select * from events.call where {condition}"
    return str(Lake(lake, [spec]).sql(query).rows[0][1])


@pytest.mark.parametrize(
    ("period", "first", "number"),
    [("month", "_month=2025-01", 1), ("day", "_day=2025-01-01", 6), ("hour", "_hour=2025-01-01T00", 24)],
)
def test_one_commit_holds_rows_of_several_periods_and_their_offsets(
    tmp_path: Path, period: str, first: str, number: int
) -> None:
    spec = spec_of(partition=period)
    write(tmp_path, spec, 0, 24, size=24)
    assert (handle(tmp_path).version(), handle(tmp_path).transaction_version(APP)) == (1, 24)
    assert (len(folders(tmp_path)), folders(tmp_path)[0]) == (number, first)
    column = f"_{period}"
    ((name, type_),) = [
        one for one in read(tmp_path, spec, "select column_name, data_type from duckdb_columns() where "
        "schema_name = 'events' and table_name = 'call'") if one[0] == column
    ]  # fmt: skip
    assert (name, type_) == (column, "VARCHAR")
    form = {"month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}[period]
    differing = f"select count(*) from events.call where {column} is distinct from strftime(started_at, '{form}')"
    assert read(tmp_path, spec, differing) == [(0,)]


@pytest.mark.parametrize(
    ("field", "type_", "found"),
    [
        ("state", "VARCHAR", [None, "new", "paid", "sent_1.5"]),
        ("paid", "BOOLEAN", [None, False, True]),
    ],
)
def test_a_partition_of_a_field_keeps_its_values_its_nulls_and_its_type(
    tmp_path: Path, field: str, type_: str, found: list[object]
) -> None:
    spec, plain = spec_of(partition=field), spec_of()
    write(tmp_path / "a", spec, 0, 24)
    write(tmp_path / "b", plain, 0, 24)
    assert read(tmp_path / "a", spec) == read(tmp_path / "b", plain)
    compact(table(tmp_path / "a", "events.call", [spec]))
    assert read(tmp_path / "a", spec) == read(tmp_path / "b", plain)
    query = f"select distinct typeof({field}), {field} from events.call order by 2 nulls first"
    assert read(tmp_path / "a", spec, query) == [(type_, value) for value in found]
    assert len(folders(tmp_path / "a")) == len(found)


def test_a_table_can_be_asked_for_its_period_before_its_first_row(tmp_path: Path) -> None:
    assert read(tmp_path, spec_of(partition="day"), "select count(_day) from events.call") == [(0,)]


def test_a_query_for_a_partition_reads_the_files_of_that_partition_and_no_other(tmp_path: Path) -> None:
    spec = spec_of(partition="day", sort=["device", "started_at"])
    write(tmp_path, spec, 0, 24, size=4)
    assert len(active_files(handle(tmp_path))) == 6
    read_files = plan(tmp_path, spec, "_day = '2025-01-03'")
    assert ("Scanning Files: 1/6" in read_files, "Total Files Read: 1" in read_files) == (True, True), read_files
    assert "Scanning Files: 2/6" in plan(tmp_path, spec, "_day between '2025-01-02' and '2025-01-03'")
    assert len(active_files(handle(tmp_path), "_day = '2025-01-03'")) == 1


def test_a_query_for_a_time_is_pruned_by_the_statistics_of_the_files(tmp_path: Path) -> None:
    spec = spec_of(partition="day")
    write(tmp_path, spec, 0, 24)
    compact(table(tmp_path, "events.call", [spec]))
    low, high = "2025-01-03T00:00:00Z", "2025-01-03T23:00:00Z"
    assert len(active_files(handle(tmp_path), f"started_at >= '{low}' AND started_at <= '{high}'")) == 1
    assert "Row Groups Scanned: 1 / 6" in plan(tmp_path, spec, f"started_at between '{low}' and '{high}'")


def test_compaction_merges_files_of_one_partition_only_sorted_as_the_card_says(tmp_path: Path) -> None:
    spec = spec_of(partition="day", sort=["state", "started_at"])
    # Neither 3 nor 8 divides the 4 calls of a day: each day has several files.
    write(tmp_path, spec, 0, 24, size=3)
    before = read(tmp_path, spec)
    done = compact(table(tmp_path, "events.call", [spec]))
    assert (done.files_before, done.files_after, done.rows) == (12, 6, 24)
    assert read(tmp_path, spec) == before
    assert len(folders(tmp_path)) == len(active_files(handle(tmp_path))) == 6
    for file in active_files(handle(tmp_path)):
        held = pa.parquet.read_table(file, partitioning=None)
        assert "_day" not in held.column_names
        states = held.column("state").to_pylist()
        assert states == sorted(states, key=lambda state: (state is None, state))
    # What delta-rs reads is what DuckDB reads.
    assert pa.table(handle(tmp_path).scan(columns=["_day"])).num_rows == 24
    write(tmp_path, spec, 24, 30, size=3)
    assert handle(tmp_path).transaction_version(APP) == 30
    assert compact(table(tmp_path, "events.call", [spec])).files_after == 8


def test_old_rows_go_and_are_recompressed_partition_by_partition(tmp_path: Path) -> None:
    spec = spec_of(partition="day")
    write(tmp_path, spec, 0, 24, size=3)
    tiers = Tiers(recompress_after=2 * DAY, delete_after=4 * DAY + timedelta(hours=12), level=5)
    now_ms = START_MS + 6 * 86_400_000
    kept = table(tmp_path, "events.call", [spec])
    done = retain(kept, tiers, now_ms)
    assert (done.deleted_rows, done.recompressed_files, done.files_after) == (6, 5, 7)
    assert [row[0] for row in read(tmp_path, spec, "select _offset from events.call order by 1")] == list(range(6, 24))
    assert folders(tmp_path) == [f"_day=2025-01-{day:02d}" for day in range(2, 7)]


def test_rows_are_deleted_by_a_condition_on_the_partition_itself(tmp_path: Path) -> None:
    spec = spec_of(partition="state")
    write(tmp_path, spec, 0, 24)
    kept = table(tmp_path, "events.call", [spec])
    condition = "state = 'paid' OR (state IS NULL AND _offset < 10)"
    deletion = Deletion(kept, condition, lambda at: stored_files(at, "started_at"), "delete", "test", Engine())
    assert (deletion.count(), deletion.run(), deletion.count()) == (8, 8, 0)
    left = read(tmp_path, spec, "select state, count(*) from events.call group by 1 order by 1")
    assert left == [("new", 6), ("sent_1.5", 6), (None, 4)]


def test_versions_are_still_listed_read_and_vacuumed(tmp_path: Path) -> None:
    spec = spec_of(partition="day")
    write(tmp_path, spec, 0, 24, size=6)
    kept = table(tmp_path, "events.call", [spec])
    compact(kept)
    lake = Lake(tmp_path, [spec])
    assert lake.sql("select count(*) from events.call where _day < '2025-01-03'", as_of={"events.call": 1}).rows == [
        (6,)
    ]
    newest = next(iter(table_history(kept, 1)))
    assert (newest.operation, newest.rows_added, newest.rows_removed) == ("compact", 4, 4)
    left = tmp_path / "events" / "call" / "_day=2025-01-01" / "part-left.zstd3.parquet"
    left.write_bytes(b"what a crash has left")
    _age(left)
    assert (vacuum(kept, age=LEAST_AGE).files, left.exists()) == (1, False)
    assert read(tmp_path, spec, "select count(*) from events.call") == [(24,)]


def test_a_column_that_comes_later_is_null_in_rows_of_before_and_merged_with_them(tmp_path: Path) -> None:
    spec = spec_of(partition="day")
    write(tmp_path, spec, 0, 8)
    wider = spec_of({"note": {"type": "string", "default": "none"}}, partition="day")
    write(tmp_path, wider, 8, 16)
    compact(table(tmp_path, "events.call", [wider]))
    query = "select note, count(*), min(_day), max(_day) from events.call group by 1"
    assert read(tmp_path, wider, query) == [("none", 16, "2025-01-01", "2025-01-04")]


def test_a_table_that_is_there_keeps_its_partitions_whatever_the_card_says_then(tmp_path: Path) -> None:
    write(tmp_path, spec_of(), 0, 8)
    by_day = spec_of(partition="day")
    write(tmp_path, by_day, 8, 16)
    assert folders(tmp_path) == ["call"]
    write(tmp_path / "b", by_day, 0, 8)
    write(tmp_path / "b", spec_of(partition="state"), 8, 16)
    assert folders(tmp_path / "b") == [f"_day=2025-01-0{day}" for day in range(1, 5)]
    assert len(read(tmp_path / "b", by_day)) == 16
    assert opened(table(tmp_path / "b", "events.call", [by_day])).metadata().partition_columns == ["_day"]


EVERY = "select columns(lambda c: c <> '_day') from raw.events_call order by _offset"
CARDS: list[dict[str, Any]] = [
    {"partition": "day"},
    {"partition": "state"},
    {},
    {"partition": "paid", "sort": ["state"]},
]


def test_a_table_is_laid_out_anew_as_its_card_says_with_its_offsets_notes_and_versions(tmp_path: Path) -> None:
    more = {
        "lines": {"type": "list", "items": {"type": "object", "fields": {"n": {"type": "int"}}}, "required": False},
        "counts": {"type": "map", "values": {"type": "long"}, "required": False},
        "price": {"type": "decimal", "precision": 9, "scale": 2, "required": False},
    }
    made = spec_of(more)
    record = call_record(0, lines=[{"n": 1}, {"n": 2}], counts={"a": 1}, price="1.50", state="new", paid=True)
    commit(tmp_path, made, compile_decoder(made)([record]).rows, {APP: OffsetRange(None, 1)})
    write(tmp_path, made, 1, 25)
    mark_deleted(table(tmp_path, "events.call", [made]), START, "test")
    before = read(tmp_path, made, EVERY)
    versions = []
    for card in CARDS:
        spec = spec_of(more, **card)
        kept = table(tmp_path, "events.call", [spec])
        assert lay_out_anew(tmp_path, kept, spec, engine=Engine(), dry_run=True).rows == 25
        done = lay_out_anew(tmp_path, kept, spec, engine=Engine())
        assert (done.rows, done.did_something) == (25, True)
        versions.append(handle(tmp_path).version())
        columns = [spec.partition.column] if spec.partition else []
        assert handle(tmp_path).metadata().partition_columns == columns
        assert read(tmp_path, spec, EVERY) == before
        assert ("_day" in Lake(tmp_path).schemas()["events.call"].names) is (columns == ["_day"])
    assert handle(tmp_path).transaction_version(APP) == 25
    assert deleted_before(handle(tmp_path)) == START
    write(tmp_path, spec, 25, 33)
    assert len(read(tmp_path, spec)) == 33
    second_day = "select count(*) from events.call where _day = '2025-01-02'"
    assert Lake(tmp_path).sql(second_day, as_of={"events.call": versions[0]}).rows == [(4,)]
    assert handle(tmp_path).history(2)[1]["userName"] == "headrace lake compact --rewrite"


def test_a_table_that_is_changed_faster_than_it_is_rewritten_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, spec_of(), 0, 8)
    spec, places = spec_of(partition="day"), iter(range(8, 100, 8))

    def opened_by_both(kept: KeptTable) -> DeltaTable:
        found = opened(kept)
        at = next(places)
        write(tmp_path, spec, at, at + 8)
        return found

    monkeypatch.setattr(relayout, "opened", opened_by_both)
    with pytest.raises(LakeError) as error:
        lay_out_anew(tmp_path, table(tmp_path, "events.call", [spec]), spec, engine=Engine())
    assert str(error.value) == (
        "table events.call was not laid out anew: it was changed by others during 3 attempts\n"
        f"  folder:    {tmp_path / 'events' / 'call'}\n"
        "  expected:  room for one more copy, and a writer that is not at work\n"
        "  try:       headrace down, then this again"
    )
    assert [row[0] for row in read(tmp_path, spec, "select _offset from events.call order by 1")] == list(range(40))


def _age(path: Path) -> None:
    import os

    then = (datetime.now(UTC) - 2 * LEAST_AGE).timestamp()
    os.utime(path, (then, then))


@pytest.mark.parametrize("card", [{"partition": "state"}, {}], ids=["in partitions", "in one folder"])
def test_a_row_keeps_its_place_whatever_files_a_condition_passes_over(tmp_path: Path, card: dict[str, Any]) -> None:
    spec = spec_of(**card)
    write(tmp_path, spec, 0, 16)
    snapshot = take_snapshot(tmp_path, "events", "call", spec)
    assert snapshot is not None
    assert len(snapshot.files) > 1
    rows = f"SELECT {FILE}, {FILE_ROW}, event_id, state FROM ({placed_rows_of(snapshot)})"
    with duckdb.connect() as connection:
        places = {event: (file, row) for file, row, event, _ in connection.sql(rows).fetchall()}
        paid = connection.sql(f"{rows} WHERE state = 'paid'").fetchall()
    assert len(set(places.values())) == 16
    assert {event: (file, row) for file, row, event, _ in paid} == {
        event: places[event] for event in ("call-000001", "call-000005", "call-000009", "call-000013")
    }
