"""The files of a table as its log describes them, and the table as upkeep sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from headrace_ingestion.errors import closest

from headrace_lake.delta_table import stored_schema
from headrace_lake.errors import LakeError
from headrace_lake.layout import Schema, stored_tables, table_folder
from headrace_lake.partitions import partition_columns
from headrace_lake.place import Place, delta_table
from headrace_lake.tables import TableSpec

# What delta-rs gives a table unless somebody asks for more; rewriting files by hand is safe in these.
_READER_VERSION, _WRITER_VERSION = 1, 2


@dataclass(frozen=True, slots=True)
class KeptTable:
    """A stored table and how its rows are ordered.

    Attributes:
        schema: Schema of the table.
        name: Name of the table.
        folder: Where it stands.
        time_column: Event time; of a table that is not declared any more, the time of recording.
        sort_columns: Order of rows inside a compacted file, as far as the table has these columns.
        is_declared: Whether the project still declares it.
    """

    schema: Schema
    name: str
    folder: Place
    time_column: str = "_recorded_at"
    sort_columns: tuple[str, ...] = ("_key", "_recorded_at", "_partition", "_offset")
    is_declared: bool = False

    @property
    def full_name(self) -> str:
        """Name in SQL: `<schema>.<name>`."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One Parquet file of a table.

    Attributes:
        path: Its path as the log has it, relative to the table.
        bytes: Its size.
        rows: Its rows; None when the log does not say.
        oldest: Smallest event time; None when the log does not say.
        newest: Largest event time; None when the log does not say.
        partition: Partition column → value, as the log has it; empty where the table has no partitions.
    """

    path: str
    bytes: int
    rows: int | None
    oldest: datetime | None
    newest: datetime | None
    partition: Mapping[str, str | None] = field(default_factory=dict, compare=False)

    @property
    def partition_folder(self) -> str:
        """The folder of its partition inside the table, as the log has it; files of one folder are of one partition."""
        return self.path.rpartition("/")[0]

    def place(self, folder: Place) -> Place:
        """Return where the file stands; the log writes paths as URLs do."""
        return folder / unquote(self.path)


def kept_table(lake: Place, spec: TableSpec) -> KeptTable:
    """Return a declared table as upkeep sees it."""
    folder = table_folder(lake, spec.schema, spec.name)
    return KeptTable(spec.schema, spec.name, folder, spec.time_column, spec.sort_columns, is_declared=True)


def kept_tables(lake: Place, specs: Sequence[TableSpec], names: Sequence[str] = ()) -> list[KeptTable]:
    """Return the stored tables, by name.

    Args:
        lake: Folder of the lake.
        specs: Declared tables.
        names: `<schema>.<name>` of those that are wanted; none: all.

    Raises:
        LakeError: A name is of no table that stands in the lake.
    """
    declared = {(spec.schema, spec.name): spec for spec in specs}
    found = {}
    for schema, name in stored_tables(lake):
        spec = declared.get((schema, name))
        table = KeptTable(schema, name, table_folder(lake, schema, name)) if spec is None else kept_table(lake, spec)
        found[table.full_name] = table
    for name in names:
        if name not in found:
            raise LakeError(
                f"there is no table {name!r} in the lake",
                {"tables": ", ".join(found) or "none: nothing was written yet"},
                closest(name, found) or "headrace lake tables",
            )
    return [found[name] for name in dict.fromkeys(names)] if names else list(found.values())


def opened(table: KeptTable) -> DeltaTable:
    """Return a fresh handle of a table whose files may be replaced.

    Raises:
        LakeError: It cannot be opened, or has features of Delta that rewriting by files would break.
    """
    try:
        handle = delta_table(table.folder)
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"table {table.full_name} cannot be opened: {str(error).strip().splitlines()[0]}",
            {"folder": str(table.folder)},
            f"ls {table.folder}/_delta_log",
        ) from error
    protocol = handle.protocol()
    if protocol.min_reader_version <= _READER_VERSION and protocol.min_writer_version <= _WRITER_VERSION:
        return handle
    raise LakeError(
        f"table {table.full_name} is left as it is: upkeep does not know its form",
        {
            "protocol": f"reader {protocol.min_reader_version}, writer {protocol.min_writer_version}",
            "expected": f"reader {_READER_VERSION}, writer {_WRITER_VERSION}",
        },
        f"headrace lake history {table.full_name}",
    )


def stored_files(handle: DeltaTable, time_column: str) -> list[StoredFile]:
    """Return the files of the handle's version, oldest event time first; those of unknown time come first."""
    actions = pa.table(handle.get_add_actions(flatten=True))
    if actions.num_rows == 0:
        return []
    partitions = partition_columns(handle)
    oldest, newest = f"min.{time_column}", f"max.{time_column}"
    # A log without any statistics has no such columns.
    files = [
        StoredFile(
            row["path"],
            row["size_bytes"],
            row.get("num_records"),
            row.get(oldest),
            row.get(newest),
            {name: _logged(row[f"partition.{name}"]) for name in partitions},
        )
        for row in actions.to_pylist()
    ]
    return sorted(files, key=lambda file: (file.oldest is not None, file.oldest, file.path))


def by_partition(files: Sequence[StoredFile]) -> list[list[StoredFile]]:
    """Return the files of each partition, in their order; of a table without partitions all in one."""
    found: dict[str, list[StoredFile]] = {}
    for file in files:
        found.setdefault(file.partition_folder, []).append(file)
    return list(found.values())


def _logged(value: object) -> str | None:
    """Return a value of a partition as the log writes it."""
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def present_columns(handle: DeltaTable, names: Sequence[str]) -> list[str]:
    """Return those of the names that are columns of the table."""
    stored = set(stored_schema(handle).names)
    return [name for name in names if name in stored]
