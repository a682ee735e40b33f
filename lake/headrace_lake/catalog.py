"""The lake as a database: its tables, and SQL over one snapshot of them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb

from headrace_lake.as_of import NEWEST, AsOf, AsOfLike, gone, read_as_of
from headrace_lake.layout import Schema
from headrace_lake.query import Limits, Parameters, Result, check_is_read, lock, run, time_limit
from headrace_lake.query_errors import query_error, unknown_table
from headrace_lake.snapshots import TableInfo, declared_snapshot, known_tables, table_info, take_snapshot
from headrace_lake.tables import TableSpec
from headrace_lake.upkeep.compact import TARGET_BYTES
from headrace_lake.upkeep.record import last_done
from headrace_lake.views import Snapshot, schema_statements, text, view_statements

__all__ = ["Lake", "TableInfo", "connect"]

# A query that asks for the catalog, or makes table names at run time, may mean any table.
_MEANS_ANY_TABLE = ("show", "describe", "summarize", "information_schema", "duckdb_", "pg_", "pragma", "query")


class Lake:
    """The tables under one folder.

    Each query reads one version of every table, whatever is written, compacted or deleted meanwhile.

    Args:
        path: Folder of the lake; it may not exist yet.
        specs: Tables that are declared: they can be queried before their first row.
        target_bytes: Size that compaction gives to files; those below half of it are called small.
    """

    def __init__(self, path: Path | str, specs: Sequence[TableSpec] = (), target_bytes: int = TARGET_BYTES) -> None:
        self.path = Path(path).absolute()
        self._small_bytes = target_bytes // 2
        self._specs: dict[tuple[Schema, str], TableSpec] = {(spec.schema, spec.name): spec for spec in specs}

    def tables(self) -> list[TableInfo]:
        """Return the tables that are declared or stored, by name, with their figures."""
        done = last_done(self.path)
        return [
            table_info(self.path, schema, name, self._small_bytes, done.get((f"{schema}.{name}", "compact")))
            for schema, name in self._names()
        ]

    def sql(
        self,
        query: str,
        params: Parameters | None = None,
        limits: Limits | None = None,
        as_of: AsOfLike | None = None,
    ) -> Result:
        """Return the rows of one reading statement over the views of the lake.

        Args:
            query: SELECT, WITH, EXPLAIN, DESCRIBE, SUMMARIZE or SHOW, in DuckDB's SQL; times are shown in UTC.
            params: Values for `?` or `$name`.
            limits: What it may use; defaults of `Limits`.
            as_of: An instant (also as text), versions by table, or `events.call=12`: which versions are read instead of
                the newest ones; see `read_as_of`.

        Raises:
            QueryError: The query is wrong, not allowed, or beyond its limits, or a version is not there any more.
        """
        allowed, moment = limits or Limits(), read_as_of(as_of)
        self._check_named(moment)
        snapshots = self._snapshots(query, moment)
        try:
            return _run_locked(snapshots, query, params, allowed)
        except duckdb.Error as error:
            missing = _missing(snapshots)
            if missing is None:
                raise self._error(error, query, allowed) from error
            if moment != NEWEST:
                raise gone(
                    missing.full_name, f"version {missing.version}", "the vacuum has removed its files"
                ) from error
        # Upkeep has removed a file since the snapshot was taken. The newest version has all of its files.
        try:
            return _run_locked(self._snapshots(query, moment), query, params, allowed)
        except duckdb.Error as error:
            raise self._error(error, query, allowed) from error

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB connection of your own, with the views as of now and all of DuckDB's power.

        For code that is trusted: it may read and write any file. What others type belongs into `sql`.
        """
        connection, snapshots = _new_connection({}), self._snapshots(None)
        try:
            _make_views(connection, snapshots)
        except duckdb.Error:
            connection.close()
            if _missing(snapshots) is None:
                raise
            # Upkeep has removed a file since the snapshot was taken, as in `sql`.
            connection = _new_connection({})
            _make_views(connection, self._snapshots(None))
        return connection

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

    def _error(self, error: duckdb.Error, query: str, limits: Limits) -> Exception:
        return query_error(error, query, [f"{schema}.{name}" for schema, name in self._names()], limits)


def connect(path: Path | str, specs: Sequence[TableSpec] = ()) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with all views of the lake at `path`, as of now; see `Lake.connect`."""
    return Lake(path, specs).connect()


def _run_locked(snapshots: Sequence[Snapshot], query: str, params: Parameters | None, limits: Limits) -> Result:
    files = [file for snapshot in snapshots for file in snapshot.files]
    with tempfile.TemporaryDirectory(prefix="headrace-sql-") as spill:
        connection = _new_connection(
            {
                "memory_limit": f"{limits.memory_bytes}B",
                "temp_directory": spill,
                "max_temp_directory_size": f"{limits.disk_bytes}B",
                # Otherwise a name could mean a variable of the calling Python code.
                "python_enable_replacements": "false",
            }
        )
        try:
            check_is_read(connection, query)
            with time_limit(connection, limits.seconds):
                _make_views(connection, snapshots)
                lock(connection, files)
                table = run(connection, query, params, limits.rows)
        finally:
            connection.close()
    return Result(table, {one.full_name: one.version for one in snapshots if one.version is not None})


def _missing(snapshots: Sequence[Snapshot]) -> Snapshot | None:
    """Return a snapshot of which a file is gone, or None."""
    return next((one for one in snapshots if not all(Path(file).exists() for file in one.files)), None)


def _new_connection(options: dict[str, str]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        ":memory:",
        config={
            # Extensions are downloaded at run time, from outside the package registries.
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            **options,
        },
    )
    connection.execute(f"SET TimeZone = {text('UTC')}")
    return connection


def _make_views(connection: duckdb.DuckDBPyConnection, snapshots: Sequence[Snapshot]) -> None:
    for statement in (*schema_statements(), *view_statements(snapshots)):
        connection.execute(statement)
