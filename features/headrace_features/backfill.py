"""The rows of a view over history, computed by DuckDB from the lake or from a Parquet file of events."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
from headrace_ingestion.errors import HeadraceError

from headrace_features.duckdb_compiler import compile_view
from headrace_features.duckdb_events import events_of, events_select
from headrace_features.duckdb_ledgers import in_time_sql, make_ledgers
from headrace_features.duckdb_text import quoted, text
from headrace_features.recompute import accept
from headrace_features.view import View

if TYPE_CHECKING:
    from headrace_lake import Lake

_SQL_TYPES = {
    "string": "VARCHAR", "bool": "BOOLEAN", "int": "INTEGER", "long": "BIGINT", "double": "DOUBLE",
    "timestamp": "TIMESTAMPTZ",
}  # fmt: skip


class BackfillError(HeadraceError):
    """The events that were given for a backfill cannot be read."""


def backfill(events: Lake | Path, view: View) -> pa.Table:
    """Return one row for each event that is no duplicate, in the order of partition and offset.

    The columns are those of `CompiledSql.columns`: event_id, the key, times in milliseconds, generation, the place,
    the features.

    Args:
        events: A lake that holds the view's event, or a Parquet file with a column for each field of its contract
            (and, if it has one, `event_id`) in the order in which they happened to arrive. Of the events of a lake
            those do not count that the job of this declaration has called late. A file is not checked against the
            contract.
        view: The view.

    Raises:
        BackfillError: The file is missing or lacks a field.
    """
    with tempfile.TemporaryDirectory(prefix="headrace-backfill-") as spill, _connected(events) as connection:
        connection.execute(f"SET temp_directory = {text(spill)}; SET TimeZone = 'UTC'")
        source = f"({_file_select(connection, events, view)})" if isinstance(events, Path) else events_of(view)
        where = ""
        if not isinstance(events, Path):
            make_ledgers(connection, view)
            where = f" WHERE {in_time_sql(view)}"
        connection.execute(f"CREATE TEMP TABLE given AS {events_select(view, source)}{where}")
        return rows_from_events(connection, "given", view)


def rows_from_events(connection: duckdb.DuckDBPyConnection, events: str, view: View) -> pa.Table:
    """Return the rows that the relation of events gives; see `backfill` and `compile_view`.

    Args:
        connection: Where the relation is; the temporary tables `marked` and `accepted` are made there.
        events: Relation with the columns that `compile_view` reads, but for the marks.
        view: The view.
    """
    accept(connection, events, view)
    return connection.sql(f"FROM ({compile_view(view).sql}) ORDER BY source_partition, source_offset").to_arrow_table()


def _connected(events: Lake | Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect() if isinstance(events, Path) else events.connect()


def _file_select(connection: duckdb.DuckDBPyConnection, file: Path, view: View) -> str:
    """Return the file as the event's table in the lake would have it: one partition, rows in the order of the file."""
    if not file.is_file():
        raise BackfillError(
            f"the file {file} does not exist", {"expected": "a Parquet file of events"}, f"ls {file.parent}"
        )
    fields = {name: field for name, field in view.contract.fields.items() if field.is_computed}
    there = [name for name, *_ in connection.execute(f"DESCRIBE FROM read_parquet({text(str(file))})").fetchall()]
    missing = [name for name, declared in fields.items() if declared.is_needed and name not in there]
    if missing:
        raise BackfillError(
            f"the file {file} has no column {missing[0]!r}, which the event {view.contract.name!r} requires",
            {"columns": ", ".join(there), "contract": view.contract.place_of(missing[0])},
            f"rename a column of the file to {missing[0]}",
        )
    columns = []
    for name, declared in fields.items():
        value = quoted(name) if name in there else "NULL"
        if declared.type == "timestamp":
            value = f"date_trunc('millisecond', CAST({value} AS TIMESTAMPTZ))"
        # −0.0 becomes 0.0, as at the entry of the stream.
        value = f"CAST({value} AS DOUBLE) + 0e0" if declared.type == "double" else value
        kind = _SQL_TYPES[declared.plain_type]
        value = f"CAST({value} AS {kind})"
        if declared.default is not None:
            value = f"COALESCE({value}, CAST({text(str(declared.default))} AS {kind}))"
        columns.append(f"{value} AS {quoted(name)}")
    event_id = '"event_id"' if "event_id" in there else f"{text(view.contract.name + '-0-')} || file_row_number"
    return (
        f'SELECT CAST({quoted(view.key)} AS VARCHAR) AS "_key", {event_id} AS "event_id", 0::INTEGER AS "_partition",'
        f' file_row_number AS "_offset", {quoted(view.contract.time)}::TIMESTAMPTZ AS "_recorded_at",'
        f" {', '.join(columns)}"
        f" FROM read_parquet({text(str(file))}, file_row_number = true)"
    )
