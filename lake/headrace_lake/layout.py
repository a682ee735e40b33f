"""Where tables stand and which topic feeds which."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args, overload

from headrace_lake.place import Place

Schema = Literal["events", "features", "scores", "ops", "rollups"]
"""A table stands at `<lake>/<schema>/<name>`."""

SCHEMAS: tuple[Schema, ...] = get_args(Schema)


@overload
def table_folder(lake: Path, schema: Schema, name: str) -> Path: ...
@overload
def table_folder(lake: Place, schema: Schema, name: str) -> Place: ...
def table_folder(lake: Place, schema: Schema, name: str) -> Place:
    """Return the folder of a table."""
    return lake / schema / name


def is_table(folder: Place) -> bool:
    """Return whether a Delta table stands in the folder.

    The folder of its log alone is none: that much is left where a disk was full when the table was made.
    """
    if not isinstance(folder, Path):
        # On object storage a folder is there because an object is, and the first one of a table is in its log.
        return (folder / "_delta_log").is_dir()
    try:
        with os.scandir(folder / "_delta_log") as found:
            return any(entry.name.endswith(".json") for entry in found)
    except (FileNotFoundError, NotADirectoryError):
        return False


def stored_tables(lake: Place) -> list[tuple[Schema, str]]:
    """Return schema and name of every table that stands in the lake, in order."""
    return [
        (schema, folder.name)
        for schema in SCHEMAS
        if (lake / schema).is_dir()
        for folder in _in_order(lake / schema)
        if is_table(folder)
    ]


def _in_order(folder: Place) -> list[Place]:
    return sorted(folder.iterdir(), key=lambda place: place.name)


def topic_of(schema: Schema, name: str, prefix: str = "") -> str:
    """Return the topic that feeds a table.

    Args:
        schema: Schema of the table.
        name: Name of the table.
        prefix: What stands before every topic of the project.
    """
    return f"{prefix}{name}" if schema == "ops" else f"{prefix}{schema}.{name}"
