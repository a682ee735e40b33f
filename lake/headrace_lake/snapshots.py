"""Tables of the lake as of now: which versions, files and figures they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from headrace_lake.as_of import NEWEST, AsOf, version_at
from headrace_lake.delta_table import active_files, deleted_before, open_for_read, stored_schema
from headrace_lake.layout import Schema, stored_tables, table_folder
from headrace_lake.partitions import partition_types
from headrace_lake.place import Place
from headrace_lake.schemas import arrow_schema, made_schema
from headrace_lake.tables import TableSpec
from headrace_lake.views import Snapshot, default_sql


@dataclass(frozen=True, slots=True)
class TableInfo:
    """Figures of a table.

    Attributes:
        schema: Schema of the table.
        name: Name of the table.
        rows: Number of rows, from the log.
        files: Number of Parquet files.
        bytes: Their size together.
        newest: Largest record timestamp; None when there is no row.
        version: Delta version; None when the table is declared and not yet made.
        small_files: Files that a compaction would merge.
        last_compaction: When that was last done.
    """

    schema: Schema
    name: str
    rows: int
    files: int
    bytes: int
    newest: datetime | None
    version: int | None
    small_files: int = 0
    last_compaction: datetime | None = None


def known_tables(lake: Place, specs: Sequence[TableSpec]) -> list[tuple[Schema, str]]:
    """Return schema and name of every table that is declared or stands in the lake, in order."""
    return sorted({*stored_tables(lake), *((spec.schema, spec.name) for spec in specs)})


def take_snapshot(
    lake: Place, schema: Schema, name: str, spec: TableSpec | None, as_of: AsOf = NEWEST
) -> Snapshot | None:
    """Return the version of a table that is meant; an empty one when it is only declared, None when it is neither.

    Raises:
        QueryError: That version is not there, or not any more.
    """
    handle = version_at(lake, schema, name, as_of)
    if handle is None:
        return None if spec is None else declared_snapshot(spec)
    return Snapshot(
        schema,
        name,
        _columns(handle, spec if as_of == NEWEST else None),
        tuple(active_files(handle)),
        handle.version(),
        is_repaired=schema == "features" and _is_repaired(handle),
        deleted_before=deleted_before(handle),
        defaults=_defaults(spec),
        partitions=partition_types(handle),
    )


def _columns(handle: DeltaTable, spec: TableSpec | None) -> pa.Schema:
    """Return the stored columns and, behind them, declared ones that the table gets with its next rows."""
    stored = stored_schema(handle)
    declared = () if spec is None else arrow_schema(spec)
    return pa.schema([*stored, *(field for field in declared if field.name not in stored.names)])


def _defaults(spec: TableSpec | None) -> dict[str, str]:
    """Return what the contract puts where older rows have nothing: what the parser gives for their records, too."""
    if spec is None or spec.contract is None:
        return {}
    return {name: default_sql(name, field) for name, field in spec.contract.fields.items() if field.default is not None}


def declared_snapshot(spec: TableSpec) -> Snapshot:
    """Return a table with its declared columns and without rows."""
    return Snapshot(spec.schema, spec.name, made_schema(spec))


def table_info(
    lake: Place, schema: Schema, name: str, small_bytes: int = 0, last_compaction: datetime | None = None
) -> TableInfo:
    """Return the figures of a table, from its log alone.

    Args:
        lake: Folder of the lake.
        schema: Schema of the table.
        name: Name of the table.
        small_bytes: A file below this size is a small one.
        last_compaction: When the table was last compacted.
    """
    handle = open_for_read(table_folder(lake, schema, name))
    if handle is None:
        return TableInfo(schema, name, 0, 0, 0, None, None)
    files = pa.table(handle.get_add_actions(flatten=True))
    newest = pc.max(files.column("max._recorded_at")).as_py() if "max._recorded_at" in files.column_names else None
    return TableInfo(
        schema,
        name,
        pc.sum(files.column("num_records")).as_py() or 0,
        files.num_rows,
        pc.sum(files.column("size_bytes")).as_py() or 0,
        newest,
        handle.version(),
        pc.sum(pc.less(files.column("size_bytes"), small_bytes)).as_py() or 0,
        last_compaction,
    )


def _is_repaired(handle: DeltaTable) -> bool:
    files = pa.table(handle.get_add_actions(flatten=True))
    if files.num_rows == 0:
        return False
    if "max.revision" not in files.column_names:
        return True
    # A file without statistics may hold any revision.
    return bool(pc.any(pc.fill_null(pc.greater(files.column("max.revision"), 0), True)).as_py())
