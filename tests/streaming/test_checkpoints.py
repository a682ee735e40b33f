"""Which state a job goes on from: the newest by Flink's own count, whatever the clock says."""

import os
import struct
from pathlib import Path

from headrace_streaming.checkpoints import StateFolder


def complete(folder: Path, number: int, modified_seconds: int) -> Path:
    """Make a folder of state as Flink leaves it."""
    folder.mkdir(parents=True)
    metadata = folder / "_metadata"
    metadata.write_bytes(struct.pack(">iiq", 0x4960672D, 6, number) + b"more")
    os.utime(metadata, (modified_seconds, modified_seconds))
    return folder


def test_the_newest_state_is_found_although_the_clock_was_set_back(tmp_path: Path) -> None:
    state = StateFolder(tmp_path, "digest")
    assert state.newest() is None
    savepoint = complete(state.savepoints / "savepoint-1", 41, modified_seconds=2_000_000)
    assert state.newest() == savepoint
    complete(state.checkpoints / "job" / "chk-42", 42, modified_seconds=1_000_100)
    newest = complete(state.checkpoints / "job" / "chk-43", 43, modified_seconds=1_000_000)
    (state.checkpoints / "job" / "chk-44").mkdir()
    assert state.newest() == newest
    state.prune(newest)
    assert not savepoint.exists()
    assert state.newest() == newest


def test_state_that_does_not_say_its_number_is_the_oldest(tmp_path: Path) -> None:
    state = StateFolder(tmp_path, "digest")
    (state.savepoints / "other").mkdir(parents=True)
    (state.savepoints / "other" / "_metadata").write_bytes(b"no header")
    assert state.newest() == state.savepoints / "other"
    numbered = complete(state.checkpoints / "job" / "chk-1", 1, modified_seconds=1_000_000)
    assert state.newest() == numbered
