"""Rows that may stand once in a table: which of a batch it already holds, exactly and without reading all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from headrace_lake.delta_table import active_files
from headrace_lake.place import Place, readable
from headrace_lake.tables import TableSpec

DEFAULT_KEYS_IN_MEMORY = 500_000
DEFAULT_LARGE_ROWS = 100_000


class StoredKeys:
    """The keys of a table's files, read when a batch may repeat one of them.

    A repeat has the event time of its original, so only files whose event times overlap those of the batch can hold it.
    A file never changes, so what was read of it stays true; the files used last are kept in memory.

    Args:
        spec: A table with `unique_by`.
        keys_in_memory: Forget the files used least recently beyond this number of keys (about 150 bytes each).
        large_rows: Keep nothing of a file of more rows: a compaction has made it, in the order of time, and only the
            few rows of a batch's time are read of it.
        lake: The lake of the table; None: in a folder.
    """

    def __init__(
        self,
        spec: TableSpec,
        keys_in_memory: int = DEFAULT_KEYS_IN_MEMORY,
        large_rows: int = DEFAULT_LARGE_ROWS,
        lake: Place | None = None,
    ) -> None:
        self._lake = lake
        self._columns = list(spec.unique_by)
        self._time = spec.time_column
        self._limit = keys_in_memory
        self._large_rows = large_rows
        self._files: dict[str, frozenset[tuple[str | None, ...]]] = {}
        self._held = 0

    def without_repeats(self, rows: pa.Table, handle: DeltaTable) -> pa.Table:
        """Return the rows whose keys stand neither in the table, as of the handle's version, nor earlier in `rows`."""
        if rows.num_rows == 0:
            return rows
        candidates = list(_keys(rows.select(self._columns)))
        unseen = set(candidates)
        stored: set[tuple[str | None, ...]] = set()
        times = pc.min_max(rows.column(self._time))
        for path in self._overlapping(times, handle):
            stored |= unseen & self._keys_of(path, times)
        keep = []
        for key in candidates:
            keep.append(key in unseen and key not in stored)
            unseen.discard(key)
        return rows if all(keep) else rows.filter(pa.array(keep))

    def _overlapping(self, times: pa.StructScalar, handle: DeltaTable) -> list[str]:
        # Statistics and event times are both whole milliseconds. A file without statistics is always among the answers.
        low, high = (times[end].as_py().isoformat().replace("+00:00", "Z") for end in ("min", "max"))
        overlap = f"{self._time} >= '{low}' AND {self._time} <= '{high}'"
        return active_files(handle, overlap)

    def _keys_of(self, path: str, times: pa.StructScalar) -> frozenset[tuple[str | None, ...]]:
        known = self._files.pop(path, None)
        if known is None:
            with readable(self._lake, path) as file:
                if pq.ParquetFile(file).metadata.num_rows > self._large_rows:
                    overlap = [(self._time, ">=", times["min"]), (self._time, "<=", times["max"])]
                    return frozenset(_keys(pq.read_table(file, columns=self._columns, filters=overlap)))
                known = frozenset(_keys(pq.read_table(file, columns=self._columns)))
            self._held += len(known)
        self._files[path] = known
        while self._held > self._limit and len(self._files) > 1:
            oldest = next(iter(self._files))
            self._held -= len(self._files.pop(oldest))
        return known


def _keys(rows: pa.Table) -> Iterator[tuple[str | None, ...]]:
    return zip(*(column.to_pylist() for column in rows.columns), strict=True)
