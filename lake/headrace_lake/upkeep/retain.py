"""Retention: rows are recompressed at one age of their event time and deleted at another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deltalake import DeltaTable
from headrace_ingestion.durations import format_duration

from headrace_lake.errors import LakeError
from headrace_lake.upkeep.compact import TARGET_BYTES, full_bins
from headrace_lake.upkeep.deletions import Deletion
from headrace_lake.upkeep.files import KeptTable, StoredFile, opened, stored_files
from headrace_lake.upkeep.rewrite import Engine, compression_level, mark_deleted, replace_by_one
from headrace_lake.views import quoted, text

_COMMAND = "headrace lake retain"


@dataclass(frozen=True, slots=True)
class Tiers:
    """What happens to rows as they grow old.

    Attributes:
        recompress_after: Age from which files are compressed harder; None: never.
        delete_after: Age from which rows are deleted; None: never.
        level: Level of zstd of the harder compression, 1 to 22.

    Raises:
        LakeError: Rows would be recompressed after they are deleted.
    """

    recompress_after: timedelta | None = None
    delete_after: timedelta | None = None
    level: int = 12

    def __post_init__(self) -> None:
        if self.delete_after and self.recompress_after and self.recompress_after >= self.delete_after:
            raise LakeError(
                f"rows would be recompressed after {format_duration(self.recompress_after)}, when they are gone",
                {"delete_after": format_duration(self.delete_after)},
                f"recompress_after: {format_duration(self.delete_after / 2)}",
            )


@dataclass(frozen=True, slots=True)
class Retained:
    """What retention did to a table, or would do.

    Attributes:
        table: `<schema>.<name>`.
        deleted_rows: Rows that are gone.
        deleted_before: They are those with an event time before this instant; None: nothing is ever deleted.
        recompressed_files: Files that were compressed harder.
        files_before: Files of the table.
        files_after: Files afterwards; None in a dry run.
        bytes_before: Their bytes.
        bytes_after: Bytes afterwards; None in a dry run.
        seconds: Time it took.
        is_dry_run: Whether nothing was changed.
    """

    table: str
    deleted_rows: int
    deleted_before: datetime | None
    recompressed_files: int
    files_before: int
    files_after: int | None
    bytes_before: int
    bytes_after: int | None
    seconds: float
    is_dry_run: bool

    @property
    def did_something(self) -> bool:
        """Whether a file was replaced."""
        return not self.is_dry_run and (self.deleted_rows > 0 or self.recompressed_files > 0)


def retain(
    table: KeptTable,
    tiers: Tiers,
    now_ms: int,
    *,
    engine: Engine | None = None,
    target_bytes: int = TARGET_BYTES,
    dry_run: bool = False,
    who: str = _COMMAND,
    should_stop: Callable[[], bool] = lambda: False,
) -> Retained:
    """Apply the tiers of a table to the rows that are old enough by now.

    Files of which every row is too old go as they are; one that holds both is written anew without the old rows. Rows
    without an event time stay. The bytes are freed by the vacuum; until then time travel sees the rows.

    Args:
        table: A declared table.
        tiers: What happens at which age.
        now_ms: The time of day, in milliseconds since 1970.
        engine: What may be used.
        target_bytes: Size that recompressed files are made to have.
        dry_run: Only say what would be done.
        who: Stands in the log.
        should_stop: Asked before each file.

    Raises:
        LakeError: The table is not declared, is of a form that upkeep does not know, or a file could not be read or
            written.
    """
    if not table.is_declared:
        raise LakeError(
            f"table {table.full_name} is not declared any more: which of its columns is the event time is not known",
            {"folder": str(table.folder)},
            f"rm -r {table.folder}",
        )
    started = time.monotonic()
    before = stored_files(opened(table), table.time_column)
    work = _Work(table, engine or Engine(), who, dry_run, should_stop)
    now = datetime.fromtimestamp(now_ms / 1_000, UTC)
    cutoff = None if tiers.delete_after is None else now - tiers.delete_after
    deleted = 0
    if cutoff is not None:
        deleted = work.count(cutoff) if dry_run else work.delete(cutoff)
    recompressed = 0
    if tiers.recompress_after is not None:
        recompressed = work.recompress(now - tiers.recompress_after, cutoff, tiers.level, target_bytes)
    after = None if dry_run else stored_files(opened(table), table.time_column)
    return Retained(
        table.full_name,
        deleted,
        cutoff,
        recompressed,
        len(before),
        None if after is None else len(after),
        sum(file.bytes for file in before),
        None if after is None else sum(file.bytes for file in after),
        round(time.monotonic() - started, 3),
        dry_run,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    table: KeptTable
    engine: Engine
    who: str
    is_dry_run: bool
    should_stop: Callable[[], bool]

    def delete(self, before: datetime) -> int:
        """Delete rows with an event time before the instant; return how many."""
        if self.count(before) == 0:
            return 0
        # First: who sees a row missing has to know why.
        mark_deleted(self.table, before, self.who)
        return self._deletion(before).run()

    def count(self, before: datetime) -> int:
        """Return how many rows have an event time before the instant."""
        return self._deletion(before).count()

    def _deletion(self, before: datetime) -> Deletion:
        return Deletion(
            self.table,
            self._is_before(before),
            lambda handle: self._touched(handle, before),
            "delete",
            self.who,
            self.engine,
            self.should_stop,
        )

    def _touched(self, handle: DeltaTable, before: datetime) -> list[StoredFile]:
        # Without statistics only the rows themselves tell.
        files = stored_files(handle, self.table.time_column)
        return [file for file in files if file.oldest is None or file.oldest < before]

    def _is_before(self, instant: datetime) -> str:
        return f"{quoted(self.table.time_column)} < {text(instant.isoformat())}::TIMESTAMPTZ"

    def recompress(self, before: datetime, deleted_before: datetime | None, level: int, target_bytes: int) -> int:
        """Compress files harder of which every row is older than the instant; return how many."""
        handle = opened(self.table)
        old = [
            file
            for file in stored_files(handle, self.table.time_column)
            if file.newest is not None
            and file.newest < before
            # A dry run has deleted nothing yet.
            and (deleted_before is None or file.newest >= deleted_before)
            and compression_level(file.path) < level
        ]
        if self.is_dry_run:
            return len(old)
        done = 0
        for one in full_bins(old, target_bytes):
            if self.should_stop():
                break
            # Files that somebody else has replaced meanwhile are left to the next run.
            is_done = replace_by_one(
                self.table, handle, one, "recompress", level=level, engine=self.engine, who=self.who
            )
            done += len(one) if is_done else 0
        return done
