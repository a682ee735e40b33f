"""Retention: rows go when they are old enough by their event time, exactly those, and a dry run says which."""

from datetime import timedelta
from pathlib import Path

import pytest
from headrace_lake import LakeError
from headrace_lake.delta_table import active_files
from headrace_lake.upkeep.compact import compact
from headrace_lake.upkeep.files import kept_tables
from headrace_lake.upkeep.retain import Tiers, retain
from lake_records import START_MS
from upkeep_tables import APP, handle, instant, offsets, table, write

OLD = Tiers(delete_after=timedelta(milliseconds=100))


def test_rows_of_the_age_go_and_the_row_just_younger_stays(tmp_path: Path) -> None:
    write(tmp_path, 0, 100)
    # At 145 the rows before 45 are older than 100 ms: four whole files, and half of the fifth.
    done = retain(table(tmp_path), OLD, START_MS + 145)
    assert (done.deleted_rows, done.deleted_before, done.files_before, done.files_after) == (45, instant(45), 10, 6)
    assert offsets(tmp_path) == list(range(45, 100))
    assert handle(tmp_path).transaction_version(APP) == 100
    assert retain(table(tmp_path), OLD, START_MS + 145).did_something is False


def test_rows_go_out_of_a_compacted_file_too(tmp_path: Path) -> None:
    write(tmp_path, 0, 100)
    compact(table(tmp_path))
    assert retain(table(tmp_path), OLD, START_MS + 145).deleted_rows == 45
    assert offsets(tmp_path) == list(range(45, 100))


def test_a_dry_run_counts_what_would_go_and_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, 0, 100)
    tiers = Tiers(recompress_after=timedelta(milliseconds=50), delete_after=timedelta(milliseconds=100))
    done = retain(table(tmp_path), tiers, START_MS + 145, dry_run=True)
    # Recompressed: the files of 50 to 89, and the one that loses rows; 90 to 99 holds a row that is too young.
    assert (done.deleted_rows, done.recompressed_files, done.files_after) == (45, 5, None)
    assert (handle(tmp_path).version(), offsets(tmp_path)) == (10, list(range(100)))


def test_old_files_are_compressed_harder_once_and_keep_their_rows(tmp_path: Path) -> None:
    write(tmp_path, 0, 100)
    tiers = Tiers(recompress_after=timedelta(milliseconds=50), level=15)
    assert retain(table(tmp_path), tiers, START_MS + 110).recompressed_files == 6
    names = [Path(path).name for path in active_files(handle(tmp_path))]
    assert sum(".zstd15.parquet" in name for name in names) == 1
    assert offsets(tmp_path) == list(range(100))
    assert retain(table(tmp_path), tiers, START_MS + 110).recompressed_files == 0
    # A compaction merges them with younger ones and does not take the level back.
    compact(table(tmp_path))
    assert [".zstd15.parquet" in path for path in active_files(handle(tmp_path))] == [True]


def test_a_table_without_a_declaration_has_no_event_time_to_go_by(tmp_path: Path) -> None:
    write(tmp_path, 0, 10)
    (kept,) = kept_tables(tmp_path, [])
    with pytest.raises(LakeError, match=r"^table features\.subscriber is not declared any more: "):
        retain(kept, OLD, START_MS)


def test_rows_that_are_gone_cannot_be_recompressed() -> None:
    with pytest.raises(LakeError) as error:
        Tiers(recompress_after=timedelta(days=30), delete_after=timedelta(days=10))
    assert str(error.value) == (
        "rows would be recompressed after 30d, when they are gone\n"
        "  delete_after:  10d\n"
        "  try:           recompress_after: 5d"
    )
