"""A training set of a project: where its spine comes from, and what is joined to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from headrace_features.feature_store.errors import FeatureStoreError
from headrace_features.feature_store.point_in_time import At
from headrace_features.view import View

from headrace.pii import KeysOfRecords
from headrace.tables import lake_path

if TYPE_CHECKING:
    import pyarrow as pa
    from headrace_features.feature_store.point_in_time import Lookup, StoredAs

    from headrace.project import Project

_QUERY_SECONDS = 600.0


@dataclass(frozen=True)
class Request:
    """What is asked for; see `Features.training_set`.

    Attributes:
        views: The views, at least one.
        spine: Arrow table, pandas frame, path, or None.
        sql: The spine as a query of the lake, or None.
        at: Which values count: `known` or `event_time`.
        time_column: Column of the instants.
        keys: View → column of the spine that holds its entities.
        exclude: Columns of the result to leave out.
    """

    views: tuple[View, ...]
    spine: Any
    sql: str | None
    at: str
    time_column: str
    keys: Mapping[str, str] = field(hash=False)
    exclude: tuple[str, ...]


def training_set(project: Project, request: Request) -> pa.Table:
    """Return the training set.

    Raises:
        FeatureStoreError: The spine does not fit, or there is none for several views.
        QueryError: The query of the spine is wrong.
    """
    from headrace_features.feature_store.training_set import make_training_set, training_lookups

    if request.spine is None and request.sql is None:
        return _as_streamed(project, request)
    lookups = training_lookups(request.views, request.keys, request.exclude)
    texts = {
        lookup.entity
        for view, lookup in zip(request.views, lookups, strict=True)
        if view.contract.fields[view.key].type == "string"
    }
    return make_training_set(
        lake_path(project),
        _spine(project, request, texts),
        lookups,
        at=cast(At, request.at),  # checked there, for callers without a type checker
        time_column=request.time_column,
        stored_as=_hashed_where_tables_are(project, request.views),
    )


def _hashed_where_tables_are(project: Project, views: tuple[View, ...]) -> StoredAs | None:
    """Return what looks up clear keys by their hashes, where a view has those; a spine may hold either."""
    hashed = {view.name: view for view in views if view.contract.fields[view.key].pii == "hash"}
    if not hashed:
        return None
    keys = KeysOfRecords(project)

    def stored_as(lookup: Lookup, entities: pa.ChunkedArray) -> pa.ChunkedArray:
        import pyarrow as pa
        import pyarrow.compute as pc

        view = hashed.get(lookup.view)
        if view is None:
            return entities
        # Each once, however many rows have it.
        given = pc.unique(entities)
        stored = [None if key is None else keys.of(view.contract, view.key, str(key)) for key in given.to_pylist()]
        return pc.take(pa.array(stored, pa.string()), pc.index_in(entities, given))

    return stored_as


def _spine(project: Project, request: Request, texts: set[str]) -> pa.Table:
    import pyarrow as pa
    from headrace_features.feature_store.spine import read_spine
    from headrace_lake.query import Limits

    if request.sql is not None:
        if request.spine is not None:
            raise FeatureStoreError(
                "the spine is given twice", {"given": "spine, sql"}, "one of them: spine=table, or sql='select …'"
            )
        return project.lake.sql(request.sql, limits=Limits(seconds=_QUERY_SECONDS)).arrow()
    if isinstance(request.spine, str | Path):
        return read_spine(Path(request.spine), texts)
    if isinstance(request.spine, pa.Table):
        return request.spine
    return pa.Table.from_pandas(request.spine, preserve_index=False)


def _as_streamed(project: Project, request: Request) -> pa.Table:
    if len(request.views) != 1:
        raise FeatureStoreError(
            f"a training set of {len(request.views)} views needs a spine",
            {"views": ", ".join(view.name for view in request.views)},
            "spine=table, or sql='select …, started_at as event_timestamp from events.…'",
        )
    (view,) = request.views
    return project.lake.sql(
        f"SELECT * EXCLUDE (_partition, _offset, _key, _recorded_at) FROM features.{view.name} "
        "ORDER BY clock, source_partition, source_offset"
    ).arrow()
