"""Opening and making Delta tables. A handle is one version of a table: once that is stale, its commits are refused."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable, Field
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import Schema as DeltaSchema

from headrace_lake.errors import LakeError, LakeWriteError
from headrace_lake.layout import is_table, table_folder
from headrace_lake.object_store import SCHEME
from headrace_lake.place import Place, delta_options, delta_table, make_folder, what_writing_needs
from headrace_lake.schemas import arrow_schema, made_schema, table_properties
from headrace_lake.tables import TableSpec

log = logging.getLogger(__name__)

_ANSWERED = re.compile("<Code>(.*?)</Code>.*?<Message>(.*?)</Message>", re.DOTALL)  # of a store
_DRAWN = re.compile("\x1b\\[[0-9;]*m|↳")

DELETED_BEFORE = "headrace.deletedBefore"
"""Property of a table: an event time in ISO 8601. What recomputes rows has to know that older events may be missing."""


def open_for_append(lake: Place, spec: TableSpec) -> DeltaTable:
    """Return a fresh handle of the table; it is made when it does not exist, and given the columns it lacks.

    Raises:
        LakeError: A column of the table has another type than declared.
        LakeWriteError: The table could not be read or made.
    """
    folder = table_folder(lake, spec.schema, spec.name)
    try:
        handle = delta_table(folder) if is_table(folder) else _made(folder, spec)
        return _widened(folder, handle, spec)
    except (DeltaError, OSError) as error:
        raise write_error(spec, folder, error) from error


def open_for_read(folder: Place) -> DeltaTable | None:
    """Return a fresh handle of the table in the folder, or None when there is none."""
    if not is_table(folder):
        return None
    try:
        return delta_table(folder)
    except TableNotFoundError:
        return None  # the folder of the log is made before its first file


def stored_schema(handle: DeltaTable) -> pa.Schema:
    """Return the Arrow schema of the table as of the handle's version."""
    return pa.schema(handle.schema().to_arrow())


def column_conflicts(handle: DeltaTable, spec: TableSpec) -> dict[str, tuple[pa.DataType, pa.DataType]]:
    """Return column → stored and declared type, where they differ."""
    stored = {field.name: field.type for field in stored_schema(handle)}
    return {
        field.name: (stored[field.name], field.type)
        for field in arrow_schema(spec)
        if field.name in stored and not _is_same(field.type, stored[field.name])
    }


def active_files(handle: DeltaTable, predicate: str | None = None) -> list[str]:
    """Return the paths of the table's Parquet files as of the handle's version.

    Args:
        handle: The table.
        predicate: Comparisons of columns; files whose statistics rule them out are left out.
    """
    # delta-rs leaves out `file://` and keeps the percent signs of a URL; those of an object are part of its name.
    uris = handle.file_uris(file_pruning_predicate=predicate)
    return [uri if uri.startswith(SCHEME) else unquote(uri) for uri in uris]


def deleted_before(handle: DeltaTable) -> datetime | None:
    """Return the instant before which rows of the table may have been deleted for their age; None: none ever were."""
    marked = handle.metadata().configuration.get(DELETED_BEFORE)
    return None if marked is None else datetime.fromisoformat(marked)


def write_error(spec: TableSpec, folder: Place, error: Exception) -> LakeWriteError:
    """Return the error of a write that failed for a reason outside the rows."""
    expected, look = what_writing_needs(folder)
    return LakeWriteError(
        f"table {spec.full_name} could not be written: {_innermost(error)}",
        {"folder": str(folder), "expected": expected},
        look,
    )


def _innermost(error: Exception) -> str:
    answer = _ANSWERED.search(str(error))
    if answer:
        return f"{answer[1]}: {answer[2]}"
    # delta-rs draws the chain of causes as a tree in colours, a line each; the last one is the system's own word.
    lines = [_DRAWN.sub("", line).strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)


def make_table(
    folder: Place,
    schema: pa.Schema,
    *,
    properties: Mapping[str, str] | None = None,
    partition_by: str | None = None,
) -> DeltaTable:
    """Make a table where none is, and return a handle of the one that is there then.

    Args:
        folder: Its folder.
        schema: Its columns.
        properties: Table properties by Delta's own names.
        partition_by: Column whose values are folders.

    Raises:
        CommitFailedError: Somebody made it in the same instant.
    """
    make_folder(folder)
    return DeltaTable.create(
        str(folder),
        DeltaSchema.from_arrow(schema),
        mode="ignore",
        partition_by=None if partition_by is None else [partition_by],
        configuration=None if properties is None else dict(properties),
        storage_options=delta_options(folder),
    )


def _made(folder: Place, spec: TableSpec) -> DeltaTable:
    column = None if spec.partition is None else spec.partition.column
    try:
        return make_table(folder, made_schema(spec), properties=table_properties(spec), partition_by=column)
    except CommitFailedError:
        return delta_table(folder)  # another writer made it in the same instant


def _widened(folder: Place, handle: DeltaTable, spec: TableSpec) -> DeltaTable:
    for name, (stored, declared) in column_conflicts(handle, spec).items():
        raise LakeError(
            f"column {name!r} of table {spec.full_name} is {stored}, declared is {declared}",
            {"folder": str(folder)},
            "give the field or feature a new name, or the view a new name",
        )
    names = stored_schema(handle).names
    missing = [field for field in arrow_schema(spec) if field.name not in names]
    if not missing:
        return handle
    log.info("table %s gets the columns %s", spec.full_name, ", ".join(field.name for field in missing))
    added = [Field.from_arrow(field) for field in missing]
    try:
        handle.alter.add_columns(added)
    except CommitFailedError:
        log.info("table %s was changed by another writer meanwhile", spec.full_name)
    return _widened(folder, delta_table(folder), spec)


def _is_same(declared: pa.DataType, stored: pa.DataType) -> bool:
    # Delta has one type of string and of list, Arrow has several that hold the same.
    if pa.types.is_string(declared):
        return bool(pa.types.is_string(stored) or pa.types.is_large_string(stored) or pa.types.is_string_view(stored))
    if not pa.types.is_nested(declared):
        return bool(declared == stored)
    inner, of_stored = _inner_fields(declared), _inner_fields(stored)
    return (
        declared.id == stored.id
        and [name for name, _ in inner] == [name for name, _ in of_stored]
        and all(_is_same(one, other) for (_, one), (_, other) in zip(inner, of_stored, strict=True))
    )


def _inner_fields(type_: pa.DataType) -> list[tuple[str, pa.DataType]]:
    """Return name and type of each field that values of a type hold; only those of an object have own names."""
    fields = [type_.field(index) for index in range(type_.num_fields)] if pa.types.is_struct(type_) else []
    if pa.types.is_map(type_):
        return [("key", type_.key_type), ("value", type_.item_type)]
    if hasattr(type_, "value_type"):
        return [("item", type_.value_type)]
    return [(field.name, field.type) for field in fields]
