"""The one way rows get into a table: exactly once, by the offsets that stand in the same commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from headrace_lake.delta_table import open_for_append, stored_schema, write_error
from headrace_lake.errors import LakeWriteError
from headrace_lake.layout import table_folder
from headrace_lake.offsets import OffsetRange, recorded_offsets
from headrace_lake.partitions import partition_columns, with_period
from headrace_lake.place import Place
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import TableSpec
from headrace_lake.unique import StoredKeys

# Each attempt writes its Parquet file anew. Only a writer that was started twice and upkeep compete for a version, and
# the second attempt of a writer finds either a version of its own or the offsets of the other.
ATTEMPTS = 20

WHO = "lake writer"
"""Stands in the log of a table beside each commit; `headrace lake history` shows it."""

_WRITER_PROPERTIES = WriterProperties(compression="ZSTD", compression_level=1)


@dataclass(frozen=True, slots=True)
class Committed:
    """The rows stand in the table.

    Attributes:
        version: Version of the table that holds them.
        rows: How many were added.
        repeats: How many were left out, because the table holds a row that is equal in `unique_by`.
    """

    version: int
    rows: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Seek:
    """Nothing was written: the table continues elsewhere than this batch starts.

    Attributes:
        recorded: Application id → next offset that the table wants; None where it has recorded none.
    """

    recorded: Mapping[str, int | None]


def commit(
    lake: Place,
    spec: TableSpec,
    rows: pa.Table,
    ranges: Mapping[str, OffsetRange],
    stored_keys: StoredKeys | None = None,
) -> Committed | Seek:
    """Append rows and move the recorded offsets in one commit, if the table continues where the batch starts.

    Args:
        lake: Folder of the lake.
        spec: The table.
        rows: Rows of the table's schema; none is allowed (all records of the ranges were refused).
        ranges: Application id → range of offsets that the rows come from.
        stored_keys: For a table with `unique_by`: what is known of its rows.

    Raises:
        LakeWriteError: The rows could not be stored; the same call may succeed later.
        LakeError: The table has other columns than declared.
    """
    folder = table_folder(lake, spec.schema, spec.name)
    for _ in range(ATTEMPTS):
        # The check and the append go through one handle: a commit made by anyone in between makes it stale, and a stale
        # handle is refused. A fresh handle for the append would double rows.
        handle = open_for_append(lake, spec)
        recorded = recorded_offsets(handle, ranges)
        if any(recorded[app_id] != place.start for app_id, place in ranges.items()):
            return Seek(recorded)
        try:
            new = rows if stored_keys is None else stored_keys.without_repeats(rows, handle)
            placed = with_period(new, spec, partition_columns(handle))
            append(handle, placed, {app_id: place.next for app_id, place in ranges.items()})
        except CommitFailedError:
            continue
        except (DeltaError, OSError) as error:
            raise write_error(spec, folder, error) from error
        return Committed(handle.version(), new.num_rows, rows.num_rows - new.num_rows)
    raise _contended(spec, folder)


def append_rows(lake: Place, spec: TableSpec, rows: pa.Table, who: str) -> None:
    """Append rows that come from no topic, in one commit; recorded offsets stay.

    Who calls it sees to it that they are not there yet.

    Args:
        lake: Folder of the lake.
        spec: The table.
        rows: Rows of the table's schema.
        who: Stands in the log.

    Raises:
        LakeWriteError: The rows could not be stored; the same call may succeed later.
        LakeError: The table has other columns than declared.
    """
    folder = table_folder(lake, spec.schema, spec.name)
    for _ in range(ATTEMPTS):
        handle = open_for_append(lake, spec)
        try:
            append(handle, with_period(rows, spec, partition_columns(handle)), {}, who)
        except CommitFailedError:
            continue
        except (DeltaError, OSError) as error:
            raise write_error(spec, folder, error) from error
        return
    raise _contended(spec, folder)


def append_records(
    lake: Place, spec: TableSpec, records: Sequence[tuple[dict[str, Any], str | None, datetime]], who: str
) -> None:
    """Append what a command or a server notes, as `append_rows` does; none for none.

    Args:
        lake: Folder of the lake.
        spec: The table.
        records: Column → value, the key (None: it has none), and when it was noted, UTC.
        who: Stands in the log.

    Raises:
        LakeWriteError: The records could not be stored; the same call may succeed later.
    """
    if records:
        rows = [{**record, "_key": key, "_recorded_at": at} for record, key, at in records]
        append_rows(lake, spec, pa.Table.from_pylist(rows, schema=arrow_schema(spec)), who)


def append(handle: DeltaTable, rows: pa.Table, offsets: Mapping[str, int], who: str = WHO) -> None:
    """Append rows through this handle and record the offsets in the same commit.

    Raises:
        CommitFailedError: Somebody committed since the handle was opened; nothing was added.
    """
    transactions = [Transaction(app_id, offset) for app_id, offset in offsets.items()]
    write_deltalake(
        handle,
        _in_stored_columns(rows, stored_schema(handle)),
        mode="append",
        writer_properties=_WRITER_PROPERTIES,
        # No retries: delta-rs would move a refused append on top of the other commit, where nothing was checked.
        commit_properties=CommitProperties(
            app_transactions=transactions, max_commit_retries=0, custom_metadata={"userName": who}
        ),
    )


def _in_stored_columns(rows: pa.Table, stored: pa.Schema) -> pa.Table:
    # A column that is no longer declared stays in the table, null in new rows.
    names = set(rows.column_names)
    columns = [
        rows.column(field.name) if field.name in names else pa.nulls(rows.num_rows, field.type) for field in stored
    ]
    return pa.table(columns, names=stored.names)


def _contended(spec: TableSpec, folder: Place) -> LakeWriteError:
    return LakeWriteError(
        f"table {spec.full_name} was changed by others during {ATTEMPTS} attempts to write it",
        {"folder": str(folder), "expected": "one writer per lake"},
        "headrace status",
    )
