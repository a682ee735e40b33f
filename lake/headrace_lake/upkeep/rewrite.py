"""The one way files of a table are replaced by others: written aside first, then swapped in one commit.

A crash before the commit leaves a file that no version names, which the vacuum removes; after it, all is done.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from headrace_lake.delta_table import DELETED_BEFORE, deleted_before, stored_schema
from headrace_lake.errors import FilesMovedError, LakeError, LakeWriteError
from headrace_lake.partitions import partition_types
from headrace_lake.place import Place, can_read, new_file, what_writing_needs
from headrace_lake.upkeep.files import KeptTable, StoredFile, opened, present_columns
from headrace_lake.views import Snapshot, quoted, rows_of, text

# A commit of the writer comes in between at most as often as it commits; opening a table takes milliseconds.
ATTEMPTS = 100
_ROW_GROUP_ROWS = 122_880
ENGINE_ERRORS = (duckdb.Error, OSError, pa.ArrowException)
"""What reading and writing of files raises."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What rewriting may use.

    Attributes:
        memory_bytes: Memory of one rewrite; sorting beyond it goes to disk.
        threads: Threads of one rewrite.
    """

    memory_bytes: int = 1_000_000_000
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Replacement:
    """Files that give way to others.

    Attributes:
        action: What is being done: `compact`, `recompress`, `delete`.
        removed: The files that go.
        added: Those that come in their place.
        rows_removed: Rows that are not in the new files.
        changes_data: Whether rows go, and not only files.
    """

    action: str
    removed: Sequence[StoredFile]
    added: Sequence[AddAction] = field(default_factory=tuple)
    rows_removed: int = 0
    changes_data: bool = False


def file_name(level: int) -> str:
    """Return a name for a new file; it says the zstd level that its columns are compressed with."""
    return f"part-{uuid4()}.zstd{level}.parquet"


def compression_level(path: str) -> int:
    """Return the zstd level of a file; the writer's is 1."""
    marked = path.removesuffix(".parquet").rpartition(".zstd")[2]
    return int(marked) if marked.isdigit() else 1


def write_merged(
    table: KeptTable,
    handle: DeltaTable,
    files: Sequence[StoredFile],
    *,
    level: int,
    engine: Engine,
    keep: str = "true",
) -> AddAction:
    """Write the rows of files of one partition into one new file, in the order of the table; return its log entry.

    Args:
        table: The table.
        handle: One of its versions, which has the files.
        files: The files to be read, at least one, all of one partition.
        level: Level of zstd, 1 to 22.
        engine: What may be used.
        keep: Condition of the rows to be kept, in SQL.

    Raises:
        FilesMovedError: A file is not there any more.
        LakeError: A file cannot be read, the disk is full, or the new file has not the rows that it should have.
    """
    partitions = partition_types(handle)
    snapshot = Snapshot(
        table.schema,
        table.name,
        stored_schema(handle),
        tuple(str(one.place(table.folder)) for one in files),
        partitions=partitions,
    )
    order = ", ".join(f"{quoted(name)} NULLS LAST" for name in present_columns(handle, table.sort_columns))
    # What stands in the path of a file does not stand in it.
    columns = f"* EXCLUDE ({', '.join(map(quoted, partitions))})" if partitions else "*"
    rows = f"SELECT {columns} FROM ({rows_of(snapshot)}) WHERE {keep}" + (f" ORDER BY {order}" if order else "")
    folder = files[0].partition_folder
    name = f"{folder}/{file_name(level)}" if folder else file_name(level)
    options = f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {level}, ROW_GROUP_SIZE {_ROW_GROUP_ROWS}"
    try:
        with new_file(table.folder / unquote(name)) as path:
            ((written,),) = ask(f"COPY ({rows}) TO {text(str(path))} ({options})", engine, table.folder)
            metadata, size = pq.read_metadata(path), path.stat().st_size
    except ENGINE_ERRORS as error:
        raise rewrite_error(table, files, error) from error
    expected = sum(one.rows or 0 for one in files) if all(one.rows is not None for one in files) else written
    if metadata.num_rows != written or (keep == "true" and written != expected):
        (table.folder / unquote(name)).unlink(missing_ok=True)
        raise LakeError(
            f"table {table.full_name} was left as it is: {len(files)} files were read as {metadata.num_rows:,} rows",
            {"expected": f"{expected:,} rows", "folder": str(table.folder)},
            f"headrace lake sql 'select count(*) from {table.full_name}'",
        )
    return AddAction(
        path=name,
        size=size,
        partition_values=dict(files[0].partition),
        modification_time=time.time_ns() // 1_000_000,
        data_change=keep != "true",
        stats=_statistics(handle, metadata),
    )


def ask(query: str, engine: Engine, place: Place | None = None) -> list[tuple[Any, ...]]:
    """Return the rows of a statement of our own, run within the engine's limits.

    Args:
        query: The statement.
        engine: The limits.
        place: A place whose files it reads, when that may be on object storage.

    Raises:
        duckdb.Error: It failed.
    """
    with connected(engine, place) as connection:
        return connection.execute(query).fetchall()


@contextmanager
def connected(engine: Engine, place: Place | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection for statements of our own as `ask` runs them; its zone is UTC."""
    with tempfile.TemporaryDirectory(prefix="headrace-upkeep-") as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{engine.memory_bytes}B",
            "threads": engine.threads,
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        with duckdb.connect(":memory:", config=config) as connection:
            can_read(connection, place)
            connection.execute("SET TimeZone = 'UTC'")
            yield connection


def replace_files(table: KeptTable, replacement: Replacement, who: str) -> int | None:
    """Swap files in one commit, whatever the writer commits meanwhile; return the version that has the new ones.

    None: one of the old files is not part of the table any more. Nothing was changed then, and the new files are gone.

    Args:
        table: The table.
        replacement: What goes and what comes.
        who: Stands in the log.

    Raises:
        LakeWriteError: The commit could not be made; nothing was changed.
    """
    try:
        version = _swapped(table, replacement, who)
    except BaseException:
        _remove_new(table, replacement)
        raise
    if version is None:
        _remove_new(table, replacement)
    return version


def mark_deleted(table: KeptTable, before: datetime, who: str) -> None:
    """Note in the table that rows with an event time before the instant may be missing from now on.

    Args:
        table: The table.
        before: The instant.
        who: Stands in the log.

    Raises:
        LakeWriteError: The note could not be made.
    """
    for _ in range(ATTEMPTS):
        handle = opened(table)
        marked = deleted_before(handle)
        if marked is not None and marked >= before:
            return
        try:
            handle.alter.set_table_properties(
                {DELETED_BEFORE: before.isoformat()},
                raise_if_not_exists=False,
                commit_properties=CommitProperties(custom_metadata={"userName": who}),
            )
        except CommitFailedError:
            continue
        except (DeltaError, OSError) as error:
            raise _write_error(table, str(error)) from error
        return
    raise _write_error(table, f"it was changed by others during {ATTEMPTS} attempts")


def replace_by_one(
    table: KeptTable,
    handle: DeltaTable,
    files: Sequence[StoredFile],
    action: str,
    *,
    level: int,
    engine: Engine,
    who: str,
) -> AddAction | None:
    """Merge files into one with the same rows; None when somebody else was faster and nothing was changed.

    Args:
        table: The table.
        handle: One of its versions, which has the files.
        files: The files.
        action: What it is for; stands in the log.
        level: Level of zstd.
        engine: What may be used.
        who: Stands in the log.

    Raises:
        LakeError: The files could not be read or written.
    """
    try:
        added = write_merged(table, handle, files, level=level, engine=engine)
    except FilesMovedError:
        return None
    return None if replace_files(table, Replacement(action, files, [added]), who) is None else added


def _swapped(table: KeptTable, replacement: Replacement, who: str) -> int | None:
    gone = {file.path for file in replacement.removed}
    for _ in range(ATTEMPTS):
        # As the writer does: what was checked and what is committed is one handle, so nobody can come in between.
        handle = opened(table)
        if not gone <= set(pa.table(handle.get_add_actions()).column("path").to_pylist()):
            return None
        try:
            handle.create_write_transaction(
                [*_removals(replacement), *replacement.added],
                mode="append",
                schema=handle.schema(),
                commit_properties=CommitProperties(
                    # No retries: delta-rs removes files a second time that another commit has removed in between, and
                    # adds the new ones all the same. The rows would stand twice.
                    max_commit_retries=0,
                    custom_metadata={"userName": who, "headrace": _note(replacement)},
                ),
            )
        except CommitFailedError:
            continue
        except (DeltaError, OSError) as error:
            raise _write_error(table, str(error)) from error
        # The handle stays what it was; without retries the commit made the version after it.
        return handle.version() + 1
    raise _write_error(table, f"it was changed by others during {ATTEMPTS} attempts")


def _removals(replacement: Replacement) -> list[RemoveAction]:
    now_ms = time.time_ns() // 1_000_000
    return [
        RemoveAction(file.path, replacement.changes_data, now_ms, file.bytes, dict(file.partition))
        for file in replacement.removed
    ]


def _note(replacement: Replacement) -> dict[str, object]:
    rows_added = sum(json.loads(one.stats)["numRecords"] for one in replacement.added)
    return {
        "action": replacement.action,
        "files_added": len(replacement.added),
        "files_removed": len(replacement.removed),
        "rows_added": rows_added,
        "rows_removed": rows_added + replacement.rows_removed,
    }


def _remove_new(table: KeptTable, replacement: Replacement) -> None:
    for added in replacement.added:
        (table.folder / unquote(added.path)).unlink(missing_ok=True)


def _statistics(handle: DeltaTable, metadata: pq.FileMetaData) -> str:
    """Return what the log says of a new file, for the columns by which the table is pruned."""
    pruned = handle.metadata().configuration.get("delta.dataSkippingStatsColumns")
    wanted = None if pruned is None else {name.strip() for name in pruned.split(",")}
    smallest: dict[str, object] = {}
    largest: dict[str, object] = {}
    nulls: dict[str, int] = {}
    for field_ in stored_schema(handle):
        # Parquet cuts long texts, and NaN has no order: numbers and times are what prunes.
        is_exact = pa.types.is_integer(field_.type) or pa.types.is_timestamp(field_.type)
        if not is_exact or (wanted is not None and field_.name not in wanted):
            continue
        found = [_column(metadata, group, field_.name) for group in range(metadata.num_row_groups)]
        known = [one for one in found if one is not None]
        if len(known) < len(found) or not known:
            continue
        nulls[field_.name] = sum(one.null_count for one in known)
        with_values = [one for one in known if one.has_min_max]
        if with_values and all(one.has_min_max or one.num_values == 0 for one in known):
            smallest[field_.name] = _as_json(min(one.min for one in with_values))
            largest[field_.name] = _as_json(max(one.max for one in with_values))
    return json.dumps(
        {"numRecords": metadata.num_rows, "minValues": smallest, "maxValues": largest, "nullCount": nulls}
    )


def _column(metadata: pq.FileMetaData, group: int, name: str) -> pq.Statistics | None:
    columns = metadata.row_group(group)
    for index in range(columns.num_columns):
        column = columns.column(index)
        if column.path_in_schema == name:
            return column.statistics if column.is_stats_set and column.statistics.has_null_count else None
    return None


def _as_json(value: object) -> object:
    if not isinstance(value, datetime):
        return value
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


def rewrite_error(table: KeptTable, files: Sequence[StoredFile], error: Exception) -> LakeError:
    """Return the error of files that could not be read or written anew."""
    missing = next((one.path for one in files if not one.place(table.folder).exists()), None)
    if missing is not None:
        return FilesMovedError(
            f"a file of table {table.full_name} went while it was read: {missing}",
            {
                "folder": str(table.folder),
                "expected": "no vacuum by another tool of less than two hours",
            },
            f"headrace lake history {table.full_name}",
        )
    cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return LakeError(
        f"{len(files)} files of table {table.full_name} could not be rewritten: {cause}",
        {"folder": str(table.folder), "expected": "room on the disk for one more copy of them"},
        what_writing_needs(table.folder)[1],
    )


def _write_error(table: KeptTable, cause: str) -> LakeWriteError:
    return LakeWriteError(
        f"files of table {table.full_name} could not be replaced: {cause.strip().splitlines()[0]}",
        {"folder": str(table.folder), "expected": what_writing_needs(table.folder)[0]},
        what_writing_needs(table.folder)[1],
    )
