"""Exactly once: rows and offsets in one commit, through the handle that was checked."""

import threading
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from headrace_lake import LakeError, LakeWriteError, TableSpec, events_table, features_table
from headrace_lake.commit import Committed, Seek, append, commit
from headrace_lake.decode import compile_decoder
from headrace_lake.delta_table import open_for_append
from headrace_lake.layout import table_folder
from headrace_lake.offsets import OffsetRange, table_app_id
from lake_records import CALL, call_record

SPEC = events_table(CALL)
APP = table_app_id("topic-uuid", 0)
DECODE = compile_decoder(SPEC)


def batch(first: int, last: int) -> pa.Table:
    """Rows of the calls from `first` up to and without `last`."""
    return DECODE([call_record(number) for number in range(first, last)]).rows


def stored(lake: Path, spec: TableSpec = SPEC) -> DeltaTable:
    """A fresh handle of the table."""
    return DeltaTable(table_folder(lake, spec.schema, spec.name))


def offsets(lake: Path) -> list[int]:
    """All offsets in the table, sorted."""
    return sorted(pa.table(stored(lake).scan(columns=["_offset"])).column("_offset").to_pylist())


def test_rows_and_the_next_offset_stand_in_one_version(tmp_path: Path) -> None:
    assert commit(tmp_path, SPEC, batch(0, 10), {APP: OffsetRange(None, 12)}) == Committed(1, 10, 0)
    assert stored(tmp_path).transaction_version(APP) == 12
    assert offsets(tmp_path) == list(range(10))


def test_a_batch_that_was_stored_already_is_not_stored_again(tmp_path: Path) -> None:
    commit(tmp_path, SPEC, batch(0, 10), {APP: OffsetRange(None, 10)})
    assert commit(tmp_path, SPEC, batch(0, 10), {APP: OffsetRange(None, 10)}) == Seek({APP: 10})
    assert commit(tmp_path, SPEC, batch(5, 15), {APP: OffsetRange(5, 15)}) == Seek({APP: 10})
    assert offsets(tmp_path) == list(range(10))


def test_a_batch_that_would_leave_a_gap_is_not_stored(tmp_path: Path) -> None:
    commit(tmp_path, SPEC, batch(0, 10), {APP: OffsetRange(None, 10)})
    assert commit(tmp_path, SPEC, batch(11, 12), {APP: OffsetRange(11, 12)}) == Seek({APP: 10})


def test_one_partition_that_was_moved_on_holds_back_the_whole_batch(tmp_path: Path) -> None:
    other = table_app_id("topic-uuid", 1)
    commit(tmp_path, SPEC, batch(0, 10), {APP: OffsetRange(None, 10)})
    ranges = {APP: OffsetRange(5, 15), other: OffsetRange(None, 3)}
    assert commit(tmp_path, SPEC, batch(5, 15), ranges) == Seek({APP: 10, other: None})


def test_offsets_move_although_every_record_was_refused(tmp_path: Path) -> None:
    assert commit(tmp_path, SPEC, batch(0, 0), {APP: OffsetRange(None, 7)}) == Committed(1, 0, 0)
    assert stored(tmp_path).transaction_version(APP) == 7
    assert stored(tmp_path).file_uris() == []


@pytest.mark.parametrize("second_app", [APP, table_app_id("topic-uuid", 1)])
def test_of_two_handles_of_one_version_the_second_is_refused(tmp_path: Path, second_app: str) -> None:
    first, second = open_for_append(tmp_path, SPEC), open_for_append(tmp_path, SPEC)
    append(first, batch(0, 10), {APP: 10})
    with pytest.raises(CommitFailedError):
        append(second, batch(0, 10), {second_app: 10})
    assert offsets(tmp_path) == list(range(10))


def test_writers_that_race_for_the_same_batches_leave_each_row_once(tmp_path: Path) -> None:
    outcomes: list[Committed | Seek] = []

    def write_all() -> None:
        start: int | None = None
        while (start or 0) < 60:
            first = start or 0
            outcome = commit(tmp_path, SPEC, batch(first, first + 5), {APP: OffsetRange(start, first + 5)})
            outcomes.append(outcome)
            start = first + 5 if isinstance(outcome, Committed) else outcome.recorded[APP]

    threads = [threading.Thread(target=write_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert offsets(tmp_path) == list(range(60))
    assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 12


def test_an_append_after_a_compaction_is_tried_again_and_stored(tmp_path: Path) -> None:
    for first in (0, 5):
        commit(tmp_path, SPEC, batch(first, first + 5), {APP: OffsetRange(first or None, first + 5)})
    stale = open_for_append(tmp_path, SPEC)
    stored(tmp_path).optimize.compact()
    with pytest.raises(CommitFailedError):
        append(stale, batch(10, 15), {APP: 15})
    assert isinstance(commit(tmp_path, SPEC, batch(10, 15), {APP: OffsetRange(10, 15)}), Committed)
    assert offsets(tmp_path) == list(range(15))


def test_compaction_keeps_the_recorded_offsets(tmp_path: Path) -> None:
    for first in range(0, 125, 5):
        commit(tmp_path, SPEC, batch(first, first + 5), {APP: OffsetRange(first or None, first + 5)})
    handle = stored(tmp_path)
    handle.optimize.compact()
    handle.create_checkpoint()
    assert stored(tmp_path).transaction_version(APP) == 125
    assert len(stored(tmp_path).file_uris()) == 1


def test_a_table_gets_the_columns_that_its_declaration_has_gained(tmp_path: Path) -> None:
    old = features_table("v", "k", "string", [("a", "double")])
    new = features_table("v", "k", "string", [("a", "double"), ("b", "reasons")])
    open_for_append(tmp_path, old)
    assert [field.name for field in open_for_append(tmp_path, new).schema().fields][-1] == "b"
    # A writer that still runs with the old declaration goes on; the new column is null in its rows.
    rows = compile_decoder(old)([]).rows
    assert isinstance(commit(tmp_path, old, rows, {APP: OffsetRange(None, 1)}), Committed)


def test_a_column_of_another_type_is_an_error_that_names_both(tmp_path: Path) -> None:
    open_for_append(tmp_path, features_table("v", "k", "string", [("a", "double")]))
    with pytest.raises(LakeError) as error:
        open_for_append(tmp_path, features_table("v", "k", "string", [("a", "long")]))
    assert str(error.value).splitlines()[0] == "column 'a' of table features.v is double, declared is int64"


def test_a_folder_that_cannot_be_written_is_a_retryable_error(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("a file stands where the folder of the tables has to be")
    with pytest.raises(LakeWriteError) as error:
        commit(tmp_path, SPEC, batch(0, 1), {APP: OffsetRange(None, 1)})
    lines = str(error.value).splitlines()
    assert lines[0].startswith("table events.call could not be written: ")
    assert lines[1:] == [
        f"  folder:    {tmp_path}/events/call",
        "  expected:  a folder that can be written, on a disk that is not full",
        f"  try:       df -h {tmp_path}/events/call",
    ]
