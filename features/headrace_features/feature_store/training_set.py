"""Training sets: several views at once, each as it stood at each row of one spine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace_ingestion.errors import closest

from headrace_features.feature_store.errors import FeatureStoreError
from headrace_features.feature_store.point_in_time import EVENT_TIMESTAMP, At, Lookup, join_lookups
from headrace_features.feature_store.spine import check_spine
from headrace_features.view import ColumnType, View

if TYPE_CHECKING:
    import pyarrow as pa
    from headrace_lake.place import Place

    from headrace_features.feature_store.point_in_time import StoredAs

METADATA = b"headrace"
"""Key of the table's metadata, kept by Parquet, that says what it was made of; its value is JSON."""


def training_lookups(
    views: Sequence[View], keys: Mapping[str, str] | None = None, exclude: Collection[str] = ()
) -> list[Lookup]:
    """Return the lookups of all columns of the views.

    A column has its own name; where two of the views have one of a name, both are called `<view>__<column>`, as Feast
    calls them.

    Args:
        views: The views, in the order of their columns in the result.
        keys: View → the column of the spine that holds its entities, where it is not named like the view's key.
        exclude: Columns to leave out, by their names in the result.

    Raises:
        FeatureStoreError: `keys` names a view that is not there, or `exclude` a column that is not.
    """
    named = dict(keys or {})
    joined = [view.name for view in views]
    unknown = next((name for name in named if name not in joined), None)
    if unknown is not None:
        raise FeatureStoreError(
            f"a key is given for the view {unknown!r}, which is not joined",
            {"views": ", ".join(joined)},
            closest(unknown, joined) or f"--views {','.join([*joined, unknown])}",
        )
    outputs = _outputs(views)
    known = [output for of_view in outputs.values() for _, output in of_view.values()]
    absent = next((name for name in exclude if name not in known), None)
    if absent is not None:
        raise FeatureStoreError(
            f"no view has the column {absent!r} that is to be left out",
            {"columns": ", ".join(known)},
            closest(absent, known),
        )
    return [
        Lookup(
            view=view.name,
            key=view.key,
            columns={name: chosen for name, chosen in outputs[view.name].items() if chosen[1] not in exclude},
            ttl_ms=view.ttl_ms,
            declaration=view.digest,
            spine_key=named.get(view.name),
        )
        for view in views
    ]


def _outputs(views: Sequence[View]) -> dict[str, dict[str, tuple[ColumnType, str]]]:
    """Return, for each view, its columns with their types and their names in the result."""
    count = Counter(column.name for view in views for column in view.columns)
    return {
        view.name: {
            column.name: (column.type, f"{view.name}__{column.name}" if count[column.name] > 1 else column.name)
            for column in view.columns
        }
        for view in views
    }


def make_training_set(
    lake: Place,
    spine: pa.Table,
    lookups: Sequence[Lookup],
    *,
    at: At = "known",
    time_column: str = EVENT_TIMESTAMP,
    stored_as: StoredAs | None = None,
) -> pa.Table:
    """Return the spine, in its order, with the columns of the lookups as they stood at each row.

    The metadata of the table say what it was made of; `origin` returns it.

    Args:
        lake: Folder of the lake, or its place on object storage.
        spine: Has the entities of each lookup and the time column: timestamps with a zone.
        lookups: What is joined.
        at: Which values count.
        time_column: Column of the instants.
        stored_as: See `join_lookups`.

    Raises:
        FeatureStoreError: The spine is empty, lacks a column, has one that a view has too, has nulls, or no zone.
    """
    check_spine(spine, lookups, time_column)
    joined = join_lookups(lake, spine, lookups, at=at, time_column=time_column, stored_as=stored_as)
    described = {
        "at": at,
        "time": time_column,
        "views": {
            lookup.view: {
                "declaration": lookup.declaration,
                "key": lookup.entity,
                "table_version": joined.versions.get(lookup.view),
                "rows_with_values": joined.found[lookup.view],
                "columns": [output for _, output in lookup.columns.values()],
            }
            for lookup in lookups
        },
    }
    kept = spine.schema.metadata or {}
    return joined.table.replace_schema_metadata({**kept, METADATA: json.dumps(described).encode()})


def origin(table: pa.Table) -> dict[str, Any]:
    """Return what a training set was made of: at, time, and of each view declaration, version, key, rows and columns.

    Empty for a table that `make_training_set` did not make.
    """
    described: dict[str, Any] = json.loads((table.schema.metadata or {}).get(METADATA, b"{}"))
    return described
