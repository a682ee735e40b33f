"""The online store of one machine: a SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from headrace_features.online.errors import OnlineStoreError, OnlineStoreUnavailableError
from headrace_features.online.row import OnlineRow, Order, newest_per_key

_SCHEMA_VERSION = 1
_LOCK_WAIT_SECONDS = 5.0
_KEYS_A_QUERY = 500
_KEYS_A_PAGE = 10_000

_CREATE = """
create table if not exists online_rows (
    view text not null, key text not null,
    generation integer not null, clock_ms integer not null, source_offset integer not null, revision integer not null,
    emitted_at_ms integer not null, event_time_ms integer not null, declaration text not null, "values" blob not null,
    primary key (view, key)
) without rowid
"""

_UPSERT = """
insert into online_rows values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (view, key) do update set
    generation = excluded.generation, clock_ms = excluded.clock_ms, source_offset = excluded.source_offset,
    revision = excluded.revision, emitted_at_ms = excluded.emitted_at_ms, event_time_ms = excluded.event_time_ms,
    declaration = excluded.declaration, "values" = excluded."values"
"""

_GUARDED_UPSERT = f"""{_UPSERT}
where (excluded.generation, excluded.clock_ms, excluded.source_offset, excluded.revision, excluded.emitted_at_ms)
    > (online_rows.generation, online_rows.clock_ms, online_rows.source_offset, online_rows.revision,
       online_rows.emitted_at_ms)
"""

_RESTORING_UPSERT = f"""{_UPSERT}
where (excluded.generation, excluded.clock_ms, excluded.source_offset, excluded.revision, excluded.emitted_at_ms)
    >= (online_rows.generation, online_rows.clock_ms, online_rows.source_offset, online_rows.revision,
        online_rows.emitted_at_ms)
  and (excluded.generation, excluded.clock_ms, excluded.source_offset, excluded.revision, excluded.emitted_at_ms,
       excluded.event_time_ms, excluded.declaration, excluded."values")
    <> (online_rows.generation, online_rows.clock_ms, online_rows.source_offset, online_rows.revision,
        online_rows.emitted_at_ms, online_rows.event_time_ms, online_rows.declaration, online_rows."values")
"""

_READ = """
select key, generation, clock_ms, source_offset, revision, emitted_at_ms, event_time_ms, declaration, "values"
from online_rows where view = ? and key in
"""

_FIRST_KEYS = "select key from online_rows where view = ? order by key limit ?"
_NEXT_KEYS = "select key from online_rows where view = ? and key > ? order by key limit ?"


class GuardedSqlite:
    """Newest rows in a SQLite file: one writer at a time, any number of readers beside it.

    A killed process loses nothing that was written. A power cut may undo the last writes (the log is not forced to disk
    at each of them): the writer then has to read its topics again.

    Args:
        path: The file; it and its folder are made when they do not exist.

    Raises:
        OnlineStoreError: The file is no SQLite database, or one of another version.
        OnlineStoreUnavailableError: The file cannot be opened now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Autocommit: transactions are begun by hand, with the write lock taken at once.
            self._connection = sqlite3.connect(
                path, timeout=_LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._errors():
                self._prepare()
        except OnlineStoreError:
            self._connection.close()
            raise

    def write(self, view: str, rows: Sequence[OnlineRow]) -> int:
        """Store each row that is newer than its key's, in one transaction, and return how many were stored."""
        return self._upserted(_GUARDED_UPSERT, view, rows)

    def restore(self, view: str, rows: Sequence[OnlineRow]) -> int:
        """Store each row that is newer than its key's, or of the same order and not the same, in one transaction."""
        return self._upserted(_RESTORING_UPSERT, view, rows)

    def read(self, view: str, keys: Sequence[str]) -> list[OnlineRow | None]:
        """Return the row of each key, None where there is none."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, OnlineRow] = {}
        for start in range(0, len(wanted), _KEYS_A_QUERY):
            part = wanted[start : start + _KEYS_A_QUERY]
            with self._lock, self._errors():
                query = f"{_READ} ({','.join('?' * len(part))})"
                for answer in self._connection.execute(query, (view, *part)):
                    found[answer[0]] = OnlineRow(answer[0], Order(*answer[1:6]), *answer[6:])
        return [found.get(key) for key in keys]

    def keys(self, view: str) -> Iterator[list[str]]:
        """Yield the keys of a view in parts, each a query of its own that goes on after the last key."""
        query, after = _FIRST_KEYS, list[str]()
        while True:
            with self._lock, self._errors():
                page = [key for (key,) in self._connection.execute(query, (view, *after, _KEYS_A_PAGE))]
            if page:
                yield page
            if len(page) < _KEYS_A_PAGE:
                return
            query, after = _NEXT_KEYS, page[-1:]

    def forget(self, view: str, keys: Sequence[str]) -> int:
        """Remove the rows of keys, overwrite their bytes in the file, and return how many there were."""
        with self._lock, self._errors():
            self._connection.execute("pragma secure_delete = on")
            with self._transaction():
                statement = "delete from online_rows where view = ? and key = ?"
                gone = self._connection.executemany(statement, [(view, key) for key in keys]).rowcount
            # Until then the rows stand in the log beside the file; a reader that holds it back delays that.
            self._connection.execute("pragma wal_checkpoint(truncate)")
            return gone

    def drop(self, view: str) -> None:
        """Remove all rows of a view."""
        with self._lock, self._errors():
            self._connection.execute("delete from online_rows where view = ?", (view,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _upserted(self, statement: str, view: str, rows: Sequence[OnlineRow]) -> int:
        newest = newest_per_key(rows)
        if not newest:
            return 0
        parameters = [
            (view, row.key, *row.order, row.event_time_ms, row.declaration, row.values) for row in newest
        ]  # fmt: skip
        with self._lock, self._errors(), self._transaction():
            return self._connection.executemany(statement, parameters).rowcount

    def _prepare(self) -> None:
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        with self._transaction():
            (version,) = self._connection.execute("pragma user_version").fetchone()
            if version not in (0, _SCHEMA_VERSION):
                raise OnlineStoreError(
                    f"the online store has the version {version}",
                    {"expected": str(_SCHEMA_VERSION), "file": str(self._path)},
                    f"rm {self._path} (the online writer fills it again from the topics)",
                )
            self._connection.execute(_CREATE)
            self._connection.execute(f"pragma user_version = {_SCHEMA_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.execute("commit")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise OnlineStoreUnavailableError(
                f"the online store {self._path} does not answer: {error}",
                {"expected": "a file that can be written, on a disk that is not full, locked by nobody for long"},
                f"df -h {self._path.parent}",
            ) from error
        except sqlite3.Error as error:
            raise OnlineStoreError(
                f"the online store {self._path} cannot be used: {error}",
                {"expected": "a SQLite file that headrace made"},
                f"mv {self._path} {self._path}.broken (the online writer fills a new one from the topics)",
            ) from error
