"""Rows that were read anew take the place of those of a table: in one commit, or by the name of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

from deltalake import DeltaTable

from headrace_lake.delta_table import open_for_append
from headrace_lake.errors import LakeWriteError
from headrace_lake.layout import is_table, table_folder
from headrace_lake.rebuild.comparing import IS_OF_TOPIC
from headrace_lake.tables import TableSpec
from headrace_lake.upkeep.compact import LEVEL
from headrace_lake.upkeep.files import by_partition, kept_table, stored_files
from headrace_lake.upkeep.rewrite import Engine, Replacement, replace_files, write_merged

WHO = "headrace lake rebuild"


def swap_in(lake: Path, fresh: Path, spec: TableSpec, old: DeltaTable | None, left_out: str, engine: Engine) -> bool:
    """Put the fresh rows in the place of those of a version of the table; return whether that was done.

    Rows that were added to the table since that version stay, and so do recorded offsets and rows that no topic holds.
    A crash leaves the rows of before or those of after, and files that the vacuum removes.

    Args:
        lake: Folder of the lake.
        fresh: Folder of the fresh lake.
        spec: The table.
        old: The version that was compared; None: there is no table.
        left_out: Condition of fresh rows that are not taken over.
        engine: What may be used.

    Returns:
        False: a compaction replaced files of the version meanwhile; nothing was changed.

    Raises:
        LakeError: A file could not be read or written.
    """
    source = table_folder(fresh, spec.schema, spec.name)
    target = table_folder(lake, spec.schema, spec.name)
    if old is None:
        _name(source, target, spec)
        return True
    # Columns that are declared now and that the table has not yet.
    open_for_append(lake, spec)
    table, beside, anew = kept_table(lake, spec), kept_table(fresh, spec), DeltaTable(source)
    removed = stored_files(old, spec.time_column)
    added = []
    for files in by_partition(removed):
        added.append(write_merged(table, old, files, level=LEVEL, engine=engine, keep=f"({IS_OF_TOPIC}) IS NOT TRUE"))
    for file in stored_files(anew, spec.time_column):
        written = write_merged(beside, anew, [file], level=LEVEL, engine=engine, keep=f"({left_out}) IS NOT TRUE")
        place = target / unquote(written.path)
        place.parent.mkdir(exist_ok=True)
        (source / unquote(written.path)).replace(place)
        added.append(written)
    counts = [json.loads(one.stats)["numRecords"] for one in added]
    for one, count in zip(added, counts, strict=True):
        if count == 0:
            (target / unquote(one.path)).unlink()
    full = [one for one, count in zip(added, counts, strict=True) if count]
    fewer = sum(file.rows or 0 for file in removed) - sum(counts)
    return replace_files(table, Replacement("rebuild", removed, full, fewer, changes_data=True), WHO) is not None


def _name(source: Path, target: Path, spec: TableSpec) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if is_table(target):
            raise FileExistsError(target)
        source.rename(target)
    except OSError as error:
        raise LakeWriteError(
            f"the table {spec.full_name} was made by somebody else meanwhile",
            {"folder": str(target), "cause": str(error)},
            f"headrace lake rebuild {spec.full_name}",
        ) from error
