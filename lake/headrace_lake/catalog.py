"""The lake as a database: its tables, and SQL over one snapshot of them."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from headrace_lake.as_of import NEWEST, AsOf, AsOfLike, gone, read_as_of
from headrace_lake.describe import TableDescription, describe_table
from headrace_lake.external import ExternalTable
from headrace_lake.guarded import Guard, guard_views
from headrace_lake.layout import Schema
from headrace_lake.place import Place, as_place, can_read, is_there
from headrace_lake.query import Cancel, Limits, Parameters, Result, check_is_read, lock, run, time_limit
from headrace_lake.query_errors import query_error, unknown_table
from headrace_lake.snapshots import TableInfo, declared_snapshot, known_tables, table_info, take_snapshot
from headrace_lake.stream import BATCH_ROWS, ResultStream
from headrace_lake.tables import TableSpec
from headrace_lake.upkeep.compact import TARGET_BYTES
from headrace_lake.upkeep.record import last_done
from headrace_lake.views import Snapshot, schema_statements, text, view_statements

__all__ = ["Lake", "TableInfo", "connect"]

# A query that asks for the catalog, or makes table names at run time, may mean any table.
_MEANS_ANY_TABLE = ("show", "describe", "summarize", "information_schema", "duckdb_", "pg_", "pragma", "query")


class Lake:
    """The tables under one folder, or under one prefix of an object storage.

    Each query reads one version of every table, whatever is written, compacted or deleted meanwhile.

    Args:
        path: Folder of the lake; it may not exist yet.
        specs: Tables that are declared: they can be queried before their first row.
        target_bytes: Size that compaction gives to files; those below half of it are called small.
        external: Files that are no part of the lake and can be queried as `ext.<name>`.
    """

    def __init__(
        self,
        path: Place | str,
        specs: Sequence[TableSpec] = (),
        target_bytes: int = TARGET_BYTES,
        external: Iterable[ExternalTable] = (),
    ) -> None:
        self.path = as_place(path)
        self._small_bytes = target_bytes // 2
        self._specs: dict[tuple[Schema, str], TableSpec] = {(spec.schema, spec.name): spec for spec in specs}
        self._external = {table.full_name: table for table in external}

    def tables(self) -> list[TableInfo]:
        """Return the tables that are declared or stored, by name, with their figures."""
        done = last_done(self.path)
        return [
            table_info(self.path, schema, name, self._small_bytes, done.get((f"{schema}.{name}", "compact")))
            for schema, name in self._names()
        ]

    def describe(self, name: str) -> TableDescription:
        """Return what a table is and how it stands; of `ext.<name>` its columns, files and bytes.

        Args:
            name: `<schema>.<name>`.

        Raises:
            QueryError: There is no such table.
        """
        external = self._external.get(name)
        if external is not None:
            return TableDescription(
                name,
                dict(external.columns),
                files=len(external.files),
                bytes=sum(Path(file).stat().st_size for file in external.files),
            )
        found = {f"{schema}.{table}": (schema, table) for schema, table in self._names()}
        if name not in found:
            raise unknown_table(name, [*found, *self._external])
        return describe_table(self.path, *found[name], self._specs.get(found[name]))

    def sql(
        self,
        query: str,
        params: Parameters | None = None,
        limits: Limits | None = None,
        as_of: AsOfLike | None = None,
        cancel: Cancel | None = None,
        guard: Guard | None = None,
    ) -> Result:
        """Return the rows of one reading statement over the views of the lake.

        Args:
            query: SELECT, WITH, EXPLAIN, DESCRIBE, SUMMARIZE or SHOW, in DuckDB's SQL; times are shown in UTC.
            params: Values for `?` or `$name`.
            limits: What it may use; defaults of `Limits`.
            as_of: An instant (also as text), versions by table, or `events.call=12`: which versions are read instead of
                the newest ones; see `read_as_of`.
            cancel: Ends the query when another thread calls it.
            guard: Says what of each table is shown; None: everything.

        Raises:
            QueryError: The query is wrong, not allowed, beyond its limits or cancelled, or a version is not there any
                more, or a file of an `ext` table.
        """
        allowed, moment, watch = limits or Limits(), read_as_of(as_of), cancel or Cancel()
        self._check_named(moment)
        read = _Read(self.path, self._snapshots(query, moment), self._external_of(query))
        try:
            return _run_locked(read, query, params, allowed, watch, guard)
        except duckdb.Error as error:
            missing = _missing(read)
            if missing is None:
                raise self._error(error, query, allowed, watch) from error
            if moment != NEWEST:
                raise gone(
                    missing.full_name, f"version {missing.version}", "the vacuum has removed its files"
                ) from error
        # Upkeep has removed a file since the snapshot was taken. The newest version has all of its files.
        try:
            newest = _Read(self.path, self._snapshots(query, moment), read.external)
            return _run_locked(newest, query, params, allowed, watch, guard)
        except duckdb.Error as error:
            raise self._error(error, query, allowed, watch) from error

    def stream(
        self,
        query: str,
        params: Parameters | None = None,
        limits: Limits | None = None,
        guard: Guard | None = None,
    ) -> ResultStream:
        """Return the rows of one reading statement, batch by batch; see `sql`. Close it when it is not read to its end.

        Raises:
            QueryError: The query is wrong or not allowed; what is beyond a limit is said when its batch is read.
        """
        allowed = limits or Limits()
        with ExitStack() as resources:
            read = _Read(self.path, self._snapshots(query), self._external_of(query))
            try:
                connection = resources.enter_context(_locked(read, query, allowed, guard))
                reader = connection.sql(query, params=params).to_arrow_reader(BATCH_ROWS)
            except duckdb.Error as error:
                raise self._error(error, query, allowed, Cancel()) from error
            return ResultStream(connection, reader, allowed, resources.pop_all())

    def connect(self, *, is_locked: bool = False, limits: Limits | None = None) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB connection of your own, in memory, with the views as of now.

        Its zone is UTC; what outgrows the memory goes to the system's folder for temporary files until it is closed.

        Args:
            is_locked: Whether it may read the files of the lake and the `ext` tables and nothing else, as `sql` does.
                Otherwise it has all of DuckDB's power, for code that is trusted: it may read and write any file.
            limits: Memory and disk of a locked one; None: those of DuckDB.
        """
        read = _Read(self.path, self._snapshots(None), self._external_of(None))
        try:
            return _connection_with(read, is_locked, limits)
        except duckdb.Error:
            if _missing(read) is None:
                raise
        # Upkeep has removed a file since the snapshot was taken, as in `sql`.
        return _connection_with(_Read(self.path, self._snapshots(None), read.external), is_locked, limits)

    def schemas(self) -> dict[str, pa.Schema]:
        """Return the Arrow schema of each table, declared or stored, by `<schema>.<name>`."""
        return {one.full_name: one.columns for one in self._snapshots(None)}

    def external(self) -> dict[str, ExternalTable]:
        """Return the tables of files that are no part of the lake, by `ext.<name>`."""
        return dict(self._external)

    def _names(self) -> list[tuple[Schema, str]]:
        return known_tables(self.path, list(self._specs.values()))

    def _check_named(self, as_of: AsOf) -> None:
        names = [f"{schema}.{name}" for schema, name in self._names()]
        for name in as_of.versions:
            if name not in names:
                raise unknown_table(name, names)

    def _snapshots(self, query: str | None, as_of: AsOf = NEWEST) -> list[Snapshot]:
        """Return a snapshot of each table; those that the query does not name are left empty, if it costs to look."""
        wanted = None if query is None else query.lower()
        if wanted is not None and any(word in wanted for word in _MEANS_ANY_TABLE):
            wanted = None
        snapshots = []
        for schema, name in self._names():
            spec = self._specs.get((schema, name))
            # Views of events read `ops.duplicates` too.
            is_read = wanted is None or name.lower() in wanted or (schema, name) == ("ops", "duplicates")
            if not is_read and spec is None:
                continue
            if is_read or spec is None:
                found = take_snapshot(self.path, schema, name, spec, as_of)
            else:
                found = declared_snapshot(spec)
            if found is not None:
                snapshots.append(found)
        return snapshots

    def _external_of(self, query: str | None) -> list[ExternalTable]:
        """Return the external tables that the query may read: those it names, or all whose files are there."""
        wanted = None if query is None else query.lower()
        if wanted is None or any(word in wanted for word in _MEANS_ANY_TABLE):
            return [table for table in self._external.values() if table.files]
        named = [table for table in self._external.values() if "ext" in wanted and table.name.lower() in wanted]
        for table in named:
            table.check_is_there()
        return named

    def _error(self, error: duckdb.Error, query: str, limits: Limits, cancel: Cancel) -> Exception:
        names = [*(f"{schema}.{name}" for schema, name in self._names()), *self._external]
        return query_error(error, query, names, limits, cancel.is_called)


def connect(path: Place | str, specs: Sequence[TableSpec] = ()) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection, in memory, with all views of the lake in the folder `path`, as of now.

    It reads the lake and no other file, as `Lake.sql` does: `headrace_lake.connect(".headrace/lake")`.
    """
    return Lake(path, specs).connect(is_locked=True)


@dataclass(frozen=True)
class _Read:
    """What a connection reads: a version of each table, and files beside the lake."""

    lake: Place
    snapshots: Sequence[Snapshot]
    external: Sequence[ExternalTable]

    @property
    def files(self) -> list[str]:
        """Every file that it reads."""
        return [*(f for one in self.snapshots for f in one.files), *(f for one in self.external for f in one.files)]

    @property
    def names(self) -> list[str]:
        """Names of the tables in SQL."""
        return [*(one.full_name for one in self.snapshots), *(one.full_name for one in self.external)]


def _run_locked(
    read: _Read, query: str, params: Parameters | None, limits: Limits, cancel: Cancel, guard: Guard | None
) -> Result:
    with (
        _locked(read, query, limits, guard) as connection,
        time_limit(connection, limits.seconds),
        cancel.watching(connection),
    ):
        table = run(connection, query, params, limits.rows)
    return Result(table, {one.full_name: one.version for one in read.snapshots if one.version is not None})


@contextmanager
def _locked(read: _Read, query: str, limits: Limits, guard: Guard | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection that reads this and nothing else."""
    with tempfile.TemporaryDirectory(prefix="headrace-sql-") as spill:
        connection = _new_connection(
            read.lake,
            {
                "memory_limit": f"{limits.memory_bytes}B",
                "temp_directory": spill,
                "max_temp_directory_size": f"{limits.disk_bytes}B",
                # Otherwise a name could mean a variable of the calling Python code.
                "python_enable_replacements": "false",
            },
        )
        try:
            check_is_read(connection, query)
            with time_limit(connection, limits.seconds):
                _make_views(connection, read.snapshots, read.external)
                if guard is not None:
                    guard_views(connection, query, read.names, guard)
                lock(connection, read.files)
            yield connection
        finally:
            connection.close()


def _connection_with(read: _Read, is_locked: bool, limits: Limits | None) -> duckdb.DuckDBPyConnection:
    # DuckDB makes the folder when it needs it and removes it at the end; its default is one where the process stands.
    options = {"temp_directory": str(Path(tempfile.gettempdir()) / f"headrace-sql-{uuid.uuid4().hex}")}
    if is_locked:
        options |= {"python_enable_replacements": "false"}
        if limits is not None:
            options |= {"memory_limit": f"{limits.memory_bytes}B", "max_temp_directory_size": f"{limits.disk_bytes}B"}
    connection = _new_connection(read.lake, options)
    try:
        _make_views(connection, read.snapshots, read.external)
        if is_locked:
            lock(connection, read.files)
    except duckdb.Error:
        connection.close()
        raise
    return connection


def _missing(read: _Read) -> Snapshot | None:
    """Return a snapshot of which a file is gone, or None."""
    return next((one for one in read.snapshots if not all(is_there(read.lake, file) for file in one.files)), None)


def _new_connection(lake: Place, options: dict[str, str]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        ":memory:",
        config={
            # Extensions are downloaded at run time, from outside the package registries.
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            **options,
        },
    )
    can_read(connection, lake)
    connection.execute(f"SET TimeZone = {text('UTC')}")
    return connection


def _make_views(
    connection: duckdb.DuckDBPyConnection, snapshots: Sequence[Snapshot], external: Sequence[ExternalTable]
) -> None:
    views = [*view_statements(snapshots), *(table.view_statement() for table in external)]
    for statement in (*schema_statements(), *views):
        connection.execute(statement)
