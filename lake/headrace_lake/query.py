"""A query that somebody typed: only reads, only what it may see, and no longer than it may."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import pyarrow as pa

from headrace_lake.errors import QueryError
from headrace_lake.views import text_list

if TYPE_CHECKING:
    import pandas as pd

Parameters: TypeAlias = Sequence[object] | Mapping[str, object]

LONGEST_SECONDS = 3_600.0
"""No query may take longer: upkeep keeps files that went for twice this time."""

_BATCH_ROWS = 10_000
_ERRORS = (
    ("INTERRUPT Error", duckdb.InterruptException),
    ("Out of Memory Error", duckdb.OutOfMemoryException),
    ("Permission Error", duckdb.PermissionException),
)
_READS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may use.

    Attributes:
        seconds: Wall time; at most `LONGEST_SECONDS`.
        memory_bytes: Memory; sorts and joins beyond it go to disk.
        disk_bytes: Disk for them.
        rows: Rows of the result; None for any number.
    """

    seconds: float = 60.0
    memory_bytes: int = 2_000_000_000
    disk_bytes: int = 8_000_000_000
    rows: int | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "memory_bytes", "disk_bytes", "rows"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise QueryError(f"the limit {name!r} of a query is {value}", {"expected": "more than 0"}, f"{name}=60")
        if self.seconds > LONGEST_SECONDS:
            raise QueryError(
                f"the limit 'seconds' of a query is {self.seconds:g}",
                {
                    "expected": f"at most {LONGEST_SECONDS:g}",
                    "why": "upkeep removes files that no query can be reading any more",
                },
                f"seconds={LONGEST_SECONDS:g}",
            )


class Cancel:
    """Ends a query from another thread: hand it to `Lake.sql`, then call it there.

    A call between two statements of the query is missed: call again until the query has ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self.is_called = False

    def __call__(self) -> None:
        """End the query that runs, and each that is begun with this later."""
        with self._lock:
            self.is_called = True
            if self._connection is not None:
                self._connection.interrupt()

    @contextmanager
    def watching(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """End what this connection runs, as long as the block lasts."""
        with self._lock:
            if self.is_called:
                raise duckdb.InterruptException("it was cancelled before it began")
            self._connection = connection
        try:
            yield
        finally:
            with self._lock:
                self._connection = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a query gave.

    Attributes:
        table: The rows, as Arrow; timestamps are UTC.
        versions: Table → Delta version that was read.
    """

    table: pa.Table
    versions: Mapping[str, int]

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.table.column_names)

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """The rows as Python values."""
        if self.table.num_columns == 0:
            return []
        return list(zip(*(column.to_pylist(maps_as_pydicts="lossy") for column in self.table.columns), strict=True))

    def arrow(self) -> pa.Table:
        """Return the rows as an Arrow table."""
        return self.table

    def df(self) -> pd.DataFrame:
        """Return the rows as a pandas frame."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame


def check_is_read(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Do nothing when the query is one statement that only reads.

    Raises:
        QueryError: It is none, several, or one that would change something.
        duckdb.Error: It cannot be parsed.
    """
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(
            f"the query has {len(statements)} statements",
            {"expected": "one statement"},
            "select 1" if not statements else statements[0].query.strip().rstrip(";"),
        )
    kind = statements[0].type
    if kind not in _READS:
        raise QueryError(
            f"{kind.name} is not allowed here",
            {"allowed": "SELECT, WITH, EXPLAIN, DESCRIBE, SUMMARIZE, SHOW"},
            "select … from events.…",
        )


def lock(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> None:
    """Let the connection read these files and nothing else, for good."""
    connection.execute(f"SET allowed_paths = {text_list(files)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def run(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Parameters | None, max_rows: int | None
) -> pa.Table:
    """Return the rows of a query.

    Raises:
        QueryError: There are more than `max_rows`.
        duckdb.Error: The query is wrong or was interrupted.
    """
    relation = connection.sql(query, params=parameters)
    reader = relation.to_arrow_reader(_BATCH_ROWS)
    batches: list[pa.RecordBatch] = []
    rows = 0
    for batch in _batches(reader):
        rows += batch.num_rows
        if max_rows is not None and rows > max_rows:
            raise QueryError(
                f"the result has more than {max_rows} rows",
                {"limit": f"{max_rows} rows"},
                f"{query.strip()[:80]} limit {max_rows}",
            )
        batches.append(batch)
    return _with_plain_integers(pa.Table.from_batches(batches, reader.schema))


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except OSError as error:
        # What DuckDB raises between two batches comes through Arrow, which keeps only its text.
        kind = next((kind for name, kind in _ERRORS if name in str(error)), duckdb.Error)
        raise kind(str(error)) from error


@contextmanager
def time_limit(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt what the connection runs after this many seconds; nothing refers to it when the block has ended."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # A timer that has yet to wake up holds the connection. A process that ends before it does reports it as leaked.
        timer.join()


def _with_plain_integers(table: pa.Table) -> pa.Table:
    # DuckDB sums integers in 128 bits, which Arrow calls decimal(38, 0); people expect an integer where it fits.
    for index, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type) and field.type.precision == 38 and field.type.scale == 0:
            try:
                plain = table.column(index).cast(pa.int64())
            except pa.ArrowInvalid:
                continue
            table = table.set_column(index, field.name, plain)
    return table
