"""Vacuum: files and log entries that no reader can mean any more are removed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from urllib.parse import unquote

from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from headrace_ingestion.durations import format_duration

from headrace_lake.errors import LakeError, LakeWriteError
from headrace_lake.place import size_bytes, what_writing_needs
from headrace_lake.query import LONGEST_SECONDS
from headrace_lake.upkeep.files import KeptTable, opened

LEAST_AGE = timedelta(seconds=2 * LONGEST_SECONDS)
"""A query may read its version for as long as the longest query may take; twice that is safe."""

DEFAULT_AGE = timedelta(days=7)

T = TypeVar("T")
_COMMAND = "headrace lake vacuum"
_LOG_AGE = "delta.logRetentionDuration"
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What a vacuum removed from a table, or would remove.

    Attributes:
        table: `<schema>.<name>`.
        files: Files that no version younger than the age reads.
        bytes: Their bytes.
        log_files: Entries of the log that are older than the age and stand in a checkpoint; 0 in a dry run.
        seconds: Time it took.
        is_dry_run: Whether nothing was changed.
    """

    table: str
    files: int
    bytes: int
    log_files: int
    seconds: float
    is_dry_run: bool

    @property
    def did_something(self) -> bool:
        """Whether the vacuum was made; that it found nothing is worth knowing, too."""
        return not self.is_dry_run


def check_age(age: timedelta) -> None:
    """Do nothing when files of this age can be removed.

    Raises:
        LakeError: A query that is running may still read them.
    """
    if age < LEAST_AGE:
        raise LakeError(
            f"files that went {format_duration(age)} ago may still be read: no vacuum",
            {
                "age": format_duration(age),
                "least": f"{format_duration(LEAST_AGE)}, twice what the longest query may take",
            },
            f"headrace lake vacuum --age {format_duration(LEAST_AGE)}",
        )


def vacuum(table: KeptTable, *, age: timedelta = DEFAULT_AGE, dry_run: bool = False, who: str = _COMMAND) -> Vacuumed:
    """Remove files that have been out of the table for longer than `age`, and the log entries of that time.

    Also goes what a crash has left behind: files that no version names. Time travel reaches back as far as `age`.

    Args:
        table: The table.
        age: At least `LEAST_AGE`; whole hours, rounded up.
        dry_run: Only say what would be removed.
        who: Stands in the log.

    Raises:
        LakeError: The age is too small, or the table is of a form that upkeep does not know.
        LakeWriteError: The table could not be changed.
    """
    check_age(age)
    started = time.monotonic()
    hours = math.ceil(age / timedelta(hours=1))
    gone = _attempted(table, lambda handle: _vacuumed(handle, hours, who, dry_run=True))
    bytes_ = sum(size_bytes(table.folder / unquote(path)) for path in gone)
    log_files = 0
    if not dry_run:
        if gone:
            # The answer of a second attempt would leave out what the first one has removed.
            _attempted(table, lambda handle: _vacuumed(handle, hours, who, dry_run=False))
        log_files = _clean_log(table, hours)
    return Vacuumed(table.full_name, len(gone), bytes_, log_files, round(time.monotonic() - started, 3), dry_run)


def _vacuumed(handle: DeltaTable, hours: int, who: str, *, dry_run: bool) -> list[str]:
    return handle.vacuum(
        retention_hours=hours,
        dry_run=dry_run,
        # The age was checked above: Delta's own check knows only the table's property.
        enforce_retention_duration=False,
        # What a crash has left is in no log: only the full vacuum sees it.
        full=True,
        commit_properties=CommitProperties(custom_metadata={"userName": who}),
    )


def _clean_log(table: KeptTable, hours: int) -> int:
    """Write a checkpoint, remove the entries that it makes needless and that are old enough, return how many."""
    log = table.folder / "_delta_log"
    age = f"interval {hours} hours"
    before = sum(1 for _ in log.iterdir())

    def clean(handle: DeltaTable) -> None:
        if handle.metadata().configuration.get(_LOG_AGE) != age:
            handle.alter.set_table_properties({_LOG_AGE: age})
        handle.create_checkpoint()
        handle.cleanup_metadata()

    _attempted(table, clean)
    return max(0, before - sum(1 for _ in log.iterdir()))


def _attempted(table: KeptTable, change: Callable[[DeltaTable], T]) -> T:
    for _ in range(_ATTEMPTS):
        handle = opened(table)
        try:
            return change(handle)
        except CommitFailedError:
            continue
        except (DeltaError, OSError) as error:
            raise _error(table, str(error).strip().splitlines()[0]) from error
    raise _error(table, f"it was changed by others during {_ATTEMPTS} attempts")


def _error(table: KeptTable, cause: str) -> LakeWriteError:
    return LakeWriteError(
        f"the vacuum of table {table.full_name} failed: {cause}",
        {"folder": str(table.folder), "expected": what_writing_needs(table.folder)[0]},
        f"headrace lake vacuum {table.full_name}",
    )
