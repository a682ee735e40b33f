"""Point-in-time joins: the values of views as they stood at each row of a spine, by ASOF joins in DuckDB.

The rows of a key have an order (generation, clock, source offset, revision). A row is visible from its clock on, for
`known` from the instant it was made if that is later; at each instant the last visible row in that order counts,
however late it came; one older than the view's ttl counts as none.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from headrace_ingestion.errors import closest

from headrace_features.feature_store.errors import FeatureStoreError
from headrace_features.feature_store.spine import check_columns
from headrace_features.view import ColumnType, View

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from headrace_lake.place import Place
    from headrace_lake.views import Snapshot

At = Literal["known", "event_time"]
"""`known`: only values that had been made by then. `event_time`: all that had happened by then."""

EVENT_TIMESTAMP = "event_timestamp"

_FOUND = "_found"
_NEWEST_FIRST = "generation DESC, clock DESC, source_offset DESC, revision DESC, emitted_at DESC"
_SQL_TYPES = {"double": "DOUBLE", "long": "BIGINT", "int": "INTEGER", "string": "VARCHAR", "bool": "BOOLEAN"}


@dataclass(frozen=True)
class Lookup:
    """Which columns of a view are looked up, and by which column of the spine.

    Attributes:
        view: Name of the view.
        key: The view's key.
        columns: Column of the view → its type and its name in the result.
        ttl_ms: Values with an older clock are null, in milliseconds; 0: none is too old.
        declaration: Hash of the declaration whose rows count; None: those of all.
        spine_key: Column of the spine that holds the entity; None: the one named like the key.
    """

    view: str
    key: str
    columns: Mapping[str, tuple[ColumnType, str]] = field(hash=False)
    ttl_ms: int
    declaration: str | None = None
    spine_key: str | None = None

    @property
    def entity(self) -> str:
        """Column of the spine that holds the entity."""
        return self.spine_key or self.key


@dataclass(frozen=True)
class Joined:
    """What a join gave.

    Attributes:
        table: The spine, in its order, with the columns of the lookups.
        found: View → rows of the spine that have values of it, nulls among them or not.
        versions: View → Delta version of its table that was read; a table that is not made yet has none.
    """

    table: pa.Table
    found: Mapping[str, int]
    versions: Mapping[str, int]


def lookup_of(view: View, columns: Sequence[str] | None = None) -> Lookup:
    """Return the lookup of a view's columns under their own names; of all when `columns` is None.

    Raises:
        FeatureStoreError: The view has no such column.
    """
    types = {column.name: column.type for column in view.columns}
    for name in columns or ():
        if name not in types:
            raise FeatureStoreError(
                f"the view {view.name!r} has no column {name!r}", {"columns": ", ".join(types)}, closest(name, types)
            )
    chosen = {name: (types[name], name) for name in (types if columns is None else columns)}
    return Lookup(view.name, view.key, chosen, view.ttl_ms, view.digest)


def join_features(
    lake: Place,
    spine: pa.Table,
    lookups: Sequence[Lookup],
    *,
    at: At = "known",
    time_column: str = EVENT_TIMESTAMP,
    made_by: datetime | None = None,
) -> pa.Table:
    """Return the spine, in its order, with the columns of the lookups as they stood at each row.

    Args:
        lake: Folder of the lake, or its place on object storage.
        spine: Has the key of each lookup and the time column.
        lookups: What is joined.
        at: Which rows had been visible.
        time_column: A timestamp; one without a zone is UTC.
        made_by: Rows that were made after this instant do not count for any row of the spine; None: all do.

    Raises:
        FeatureStoreError: The spine lacks a column, or the result would have one twice.
    """
    return join_lookups(lake, spine, lookups, at=at, time_column=time_column, made_by=made_by).table


def join_lookups(
    lake: Place,
    spine: pa.Table,
    lookups: Sequence[Lookup],
    *,
    at: At = "known",
    time_column: str = EVENT_TIMESTAMP,
    made_by: datetime | None = None,
) -> Joined:
    """Join as `join_features` does, and tell also what was read and how much was found.

    Reads one version of each table. Memory beyond DuckDB's own limit is spilled to a temporary folder.

    Raises:
        FeatureStoreError: The spine lacks a column, or the result would have one twice.
    """
    import duckdb
    from headrace_lake.place import can_read

    if at not in ("known", "event_time"):
        raise FeatureStoreError(f"at is {at!r}", {"expected": "known, event_time"}, "at=known")
    check_columns(spine, lookups, time_column)
    with tempfile.TemporaryDirectory(prefix="headrace-join-") as spill:
        connection = duckdb.connect(config={"temp_directory": spill, "python_enable_replacements": "false"})
        try:
            can_read(connection, lake)
            connection.execute("SET TimeZone = 'UTC'")
            return _joined(connection, lake, spine, lookups, at, time_column, made_by)
        finally:
            connection.close()


def _joined(
    connection: duckdb.DuckDBPyConnection,
    lake: Place,
    spine: pa.Table,
    lookups: Sequence[Lookup],
    at: At,
    time_column: str,
    made_by: datetime | None,
) -> Joined:
    import pyarrow as pa
    import pyarrow.compute as pc

    snapshots = _snapshots(connection, lake, {lookup.view for lookup in lookups})
    rows = pa.array(range(spine.num_rows), pa.int64())
    instants = spine.column(time_column).cast(pa.timestamp("us", "UTC"), safe=False)
    result = spine
    found: dict[str, int] = {}
    for lookup in lookups:
        entities = spine.column(lookup.spine_key or lookup.key)
        connection.register("spine", pa.table({"_row": rows, "_at": instants, "_key": entities}))
        query = _query(snapshots.get(lookup.view), lookup, at, made_by)
        values = connection.sql(query).to_arrow_table()
        found[lookup.view] = pc.sum(values.column(_FOUND)).as_py() or 0
        for _, output in lookup.columns.values():
            result = result.append_column(output, values.column(output))
    versions = {view: snapshot.version for view, snapshot in snapshots.items() if snapshot.version is not None}
    return Joined(result, found, versions)


def _snapshots(connection: duckdb.DuckDBPyConnection, lake: Place, views: set[str]) -> dict[str, Snapshot]:
    """Make the SQL views of one version of each table, and return what they read."""
    from headrace_lake.snapshots import take_snapshot
    from headrace_lake.views import schema_statements, view_statements

    found = {view: take_snapshot(lake, "features", view, None) for view in sorted(views)}
    stored = {view: snapshot for view, snapshot in found.items() if snapshot is not None}
    for statement in (*schema_statements(), *view_statements(stored.values())):
        connection.execute(statement)
    return stored


def _query(snapshot: Snapshot | None, lookup: Lookup, at: At, made_by: datetime | None) -> str:
    """Return the query of the lookup's columns: one row for each of the spine, in its order."""
    from headrace_lake.views import quoted, raw_name, sql_type, text

    outputs = [(name, _SQL_TYPES[type_], output) for name, (type_, output) in lookup.columns.items()]
    if snapshot is None:
        nothing = "".join(f"NULL::{type_} AS {quoted(output)}, " for _, type_, output in outputs)
        return f"SELECT {nothing}false AS {_FOUND} FROM spine ORDER BY _row"
    conditions = ["clock <= (SELECT max(_at) FROM spine)"]
    fresh = "n._visible IS NOT NULL"
    if lookup.ttl_ms:
        conditions.append(f"clock >= (SELECT min(_at) FROM spine) - to_milliseconds({lookup.ttl_ms})")
        fresh = f"coalesce(n.clock >= s._at - to_milliseconds({lookup.ttl_ms}), false)"
    if lookup.declaration is not None:
        conditions.append(f"declaration = {text(lookup.declaration)}")
    if made_by is not None:
        conditions.append(f"emitted_at <= {text(made_by.isoformat())}::TIMESTAMPTZ")
    entity = quoted(lookup.key)
    entity_type = sql_type(snapshot.columns.field(lookup.key).type)
    visible = "greatest(clock, emitted_at)" if at == "known" else "clock"
    read = "".join(f", {_column(snapshot, name, type_)}" for name, type_, _ in outputs)
    shown = "".join(
        f"CASE WHEN {fresh} THEN n.{quoted(name)}::{type_} END AS {quoted(output)}, " for name, type_, output in outputs
    )
    # A row is never the newest when a later one of its key is visible as early. What is left becomes visible in its
    # order, so that the last visible row is the newest.
    return f"""
        WITH history AS (
            SELECT {entity} AS _entity, clock, {visible} AS _visible,
                   min({visible}) OVER (PARTITION BY {entity} ORDER BY {_NEWEST_FIRST}
                                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS _replaced{read}
            FROM {raw_name(snapshot)} WHERE {" AND ".join(conditions)}
        ), newest AS (
            SELECT * FROM history WHERE _replaced IS NULL OR _replaced > _visible
        ), wanted AS (
            SELECT _row, _at, TRY_CAST(_key AS {entity_type}) AS _entity FROM spine
        )
        SELECT {shown}{fresh} AS {_FOUND}
        FROM wanted s ASOF LEFT JOIN newest n ON s._entity = n._entity AND s._at >= n._visible
        ORDER BY s._row"""


def _column(snapshot: Snapshot, name: str, type_: str) -> str:
    from headrace_lake.views import quoted

    if name in snapshot.columns.names:
        return quoted(name)
    return f"NULL::{type_} AS {quoted(name)}"  # declared, and no row has it yet
