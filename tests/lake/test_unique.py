"""A score counts once: over the batch, over the table, and without reading all of it."""

from pathlib import Path

import pyarrow as pa
from headrace_lake import scores_table
from headrace_lake.commit import Committed, commit
from headrace_lake.decode import compile_decoder
from headrace_lake.delta_table import open_for_append
from headrace_lake.layout import table_folder
from headrace_lake.offsets import OffsetRange
from headrace_lake.unique import StoredKeys
from lake_records import json_record, score_fields

SPEC = scores_table("fraud")
DECODE = compile_decoder(SPEC)


def scores(*numbers: int, **changes: object) -> pa.Table:
    """Rows of the scores of these events."""
    return DECODE([json_record("scores.fraud", at, score_fields(at, **changes)) for at in numbers]).rows


def store(lake: Path, keys: StoredKeys, start: int, rows: pa.Table) -> Committed:
    """Commit rows as the range that follows `start`."""
    outcome = commit(lake, SPEC, rows, {"app": OffsetRange(start or None, start + 1)}, keys)
    assert isinstance(outcome, Committed)
    return outcome


def test_of_repeats_within_a_batch_the_first_is_stored(tmp_path: Path) -> None:
    rows = pa.concat_tables([scores(1, score=0.1), scores(1, score=0.2), scores(2)])
    assert store(tmp_path, StoredKeys(SPEC), 0, rows) == Committed(1, 2, 1)
    stored = pa.table(open_for_append(tmp_path, SPEC).scan(columns=["event_id", "score"])).to_pylist()
    assert {row["event_id"]: row["score"] for row in stored} == {"call-000001": 0.1, "call-000002": 0.5}


def test_what_the_table_holds_is_not_stored_again_by_a_writer_that_knows_nothing_of_it(tmp_path: Path) -> None:
    store(tmp_path, StoredKeys(SPEC), 0, scores(*range(100)))
    assert store(tmp_path, StoredKeys(SPEC), 1, scores(*range(50, 150))) == Committed(2, 50, 50)


def test_the_same_event_counts_once_per_model_and_variant(tmp_path: Path) -> None:
    keys = StoredKeys(SPEC)
    store(tmp_path, keys, 0, scores(1))
    assert store(tmp_path, keys, 1, scores(1, variant="challenger")).rows == 1
    assert store(tmp_path, keys, 2, scores(1, model="other")).rows == 1
    assert store(tmp_path, keys, 3, scores(1, version="2")).repeats == 1


def test_repeats_are_found_after_compaction_and_with_no_room_to_remember(tmp_path: Path) -> None:
    keys = StoredKeys(SPEC, keys_in_memory=1)
    for at in range(5):
        store(tmp_path, keys, at, scores(*range(at * 10, at * 10 + 10)))
    open_for_append(tmp_path, SPEC).optimize.compact()
    assert store(tmp_path, keys, 5, scores(*range(45, 55))) == Committed(7, 5, 5)


def test_only_files_of_the_same_event_times_are_read(tmp_path: Path) -> None:
    keys = StoredKeys(SPEC)
    for at in range(3):
        store(tmp_path, keys, at, scores(*range(at * 10, at * 10 + 10)))
    folder = table_folder(tmp_path, SPEC.schema, SPEC.name)
    # Were a file of other times opened, it would not be found.
    newest = set(open_for_append(tmp_path, SPEC).file_uris(file_pruning_predicate="_offset >= 20"))
    for path in folder.glob("*.parquet"):
        if str(path) not in newest:
            path.unlink()
    assert store(tmp_path, StoredKeys(SPEC), 3, scores(25, 35)) == Committed(4, 1, 1)
