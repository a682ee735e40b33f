"""Vacuum: only what no reader can mean any more is removed, and the log is kept short."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from headrace_lake import Lake, LakeError, Limits, QueryError
from headrace_lake.upkeep.compact import compact
from headrace_lake.upkeep.vacuum import LEAST_AGE, vacuum
from lake_records import SUBSCRIBER
from upkeep_tables import APP, folder, handle, offsets, table, write


def age_by(path: Path, age: timedelta) -> None:
    """Make a file older."""
    then = time.time() - age.total_seconds()
    os.utime(path, (then, then))


def test_an_age_that_a_query_may_still_read_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 0, 10)
    with pytest.raises(LakeError) as error:
        vacuum(table(tmp_path), age=timedelta(hours=1))
    assert str(error.value) == (
        "files that went 1h ago may still be read: no vacuum\n"
        "  age:    1h\n"
        "  least:  2h, twice what the longest query may take\n"
        "  try:    headrace lake vacuum --age 2h"
    )


def test_no_query_may_take_longer_than_half_of_the_least_age() -> None:
    longest = LEAST_AGE.total_seconds() / 2
    assert Limits(seconds=longest).seconds == longest
    with pytest.raises(QueryError) as error:
        Limits(seconds=longest + 1)
    assert str(error.value) == (
        "the limit 'seconds' of a query is 3601\n"
        "  expected:  at most 3600\n"
        "  why:       upkeep removes files that no query can be reading any more\n"
        "  try:       seconds=3600"
    )


def test_files_that_left_the_table_a_moment_ago_stay(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    old = Lake(tmp_path, [SUBSCRIBER]).connect()
    compact(table(tmp_path))
    assert vacuum(table(tmp_path), age=LEAST_AGE).files == 0
    assert old.sql("select count(*) from features.subscriber").fetchall() == [(50,)]


def test_what_a_crash_left_goes_when_it_is_old_and_what_is_being_written_stays(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    kept = table(tmp_path)
    left, young = folder(tmp_path) / "part-left.zstd3.parquet", folder(tmp_path) / "part-young.zstd3.parquet"
    for path in (left, young):
        path.write_bytes(b"half a file")
    age_by(left, LEAST_AGE + timedelta(hours=1))
    assert vacuum(kept, age=LEAST_AGE, dry_run=True).files == 1
    assert left.exists()
    done = vacuum(kept, age=LEAST_AGE)
    assert (done.files, done.bytes, left.exists(), young.exists()) == (1, 11, False, True)
    assert offsets(tmp_path) == list(range(50))


def test_old_entries_of_the_log_go_and_the_recorded_offsets_stay(tmp_path: Path) -> None:
    write(tmp_path, 0, 250)
    log = folder(tmp_path) / "_delta_log"
    for path in log.iterdir():
        age_by(path, timedelta(days=8))
    done = vacuum(table(tmp_path), age=timedelta(days=7))
    assert done.log_files > 20
    assert handle(tmp_path).transaction_version(APP) == 250
    assert offsets(tmp_path) == list(range(250))
    write(tmp_path, 250, 300)
    assert offsets(tmp_path) == list(range(300))
