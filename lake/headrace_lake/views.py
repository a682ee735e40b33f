"""One version of a table → the SQL of its views in DuckDB. Knows no Delta: it is handed files and columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
from headrace_ingestion.checks import field_check
from headrace_ingestion.fields import Field

from headrace_lake.layout import SCHEMAS, Schema

RAW = "raw"
EXTERNAL = "ext"
"""Schema of files that are no part of the lake."""
FILE, FILE_ROW = "_file", "_file_row"
"""Columns of `placed_rows_of`: which file of the snapshot a row stands in, and which row of it that is."""
DELETIONS = "raw.deletions"
"""View of `table` (`events.call`) and `deleted_before`, for the tables of which retention has deleted rows."""

_SQL_TYPES = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_int8, "TINYINT"),
    (pa.types.is_int16, "SMALLINT"),
    (pa.types.is_int32, "INTEGER"),
    (pa.types.is_int64, "BIGINT"),
    (pa.types.is_float32, "FLOAT"),
    (pa.types.is_float64, "DOUBLE"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_binary, "BLOB"),
    (pa.types.is_large_binary, "BLOB"),
    (pa.types.is_binary_view, "BLOB"),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a table: everything that a query reads of it.

    Attributes:
        schema: Schema of the table.
        name: Name of the table.
        columns: Its Arrow schema, as Delta has it.
        files: Its active Parquet files; none for a table that is declared and not yet made.
        version: Its Delta version; None when it is not yet made.
        is_repaired: Whether a row may have a revision above 0.
        deleted_before: Rows with an event time before this may have been deleted for their age; None: none ever were.
        defaults: Column → SQL of what stands where it is null, as the contract says.
        partitions: Column → SQL type of the columns that stand in the paths of files, and not in the files.
    """

    schema: Schema
    name: str
    columns: pa.Schema
    files: tuple[str, ...] = ()
    version: int | None = None
    is_repaired: bool = False
    deleted_before: datetime | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    partitions: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """Name in SQL: `<schema>.<name>`."""
        return f"{self.schema}.{self.name}"


def schema_statements() -> Iterator[str]:
    """Return the statements that make the schemas of a catalog."""
    for schema in (RAW, *SCHEMAS, EXTERNAL):
        yield f"CREATE SCHEMA {schema}"


def view_statements(snapshots: Collection[Snapshot]) -> Iterator[str]:
    """Return the statements that make the views of all tables, in an order in which they can be run."""
    for snapshot in snapshots:
        yield f"CREATE VIEW {raw_name(snapshot)} AS {rows_of(snapshot)}"
    yield f"CREATE VIEW {DELETIONS} AS {_deletions(snapshots)}"
    has_duplicates = any(snapshot.full_name == "ops.duplicates" and snapshot.files for snapshot in snapshots)
    for snapshot in snapshots:
        yield f"CREATE VIEW {quoted(snapshot.schema)}.{quoted(snapshot.name)} AS {_view_of(snapshot, has_duplicates)}"


def raw_name(snapshot: Snapshot) -> str:
    """Return the name, in SQL, of the view of all rows of the table."""
    return f"{RAW}.{quoted(f'{snapshot.schema}_{snapshot.name}')}"


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a string as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def text_list(values: Iterable[str]) -> str:
    """Return a list of strings as DuckDB writes it."""
    return f"[{texts(values)}]"


def texts(values: Iterable[str]) -> str:
    """Return strings as SQL writes them between parentheses."""
    return ", ".join(text(value) for value in values)


def sql_type(type_: pa.DataType) -> str:
    """Return the DuckDB type of an Arrow type."""
    for is_it, name in _SQL_TYPES:
        if is_it(type_):
            return name
    if pa.types.is_timestamp(type_):
        return "TIMESTAMPTZ" if type_.tz else "TIMESTAMP"
    if pa.types.is_decimal(type_):
        return f"DECIMAL({type_.precision}, {type_.scale})"
    if pa.types.is_struct(type_):
        return "STRUCT(" + ", ".join(f"{quoted(part.name)} {sql_type(part.type)}" for part in type_) + ")"
    if pa.types.is_map(type_):
        return f"MAP({sql_type(type_.key_type)}, {sql_type(type_.item_type)})"
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_list_view(type_):
        return f"{sql_type(type_.value_type)}[]"
    return "VARCHAR"


def default_sql(name: str, field: Field) -> str:
    """Return the SQL of the default of a field, as a value of its column."""
    value = field_check(name, field)(field.default)
    if field.type == "timestamp":
        return f"make_timestamptz({value * 1000})"
    if field.type == "double":
        return f"CAST({text(repr(value))} AS DOUBLE)"
    types = {"date": "DATE", "decimal": f"DECIMAL({field.precision}, {field.scale})"}
    shown = text(value) if isinstance(value, str) else str(value)
    return f"CAST({shown} AS {types[field.type]})" if field.type in types else shown


def rows_of(snapshot: Snapshot) -> str:
    """Return the query of all rows of the table, with all of its columns and in their types."""
    return _rows_of(snapshot, {})


def placed_rows_of(snapshot: Snapshot) -> str:
    """Return the query of all rows as `rows_of` does, with the place of each: the columns `FILE` and `FILE_ROW`.

    What has found rows by a few columns reads the others of these rows by their places, whatever its conditions are.
    """
    # Files that DuckDB passes over because of their folder are not counted: the others then have other numbers.
    file = ("filename", "VARCHAR") if snapshot.partitions else ("file_index", "UBIGINT")
    return _rows_of(snapshot, {FILE: file, FILE_ROW: ("file_row_number", "BIGINT")})


def _rows_of(snapshot: Snapshot, places: Mapping[str, tuple[str, str]]) -> str:
    """Return the query of all rows; `places`: column → what DuckDB calls it, and its type."""
    columns = [(quoted(column.name), sql_type(column.type)) for column in snapshot.columns]
    columns += [(name, type_) for name, (_, type_) in places.items()]
    empty = f"SELECT {', '.join(f'NULL::{type_} AS {name}' for name, type_ in columns)} WHERE false"
    if not snapshot.files:
        return empty
    names = ", ".join((*(_filled(column.name, snapshot.defaults) for column in snapshot.columns), *places))
    read = ", ".join(("*", *(f"{source} AS {name}" for name, (source, _) in places.items())))
    # A column that was added later is missing in all older files, at first in every file: the empty branch gives it a
    # name and a type, and is optimised away.
    files = f"SELECT {read} FROM {files_of(snapshot.files, snapshot.partitions)}"
    return f"SELECT {names} FROM ({files} UNION ALL BY NAME {empty})"


def files_of(files: Iterable[str], partitions: Mapping[str, str], *options: str) -> str:
    """Return the SQL of the rows of Parquet files, with the columns that stand in their paths.

    Args:
        files: The files, at least one.
        partitions: Column → SQL type of those columns.
        options: More options of `read_parquet`.
    """
    if partitions:
        types = ", ".join(f"{quoted(name)}: {type_}" for name, type_ in partitions.items())
        options = (*options, "hive_partitioning = true", f"hive_types = {{{types}}}")
    return f"read_parquet({', '.join((text_list(files), *options, 'union_by_name = true'))})"


def _filled(name: str, defaults: Mapping[str, str]) -> str:
    if name not in defaults:
        return quoted(name)
    return f"COALESCE({quoted(name)}, {defaults[name]}) AS {quoted(name)}"


def _deletions(snapshots: Collection[Snapshot]) -> str:
    rows = [
        f"({text(one.full_name)}, {text(one.deleted_before.isoformat())}::TIMESTAMPTZ)"
        for one in snapshots
        if one.deleted_before is not None
    ]
    values = ", ".join(rows) or "(NULL::VARCHAR, NULL::TIMESTAMPTZ)"
    return f'SELECT * FROM (VALUES {values}) AS d("table", deleted_before) WHERE "table" IS NOT NULL'


def _view_of(snapshot: Snapshot, has_duplicates: bool) -> str:
    everything = f"SELECT r.* FROM {raw_name(snapshot)} AS r"
    if snapshot.schema == "events" and has_duplicates:
        return (
            f'{everything} WHERE NOT EXISTS (SELECT 1 FROM {RAW}."ops_duplicates" AS d '
            f'WHERE d."event" = {text(snapshot.name)} AND d."partition" = r."_partition" AND d."offset" = r."_offset")'
        )
    if snapshot.schema == "features" and snapshot.is_repaired:
        return (
            f"{everything} WHERE NOT EXISTS (SELECT 1 FROM {raw_name(snapshot)} AS n "
            'WHERE n."revision" > 0 AND n."source_partition" = r."source_partition" '
            'AND n."source_offset" = r."source_offset" '
            'AND n."declaration" = r."declaration" AND n."revision" > r."revision")'
        )
    return everything
