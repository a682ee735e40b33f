"""A whole table laid out anew, as its contract says now: other partitions, another order."""

from __future__ import annotations

import time

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from headrace_lake.delta_table import active_files, open_for_append, stored_schema
from headrace_lake.errors import LakeWriteError
from headrace_lake.partitions import partition_types, period_sql, stored_partition
from headrace_lake.place import Place
from headrace_lake.schemas import table_properties
from headrace_lake.tables import TableSpec
from headrace_lake.upkeep.compact import LEVEL, Compaction
from headrace_lake.upkeep.files import KeptTable, StoredFile, opened, stored_files
from headrace_lake.upkeep.rewrite import ENGINE_ERRORS, Engine, connected, rewrite_error
from headrace_lake.views import Snapshot, quoted, rows_of

WHO = "headrace lake compact --rewrite"
ATTEMPTS = 3
"""Each of them reads and writes the whole table."""

_STATISTICS = "delta.dataSkippingStatsColumns"
_BATCH_ROWS = 100_000


def lay_out_anew(
    lake: Place, table: KeptTable, spec: TableSpec, *, engine: Engine, dry_run: bool = False
) -> Compaction:
    """Write every row of a table anew, in the partitions and the order that are declared, in one commit.

    Recorded offsets and notes of the table stay, and so does time travel. It is refused while somebody else changes the
    table faster than it can be written.

    Args:
        lake: Folder of the lake.
        table: The table.
        spec: Its declaration.
        engine: What may be used.
        dry_run: Only say what would be done; how many files come is not known before.

    Raises:
        LakeError: The table is of a form that upkeep does not know, or a file could not be read.
        LakeWriteError: The table could not be written, or was changed meanwhile.
    """
    started = time.monotonic()
    if not dry_run:
        # Columns that are declared now and that the table has not yet: the partition may be by one.
        _with_statistics(open_for_append(lake, spec), table, spec)
    before = stored_files(opened(table), table.time_column)
    after = before if dry_run else _rewritten(table, spec, engine)
    return Compaction(
        table.full_name,
        len(before),
        len(after),
        sum(file.bytes for file in before),
        None if dry_run else sum(file.bytes for file in after),
        sum(file.rows or 0 for file in before),
        round(time.monotonic() - started, 3),
        dry_run,
        is_rewrite=True,
    )


def _rewritten(table: KeptTable, spec: TableSpec, engine: Engine) -> list[StoredFile]:
    for _ in range(ATTEMPTS):
        handle = opened(table)
        try:
            _overwrite(handle, table, spec, engine)
        except CommitFailedError:
            continue
        except ENGINE_ERRORS as error:
            raise rewrite_error(table, stored_files(handle, table.time_column), error) from error
        except DeltaError as error:
            raise _error(table, str(error).strip().splitlines()[0], f"df -h {table.folder}") from error
        return stored_files(opened(table), table.time_column)
    raise _error(table, f"it was changed by others during {ATTEMPTS} attempts", "headrace down, then this again")


def _overwrite(handle: DeltaTable, table: KeptTable, spec: TableSpec, engine: Engine) -> None:
    target = _target_schema(handle, spec)
    columns = ", ".join(_column(name, spec) for name in target.names)
    order = ", ".join(f"{quoted(name)} NULLS LAST" for name in spec.sort_columns)
    snapshot = Snapshot(
        table.schema,
        table.name,
        stored_schema(handle),
        tuple(active_files(handle)),
        partitions=partition_types(handle),
    )
    with connected(engine, table.folder) as connection:
        read = connection.sql(f"SELECT {columns} FROM ({rows_of(snapshot)}) ORDER BY {order}")
        batches = read.to_arrow_reader(_BATCH_ROWS)
        casted = (part for one in batches for part in pa.Table.from_batches([one]).cast(target).to_batches())
        write_deltalake(
            handle,
            pa.RecordBatchReader.from_batches(target, casted),
            mode="overwrite",
            schema_mode="overwrite",
            partition_by=[] if spec.partition is None else [spec.partition.column],
            writer_properties=WriterProperties(compression="ZSTD", compression_level=LEVEL),
            commit_properties=CommitProperties(
                # Rows that were added meanwhile would be overwritten: no retries of delta-rs, but our own.
                max_commit_retries=0,
                custom_metadata={"userName": WHO},
            ),
        )


def _target_schema(handle: DeltaTable, spec: TableSpec) -> pa.Schema:
    """Return the columns that the table has, without that of its old period and with that of its new one."""
    old, new = stored_partition(handle), spec.partition
    kept = [field for field in stored_schema(handle) if old is None or old.period is None or field.name != old.column]
    return pa.schema([*kept, *([] if new is None or new.period is None else [pa.field(new.column, pa.string())])])


def _column(name: str, spec: TableSpec) -> str:
    partition = spec.partition
    if partition is None or partition.period is None or partition.column != name:
        return quoted(name)
    return f"{period_sql(partition.period, spec.time_column)} AS {quoted(name)}"


def _with_statistics(handle: DeltaTable, table: KeptTable, spec: TableSpec) -> None:
    wanted = table_properties(spec)[_STATISTICS]
    if handle.metadata().configuration.get(_STATISTICS) == wanted:
        return
    try:
        handle.alter.set_table_properties({_STATISTICS: wanted})
    except (CommitFailedError, DeltaError) as error:
        raise _error(table, str(error).strip().splitlines()[0], "the same command again") from error


def _error(table: KeptTable, cause: str, remedy: str) -> LakeWriteError:
    return LakeWriteError(
        f"table {table.full_name} was not laid out anew: {cause}",
        {"folder": str(table.folder), "expected": "room for one more copy, and a writer that is not at work"},
        remedy,
    )
