"""Compaction: fewer files, the same rows in the order of key and time, and a writer that goes on exactly once."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from headrace_lake import Lake, LakeError, events_table, features_table, scores_table
from headrace_lake.commit import Committed, append, commit
from headrace_lake.delta_table import active_files, open_for_append
from headrace_lake.errors import FilesMovedError
from headrace_lake.offsets import OffsetRange
from headrace_lake.upkeep.compact import compact, plan_bins
from headrace_lake.upkeep.files import StoredFile, kept_tables, opened, stored_files
from headrace_lake.upkeep.rewrite import Engine, Replacement, replace_by_one, replace_files, write_merged
from lake_records import CALL, SUBSCRIBER
from upkeep_tables import APP, folder, handle, instant, offsets, rows_of, table, write


def sizes(*sizes_bytes: int) -> list[StoredFile]:
    """Files of these sizes, in the order of time."""
    return [StoredFile(str(at), size, 1, None, None) for at, size in enumerate(sizes_bytes)]


def test_neighbours_in_time_become_one_file_of_the_target_size() -> None:
    bins = plan_bins(sizes(40, 30, 30, 20, 49, 49, 10), target_bytes=100)
    assert [[file.bytes for file in one] for one in bins] == [[40, 30, 30], [20, 49], [49, 10]]


def test_files_of_half_the_target_and_lone_small_ones_are_left() -> None:
    assert plan_bins(sizes(50, 120, 10), target_bytes=100) == []


def test_files_become_one_that_is_sorted_by_key_and_time_and_holds_every_row(tmp_path: Path) -> None:
    write(tmp_path, 0, 200)
    done = compact(table(tmp_path))
    assert (done.files_before, done.files_after, done.rows) == (20, 1, 200)
    (path,) = active_files(handle(tmp_path))
    assert done.bytes_after == Path(path).stat().st_size < done.bytes_before
    rows = pq.read_table(path).select(["subscriber_id", "event_time"]).to_pylist()
    assert rows == sorted(rows, key=lambda row: (row["subscriber_id"], row["event_time"]))
    assert offsets(tmp_path) == list(range(200))


def test_every_column_of_every_row_is_as_the_writer_wrote_it(tmp_path: Path) -> None:
    write(tmp_path, 0, 30)
    lake = Lake(tmp_path, [SUBSCRIBER])
    before = lake.sql("select * from raw.features_subscriber order by _offset").arrow()
    compact(table(tmp_path))
    assert lake.sql("select * from raw.features_subscriber order by _offset").arrow().equals(before)
    ids = pa.table(handle(tmp_path).scan(columns=["event_id"])).column("event_id").to_pylist()
    assert sorted(ids) == [f"call-{number:06d}" for number in range(30)]


def test_a_score_keeps_its_reasons_and_repeats_are_still_found(tmp_path: Path) -> None:
    from headrace_lake.decode import compile_decoder
    from headrace_lake.unique import StoredKeys
    from lake_records import json_record, score_fields

    spec = scores_table("fraud")
    decode = compile_decoder(spec)

    def scores(*numbers: int) -> pa.Table:
        return decode([json_record("scores.fraud", at, score_fields(at)) for at in numbers]).rows

    for at in range(5):
        commit(tmp_path, spec, scores(*range(at * 10, at * 10 + 10)), {APP: OffsetRange(at or None, at + 1)})
    before = Lake(tmp_path, [spec]).sql("select event_id, reasons from scores.fraud order by 1").rows
    compact(table(tmp_path, "scores.fraud", [spec]))
    assert Lake(tmp_path, [spec]).sql("select event_id, reasons from scores.fraud order by 1").rows == before
    # The file counts as large: only the rows of the batch's time are read.
    keys = StoredKeys(spec, large_rows=10)
    assert commit(tmp_path, spec, scores(*range(45, 55)), {APP: OffsetRange(5, 6)}, keys) == Committed(7, 5, 5)
    (path, _) = active_files(open_for_append(tmp_path, spec))
    times = pq.read_table(path if "zstd3" in path else _, columns=["event_time"]).column("event_time").to_pylist()
    assert times == sorted(times)


def test_the_writer_goes_on_where_it_was(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    stale = open_for_append(tmp_path, SUBSCRIBER)
    compact(table(tmp_path))
    assert handle(tmp_path).transaction_version(APP) == 50
    with pytest.raises(Exception, match="transaction"):
        append(stale, rows_of(50, 60), {APP: 60})
    write(tmp_path, 50, 70)
    assert offsets(tmp_path) == list(range(70))


def test_what_the_writer_adds_between_reading_and_committing_stays(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    kept = table(tmp_path)
    version = opened(kept)
    files = stored_files(version, kept.time_column)
    added = write_merged(kept, version, files, level=3, engine=Engine())
    write(tmp_path, 50, 70)
    assert replace_files(kept, Replacement("compact", files, [added]), "test") == 8
    assert offsets(tmp_path) == list(range(70))
    assert handle(tmp_path).transaction_version(APP) == 70


def test_of_two_compactions_of_the_same_files_the_second_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    kept = table(tmp_path)
    version = opened(kept)
    files = stored_files(version, kept.time_column)
    added = [write_merged(kept, version, files, level=3, engine=Engine()) for _ in range(2)]
    assert replace_files(kept, Replacement("compact", files, added[:1]), "first") == 6
    assert replace_files(kept, Replacement("compact", files, added[1:]), "second") is None
    assert offsets(tmp_path) == list(range(50))
    assert not (kept.folder / added[1].path).exists()


def test_a_file_that_lost_rows_on_its_way_is_never_committed(tmp_path: Path) -> None:
    write(tmp_path, 0, 20)
    kept = table(tmp_path)
    files = stored_files(opened(kept), kept.time_column)
    wrong = [StoredFile(file.path, file.bytes, 11, file.oldest, file.newest) for file in files]
    before = set(folder(tmp_path).glob("*.parquet"))
    with pytest.raises(LakeError) as error:
        write_merged(kept, opened(kept), wrong, level=3, engine=Engine())
    assert str(error.value) == (
        "table features.subscriber was left as it is: 2 files were read as 20 rows\n"
        "  expected:  22 rows\n"
        f"  folder:    {kept.folder}\n"
        "  try:       headrace lake sql 'select count(*) from features.subscriber'"
    )
    assert set(folder(tmp_path).glob("*.parquet")) == before


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    done = compact(table(tmp_path), dry_run=True)
    assert (done.files_before, done.files_after, done.bytes_after, done.rows) == (5, 1, None, 50)
    assert handle(tmp_path).version() == 5


def test_files_of_before_and_after_a_new_column_become_one(tmp_path: Path) -> None:
    write(tmp_path, 0, 20)
    columns = [("duration_s_sum_1h", "double"), ("duration_s_count_1h", "long"), ("extra", "reasons")]
    wider = features_table("subscriber", "subscriber_id", "string", columns)  # type: ignore[arg-type]  # literal types
    commit(tmp_path, wider, rows_of(20, 30), {APP: OffsetRange(20, 30)})
    compact(table(tmp_path, specs=[wider]))
    rows = Lake(tmp_path, [wider]).sql("select count(*), count(extra), sum(_offset) from features.subscriber").rows
    assert rows == [(30, 0, 435)]


def test_a_table_that_is_not_declared_any_more_is_compacted_too(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    (kept,) = kept_tables(tmp_path, [])
    assert compact(kept).files_after == 1
    assert offsets(tmp_path) == list(range(50))


def test_a_query_for_a_time_reads_the_one_row_group_that_can_hold_it(tmp_path: Path) -> None:
    write(tmp_path, 0, 200)
    four_files = sum(file.bytes for file in stored_files(handle(tmp_path), "event_time")) // 4 + 50
    compact(table(tmp_path), target_bytes=four_files)
    low, high = (instant(at).isoformat().replace("+00:00", "Z") for at in (60, 65))
    assert len(active_files(handle(tmp_path))) == 4
    assert len(active_files(handle(tmp_path), f"event_time >= '{low}' AND event_time <= '{high}'")) == 1
    query = f"explain analyze select * from features.subscriber where event_time between '{low}' and '{high}'"
    plan = Lake(tmp_path, [SUBSCRIBER]).sql(query).rows[0][1]
    assert "Row Groups Scanned: 1 / 4" in plan


def test_a_table_with_more_of_delta_is_refused_with_what_upkeep_knows(tmp_path: Path) -> None:
    folder = tmp_path / "events" / "foreign"
    folder.mkdir(parents=True)
    DeltaTable.create(str(folder), pa.schema([("v", pa.int64())]), configuration={"delta.enableChangeDataFeed": "true"})
    with pytest.raises(LakeError) as error:
        compact(table(tmp_path, "events.foreign"))
    assert str(error.value) == (
        "table events.foreign is left as it is: upkeep does not know its form\n"
        "  protocol:  reader 1, writer 4\n"
        "  expected:  reader 1, writer 2\n"
        "  try:       headrace lake history events.foreign"
    )


def test_an_unknown_table_is_answered_with_the_closest(tmp_path: Path) -> None:
    write(tmp_path, 0, 10)
    with pytest.raises(LakeError) as error:
        table(tmp_path, "features.subscribr")
    assert str(error.value) == (
        "there is no table 'features.subscribr' in the lake\n"
        "  tables:  features.subscriber\n"
        "  try:     features.subscriber"
    )


def test_each_table_is_sorted_by_its_own_key() -> None:
    assert events_table(CALL).sort_columns == ("subscriber_id", "started_at", "_partition", "_offset")
    assert SUBSCRIBER.sort_columns == ("subscriber_id", "event_time", "_partition", "_offset")
    # The writer looks for repeats by time.
    assert scores_table("fraud").sort_columns == ("event_time", "_key", "_partition", "_offset")


def test_files_that_went_while_they_were_read_are_left_to_who_has_replaced_them(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    kept = table(tmp_path)
    version = opened(kept)
    files = stored_files(version, kept.time_column)
    compact(kept)
    for file in files:
        file.place(kept.folder).unlink()
    assert replace_by_one(kept, version, files, "compact", level=3, engine=Engine(), who="test") is None
    with pytest.raises(FilesMovedError) as error:
        write_merged(kept, version, files, level=3, engine=Engine())
    assert str(error.value) == (
        f"a file of table features.subscriber went while it was read: {files[0].path}\n"
        f"  folder:    {kept.folder}\n"
        "  expected:  no vacuum by another tool of less than two hours\n"
        "  try:       headrace lake history features.subscriber"
    )
    assert offsets(tmp_path) == list(range(50))
