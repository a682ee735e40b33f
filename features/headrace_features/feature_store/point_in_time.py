"""Point-in-time joins: the values of views as they stood at each row of a spine, by ASOF joins in DuckDB.

The rows of a key have an order (generation, clock, source offset, revision). A row is visible from its clock on, for
`known` from the instant it was made if that is later; at each instant the last visible row in that order counts,
however late it came; one older than the view's ttl counts as none.

Which row counts is found by keys and instants alone. Values are read afterwards, by the places of these rows: sorting
whole rows costs as much as all the rest.
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
    from collections.abc import Callable

    import duckdb
    import pyarrow as pa
    from headrace_lake.place import Place
    from headrace_lake.views import Snapshot

    StoredAs = Callable[["Lookup", pa.ChunkedArray], pa.ChunkedArray]
    """Makes of the entities of a spine what stands for them in the table of a view, one for one: their hashes."""

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
    stored_as: StoredAs | None = None,
) -> Joined:
    """Join as `join_features` does, and tell also what was read and how much was found.

    Reads one version of each table. Memory beyond DuckDB's own limit is spilled to a temporary folder.

    Args:
        lake: See `join_features`, as of all that is not here.
        spine: See there.
        lookups: See there.
        at: See there.
        time_column: See there.
        made_by: See there.
        stored_as: What the entities of the spine are looked up as; None: as they are. The spine keeps its own.

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
            # The files of a view are read twice: for what is matched, and for what is shown.
            connection.execute("SET TimeZone = 'UTC'; SET parquet_metadata_cache = true")
            return _joined(connection, lake, spine, lookups, at, time_column, made_by, stored_as)
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
    stored_as: StoredAs | None,
) -> Joined:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    snapshots = _snapshots(lake, {lookup.view for lookup in lookups})
    rows = pa.array(np.arange(spine.num_rows))
    instants = spine.column(time_column).cast(pa.timestamp("us", "UTC"), safe=False)
    # As numbers, not as a query: whole row groups are passed over by their statistics.
    span_us = pc.min_max(instants.cast(pa.int64())).as_py()
    result = spine
    found: dict[str, int] = {}
    for lookup in lookups:
        entities = spine.column(lookup.entity)
        if stored_as is not None:
            entities = stored_as(lookup, entities)
        connection.register("spine", pa.table({"_row": rows, "_at": instants, "_key": entities}))
        snapshot = snapshots.get(lookup.view)
        if snapshot is None or span_us["min"] is None:
            query = _nothing(lookup)
        else:
            conditions = _conditions(lookup, span_us["min"], span_us["max"], made_by)
            connection.execute(f"CREATE OR REPLACE TEMP TABLE matched AS {_matching(snapshot, lookup, at, conditions)}")
            query = _gathering(snapshot, lookup)
        values = connection.sql(query).to_arrow_table()
        found[lookup.view] = pc.sum(values.column(_FOUND)).as_py() or 0
        for _, output in lookup.columns.values():
            result = result.append_column(output, values.column(output))
    versions = {view: snapshot.version for view, snapshot in snapshots.items() if snapshot.version is not None}
    return Joined(result, found, versions)


def _snapshots(lake: Place, views: set[str]) -> dict[str, Snapshot]:
    """Return what is read of each view: one version of its table; nothing of one that has no rows."""
    from headrace_lake.snapshots import take_snapshot

    found = {view: take_snapshot(lake, "features", view, None) for view in sorted(views)}
    return {view: snapshot for view, snapshot in found.items() if snapshot is not None}


def _outputs(lookup: Lookup) -> list[tuple[str, str, str]]:
    """Return column of the view, its SQL type, and its name in the result, of each."""
    return [(name, _SQL_TYPES[type_], output) for name, (type_, output) in lookup.columns.items()]


def _nothing(lookup: Lookup) -> str:
    from headrace_lake.views import quoted

    nothing = "".join(f"NULL::{type_} AS {quoted(output)}, " for _, type_, output in _outputs(lookup))
    return f"SELECT {nothing}false AS {_FOUND} FROM spine"


def _conditions(lookup: Lookup, first_us: int, last_us: int, made_by: datetime | None) -> str:
    """Return which rows of the view can count for any instant between two, in microseconds since 1970."""
    from headrace_lake.views import text

    conditions = [f"clock <= make_timestamptz({last_us})"]
    if lookup.ttl_ms:
        conditions.append(f"clock >= make_timestamptz({first_us}) - to_milliseconds({lookup.ttl_ms})")
    if lookup.declaration is not None:
        conditions.append(f"declaration = {text(lookup.declaration)}")
    if made_by is not None:
        conditions.append(f"emitted_at <= {text(made_by.isoformat())}::TIMESTAMPTZ")
    return " AND ".join(conditions)


def _matching(snapshot: Snapshot, lookup: Lookup, at: At, conditions: str) -> str:
    """Return the query of the place of the row that counts, for each row of the spine; null where none does.

    It sorts and joins keys and instants alone: the values, many times as wide, are read where they are wanted.
    """
    from headrace_lake.views import FILE, FILE_ROW, placed_rows_of, quoted, sql_type

    entity = quoted(lookup.key)
    entity_type = sql_type(snapshot.columns.field(lookup.key).type)
    visible = "greatest(clock, emitted_at)" if at == "known" else "clock"
    fresh = f"n.clock >= s._at - to_milliseconds({lookup.ttl_ms})" if lookup.ttl_ms else "true"
    # A row is never the newest when a later one of its key is visible as early. What is left becomes visible in its
    # order, so that the last visible row is the newest.
    return f"""
        WITH history AS (
            SELECT {entity} AS _entity, clock, {visible} AS _visible, {FILE}, {FILE_ROW},
                   min({visible}) OVER (PARTITION BY {entity} ORDER BY {_NEWEST_FIRST}
                                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS _replaced
            FROM ({placed_rows_of(snapshot)}) WHERE {conditions}
        ), newest AS (
            SELECT * FROM history WHERE _replaced IS NULL OR _replaced > _visible
        ), wanted AS (
            SELECT _row, _at, TRY_CAST(_key AS {entity_type}) AS _entity FROM spine
        )
        SELECT s._row, CASE WHEN {fresh} THEN n.{FILE} END AS {FILE},
               CASE WHEN {fresh} THEN n.{FILE_ROW} END AS {FILE_ROW}
        FROM wanted s ASOF LEFT JOIN newest n ON s._entity = n._entity AND s._at >= n._visible"""


def _gathering(snapshot: Snapshot, lookup: Lookup) -> str:
    """Return the query of the lookup's columns at the matched places: one row for each of the spine, in its order."""
    from headrace_lake.views import FILE, FILE_ROW, placed_rows_of, quoted

    stored = snapshot.columns.names
    # A column that is declared and that no row has yet is null.
    shown = "".join(
        f"{f'v.{quoted(name)}' if name in stored else 'NULL'}::{type_} AS {quoted(output)}, "
        for name, type_, output in _outputs(lookup)
    )
    return f"""
        SELECT {shown}m.{FILE_ROW} IS NOT NULL AS {_FOUND}
        FROM ({placed_rows_of(snapshot)}) v RIGHT JOIN matched m ON v.{FILE} = m.{FILE} AND v.{FILE_ROW} = m.{FILE_ROW}
        ORDER BY m._row"""
