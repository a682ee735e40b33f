"""Rows that a condition names go out of a table, a file at a time, whatever writer and compaction do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from deltalake import DeltaTable

from headrace_lake.errors import FilesMovedError, LakeWriteError
from headrace_lake.partitions import partition_types
from headrace_lake.upkeep.files import KeptTable, StoredFile, opened
from headrace_lake.upkeep.rewrite import (
    ENGINE_ERRORS,
    Engine,
    Replacement,
    ask,
    compression_level,
    replace_files,
    rewrite_error,
    write_merged,
)
from headrace_lake.views import files_of

# A compaction that replaces a file in between makes the plan void; it is the only one who does.
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Deletion:
    """Which rows of a table go.

    Attributes:
        table: The table.
        condition: SQL of its columns; rows for which it is true go, those for which it is null stay.
        files: Handle → the files that may hold such rows.
        action: Stands in the log: `delete`, `forget`.
        who: Stands in the log.
        engine: What may be used.
        should_stop: Asked before each file.
    """

    table: KeptTable
    condition: str
    files: Callable[[DeltaTable], Sequence[StoredFile]]
    action: str
    who: str
    engine: Engine
    should_stop: Callable[[], bool] = lambda: False

    def count(self) -> int:
        """Return how many rows would go.

        Raises:
            LakeError: A file cannot be read.
        """
        for _ in range(_ATTEMPTS):
            try:
                handle = opened(self.table)
                return sum(found for found, _ in self._counts(handle, self.files(handle)).values())
            except FilesMovedError:
                continue
        raise self._overtaken(0)

    def run(self) -> int:
        """Delete the rows and return how many; nothing else changes, recorded offsets stay.

        Raises:
            LakeError: A file cannot be read or written.
            LakeWriteError: Compactions were faster, time after time.
        """
        deleted = 0
        for _ in range(_ATTEMPTS):
            try:
                for replacement in self._replacements():
                    if replace_files(self.table, replacement, self.who) is None:
                        break
                    deleted += replacement.rows_removed
                else:
                    return deleted
            except FilesMovedError:
                continue
        raise self._overtaken(deleted)

    def _replacements(self) -> Iterator[Replacement]:
        """Yield what deletes the rows, a commit each; a file is written when its turn has come."""
        handle = opened(self.table)
        files = self.files(handle)
        counts = self._counts(handle, files)
        whole = [file for file in files if 0 < counts[file.path][0] == counts[file.path][1]]
        if whole:
            yield Replacement(self.action, whole, (), sum(counts[file.path][0] for file in whole), True)
        for file in files:
            found, rows = counts[file.path]
            if 0 < found < rows and not self.should_stop():
                level, keep = compression_level(file.path), f"({self.condition}) IS NOT TRUE"
                added = write_merged(self.table, handle, [file], level=level, engine=self.engine, keep=keep)
                yield Replacement(self.action, [file], [added], found, True)

    def _counts(self, handle: DeltaTable, files: Sequence[StoredFile]) -> dict[str, tuple[int, int]]:
        """Return path → its rows that go, and all of its rows."""
        if not files:
            return {}
        partitions = partition_types(handle)
        paths = {str(file.place(self.table.folder)): file.path for file in files}
        query = (
            f"SELECT filename, count(*) FILTER (WHERE {self.condition}), count(*) "
            f"FROM {files_of(paths, partitions, 'filename = true')} GROUP BY filename"
        )
        try:
            found = {paths[name]: (rows, all_) for name, rows, all_ in ask(query, self.engine, self.table.folder)}
        except ENGINE_ERRORS as error:
            raise rewrite_error(self.table, files, error) from error
        return {file.path: found.get(file.path, (0, 0)) for file in files}

    def _overtaken(self, deleted: int) -> LakeWriteError:
        return LakeWriteError(
            f"rows of table {self.table.full_name} could not be deleted: a compaction was faster {_ATTEMPTS} times",
            {"folder": str(self.table.folder), "deleted": f"{deleted:,} rows"},
            f"headrace lake history {self.table.full_name}",
        )
