"""What a table is and how it stands: columns, files, rows, freshness; from its log, no row is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from headrace_lake.commit_log import committed_at, read_commit
from headrace_lake.delta_table import deleted_before, open_for_read, stored_schema
from headrace_lake.layout import Schema, table_folder
from headrace_lake.partitions import partition_columns
from headrace_lake.place import Place
from headrace_lake.schemas import made_schema
from headrace_lake.tables import TableSpec
from headrace_lake.views import sql_type


@dataclass(frozen=True, slots=True)
class TableDescription:
    """How a table stands.

    Attributes:
        table: `<schema>.<name>`.
        columns: Column → its type in SQL.
        key: The column that rows are asked for by; None: the table is not declared.
        time: The column of event time; None: the table is not declared.
        version: Delta version; None when the table is declared and not yet made.
        partitioned_by: Columns by which its files stand in folders.
        declared_partition: Such a column of a table that is made now, where this one is otherwise; `none`: it has none.
        sorted_by: Columns that rows of a compacted file are sorted by; None: the table is not declared.
        files: Number of Parquet files.
        bytes: Their size together.
        rows: Number of rows.
        oldest_event: Smallest event time; None when the log does not say.
        newest_event: Largest event time.
        newest_record: Largest time at which a row was recorded in its topic.
        newest_commit: When the table was last changed.
        deleted_before: Rows with an event time before this may have been deleted for their age; None: none were.
    """

    table: str
    columns: dict[str, str]
    key: str | None = None
    time: str | None = None
    version: int | None = None
    partitioned_by: tuple[str, ...] = ()
    declared_partition: str | None = None
    sorted_by: tuple[str, ...] | None = None
    files: int = 0
    bytes: int = 0
    rows: int = 0
    oldest_event: datetime | None = None
    newest_event: datetime | None = None
    newest_record: datetime | None = None
    newest_commit: datetime | None = None
    deleted_before: datetime | None = None


def describe_table(lake: Place, schema: Schema, name: str, spec: TableSpec | None) -> TableDescription:
    """Return how a table stands.

    Args:
        lake: Folder of the lake.
        schema: Schema of the table.
        name: Name of the table.
        spec: Its declaration; None: it is not declared any more.
    """
    folder = table_folder(lake, schema, name)
    handle = open_for_read(folder)
    columns = made_schema(spec) if handle is None and spec else stored_schema(handle) if handle else pa.schema([])
    key, time = (spec.key_column, spec.time_column) if spec else (None, None)
    types = {field.name: sql_type(field.type) for field in columns}
    if handle is None:
        return TableDescription(
            f"{schema}.{name}",
            types,
            key,
            time,
            partitioned_by=_wanted(spec),
            sorted_by=spec.sort_columns if spec else None,
        )
    there = tuple(partition_columns(handle))
    files = pa.table(handle.get_add_actions(flatten=True))
    return TableDescription(
        f"{schema}.{name}",
        types,
        key,
        time,
        handle.version(),
        there,
        None if spec is None or _wanted(spec) == there else ", ".join(_wanted(spec)) or "none",
        None if spec is None else spec.sort_columns,
        files.num_rows,
        pc.sum(files.column("size_bytes")).as_py() or 0,
        pc.sum(files.column("num_records")).as_py() or 0,
        _extreme(files, "min", time),
        _extreme(files, "max", time),
        _extreme(files, "max", "_recorded_at"),
        _commit_time(folder, handle.version()),
        deleted_before(handle),
    )


def _wanted(spec: TableSpec | None) -> tuple[str, ...]:
    return () if spec is None or spec.partition is None else (spec.partition.column,)


def _extreme(files: pa.Table, which: str, column: str | None) -> datetime | None:
    name = f"{which}.{column}"
    if column is None or name not in files.column_names:
        return None
    found: datetime | None = (pc.min if which == "min" else pc.max)(files.column(name)).as_py()
    return found


def _commit_time(folder: Place, version: int) -> datetime | None:
    try:
        return committed_at(read_commit(folder, version))
    except FileNotFoundError:
        return None  # the log of it was cleaned: the version is that of a checkpoint
