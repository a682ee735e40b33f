"""The answer of a query, batch by batch, for readers that take long or want more than fits into memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

import duckdb
import pyarrow as pa

from headrace_lake.errors import QueryError
from headrace_lake.query import Limits

BATCH_ROWS = 5_000


class ResultStream:
    """Batches of rows, each read from DuckDB when it is asked for; one thread at a time.

    The time limit counts until `close`: a reader that is slower is cut off.

    Args:
        connection: Locked, with the views; closed in the end.
        reader: The batches.
        limits: What the query may use.
        resources: What else is closed in the end.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        reader: pa.RecordBatchReader,
        limits: Limits,
        resources: ExitStack,
    ) -> None:
        self._reader = reader
        self._limits = limits
        self._resources = resources
        self._over = threading.Event()
        timer = threading.Timer(limits.seconds, self._stop, [connection])
        timer.daemon = True
        # The last one is called first. A timer that has yet to wake up holds the connection.
        resources.callback(timer.join)
        resources.callback(timer.cancel)
        timer.start()

    def __enter__(self) -> Self:
        """Return the stream."""
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of the query."""
        self.close()

    @property
    def schema(self) -> pa.Schema:
        """Columns and their types."""
        return self._reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches.

        Raises:
            QueryError: The query is beyond a limit; what was given before stands.
        """
        rows = 0
        try:
            for batch in self._reader:
                rows += batch.num_rows
                if self._limits.rows is not None and rows > self._limits.rows:
                    raise QueryError(
                        f"the result has more than {self._limits.rows} rows",
                        {"limit": f"{self._limits.rows} rows"},
                        f"… limit {self._limits.rows}",
                    )
                if self._over.is_set():
                    raise self._too_slow()
                yield batch
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            if self._over.is_set():
                raise self._too_slow() from error
            raise QueryError(f"the query failed: {str(error).strip().splitlines()[0]}") from error
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the query."""
        self._resources.close()

    def _stop(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._over.set()
        connection.interrupt()

    def _too_slow(self) -> QueryError:
        return QueryError(
            f"the query was stopped after {self._limits.seconds:g} seconds",
            {"limit": f"{self._limits.seconds:g} seconds"},
            "read less with where …, or read faster",
        )
