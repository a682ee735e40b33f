"""From the events of the lake to the rows of a view, in the steps that all share who recompute them.

Temporary tables that are made: `marked`, the events with their marks; `accepted`, those of them that give a row;
`recomputed`, the rows.
"""

from __future__ import annotations

import duckdb

from headrace_features.duckdb_compiler import CompiledSql
from headrace_features.duckdb_events import events_of, events_select
from headrace_features.duplicates import mark_events
from headrace_features.view import View


def shares(connection: duckdb.DuckDBPyConnection, view: View, most_rows: int) -> list[str]:
    """Return conditions on the keys that divide the view's events, so that no share is much larger than `most_rows`.

    A key is never divided.
    """
    (events,) = connection.execute(f"SELECT count(*) FROM {events_of(view)}").fetchall()[0]
    count = max(1, -(-events // most_rows))
    return [f'hash("_key") % {count} = {number}' for number in range(count)] if count > 1 else ["TRUE"]


def accept(connection: duckdb.DuckDBPyConnection, events: str, view: View) -> None:
    """Make `marked` and `accepted`.

    Args:
        connection: Where the relation is.
        events: Relation with the columns that `compile_view` reads, but for the marks.
        view: The view.
    """
    mark_events(connection, events, "marked", dedup_ms=view.dedup_ms, retain_ms=view.retain_ms, order=view.order)
    connection.execute("CREATE OR REPLACE TEMP TABLE accepted AS SELECT * FROM marked WHERE NOT is_duplicate")


def accept_stored(connection: duckdb.DuckDBPyConnection, view: View, where: str) -> None:
    """Make `marked` and `accepted` of the view's events in the lake.

    Args:
        connection: Of the lake; the table `given` is made there, too.
        view: The view.
        where: Condition of the events, by the columns of the lake.
    """
    given = f"{events_select(view, events_of(view))}\nWHERE {where}"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE given AS {given}")
    accept(connection, "given", view)


def recompute(connection: duckdb.DuckDBPyConnection, view: View, compiled: CompiledSql, where: str) -> None:
    """Make `marked`, `accepted` and `recomputed` of the view's events in the lake.

    Args:
        connection: Of the lake; the table `given` is made there, too.
        view: The view.
        compiled: Its statement.
        where: Condition of the events, by the columns of the lake.
    """
    accept_stored(connection, view, where)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE recomputed AS {compiled.sql}")
