"""The lake: Delta tables of everything that happened, the writer that fills them exactly once, and SQL over them.

Knows the contracts of `headrace_ingestion` and is handed every other table as a `TableSpec`; knows neither features,
nor models, nor the settings of a project.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace_lake.catalog import Lake, TableInfo, connect
    from headrace_lake.describe import TableDescription
    from headrace_lake.errors import LakeError, LakeWriteError, QueryError
    from headrace_lake.external import ExternalTable
    from headrace_lake.flush import FlushPolicy
    from headrace_lake.query import Cancel, Limits, Result
    from headrace_lake.tables import (
        Column,
        TableSpec,
        alerts_table,
        dead_letters_table,
        duplicates_table,
        events_table,
        features_table,
        late_events_table,
        ops_tables,
        scores_table,
    )
    from headrace_lake.writer import LakeWriter

# Delta and DuckDB cost a second to import: each name is loaded when it is first asked for.
_HOMES = {
    "catalog": ("Lake", "TableInfo", "connect"),
    "describe": ("TableDescription",),
    "errors": ("LakeError", "LakeWriteError", "QueryError"),
    "external": ("ExternalTable",),
    "flush": ("FlushPolicy",),
    "query": ("Cancel", "Limits", "Result"),
    "tables": (
        "Column",
        "TableSpec",
        "alerts_table",
        "dead_letters_table",
        "duplicates_table",
        "events_table",
        "features_table",
        "late_events_table",
        "ops_tables",
        "scores_table",
    ),
    "writer": ("LakeWriter",),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Cancel",
    "Column",
    "ExternalTable",
    "FlushPolicy",
    "Lake",
    "LakeError",
    "LakeWriteError",
    "LakeWriter",
    "Limits",
    "QueryError",
    "Result",
    "TableDescription",
    "TableInfo",
    "TableSpec",
    "alerts_table",
    "connect",
    "dead_letters_table",
    "duplicates_table",
    "events_table",
    "features_table",
    "late_events_table",
    "ops_tables",
    "scores_table",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
