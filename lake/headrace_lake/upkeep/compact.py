"""Compaction: many small files become few, sorted inside, with every row and every offset kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from deltalake.exceptions import DeltaError

from headrace_lake.errors import LakeError
from headrace_lake.upkeep.files import KeptTable, StoredFile, by_partition, opened, stored_files
from headrace_lake.upkeep.rewrite import Engine, compression_level, replace_by_one

TARGET_BYTES = 134_217_728
"""Size that files are made to have."""

LEVEL = 3
"""Level of zstd of a compacted file: a fifth smaller than the writer's level 1, read as fast."""

_COMMAND = "headrace lake compact"


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a compaction did to a table, or would do.

    Attributes:
        table: `<schema>.<name>`.
        files_before: Files of the table.
        files_after: Files afterwards; of a dry run, what it would make.
        bytes_before: Their bytes.
        bytes_after: Bytes afterwards; None in a dry run.
        rows: Rows that were rewritten, or would be.
        seconds: Time it took.
        is_dry_run: Whether nothing was changed.
        is_rewrite: Whether every row was to be written anew.
    """

    table: str
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int | None
    rows: int
    seconds: float
    is_dry_run: bool
    is_rewrite: bool = False

    @property
    def did_something(self) -> bool:
        """Whether a file was replaced."""
        return (self.is_rewrite or self.files_after < self.files_before) and not self.is_dry_run


def is_small(size_bytes: int, target_bytes: int) -> bool:
    """Return whether a file is worth merging: below half of the target, so that no file is rewritten for ever."""
    return size_bytes < target_bytes // 2


def plan_bins(files: Sequence[StoredFile], target_bytes: int) -> list[list[StoredFile]]:
    """Return which small files become one: neighbours in event time of one partition, up to the target together.

    Args:
        files: Files of a table, oldest event time first.
        target_bytes: Most bytes of a bin.
    """
    small = [file for file in files if is_small(file.bytes, target_bytes)]
    return [one for one in full_bins(small, target_bytes) if len(one) > 1]


def full_bins(files: Sequence[StoredFile], target_bytes: int) -> list[list[StoredFile]]:
    """Return all files in bins of neighbours of one partition: up to the target together, or a larger one alone."""
    bins: list[list[StoredFile]] = []
    for partition in by_partition(files):
        room = 0
        for file in partition:
            if file is partition[0] or file.bytes > room:
                bins.append([])
                room = target_bytes
            bins[-1].append(file)
            room -= file.bytes
    return bins


def compact(
    table: KeptTable,
    *,
    target_bytes: int = TARGET_BYTES,
    engine: Engine | None = None,
    dry_run: bool = False,
    who: str = _COMMAND,
    should_stop: Callable[[], bool] = lambda: False,
) -> Compaction:
    """Merge the small files of a table; the writer and readers go on meanwhile.

    Each bin of files is a commit of its own: what was done before a crash stays done. A bin whose files were replaced
    by somebody else meanwhile is left to them.

    Args:
        table: The table.
        target_bytes: Size that files are made to have.
        engine: What may be used.
        dry_run: Only say what would be done.
        who: Stands in the log.
        should_stop: Asked before each bin.

    Raises:
        LakeError: The table is of a form that upkeep does not know, or a file could not be read or written.
    """
    if target_bytes < 2:
        raise LakeError(
            f"the target size of files is {target_bytes} bytes",
            {"expected": "2 or more"},
            f"headrace lake compact --target-bytes {TARGET_BYTES}",
        )
    started = time.monotonic()
    handle = opened(table)
    files = stored_files(handle, table.time_column)
    bins = plan_bins(files, target_bytes)
    files_before, bytes_before = len(files), sum(file.bytes for file in files)
    files_after, bytes_after, rows = files_before, bytes_before, 0
    for one in bins:
        if should_stop():
            break
        files_after -= len(one) - 1
        if dry_run:
            rows += sum(file.rows or 0 for file in one)
            continue
        # A file that was recompressed for its age keeps what it has gained.
        level = max(LEVEL, *(compression_level(file.path) for file in one))
        added = replace_by_one(table, handle, one, "compact", level=level, engine=engine or Engine(), who=who)
        if added is None:
            files_after += len(one) - 1
            continue
        rows += sum(file.rows or 0 for file in one)
        bytes_after += added.size - sum(file.bytes for file in one)
    if files_after < files_before and not dry_run:
        # Without it the table is as good, only slower to open until the writer makes the next one.
        with suppress(DeltaError):
            opened(table).create_checkpoint()
    return Compaction(
        table.full_name,
        files_before,
        files_after,
        bytes_before,
        None if dry_run else bytes_after,
        rows,
        round(time.monotonic() - started, 3),
        dry_run,
    )
