"""The past of a job's views computed by the job itself, run bounded beside production: for what outgrows one machine.

Events that the topic no longer holds, and imported ones, are computed by DuckDB from the lake, and the run begins with
what its windows hold behind them. So is what the job needs to go on behind the seam.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
from headrace_features.duckdb_events import events_of, rows_of
from headrace_features.duckdb_ledgers import make_ledgers, stored_columns
from headrace_features.duckdb_text import quoted, text
from headrace_features.history import Filled, Past, Place, Store, fill, past_before, seed_past
from headrace_lake.tables import TableSpec, duplicates_table, late_events_table
from headrace_lake.topic_records import rows_by_now
from headrace_streaming.checkpoints import StateFolder

from headrace.shadow.namespace import Namespace, own_namespace
from headrace.shadow.replay import replay, state_of
from headrace.shadow.span import Span, span_of
from headrace.tables import view_table

if TYPE_CHECKING:
    from headrace_features.view import View
    from headrace_streaming.plan import JobPlan

    from headrace.project import Project

_FORGOTTEN = "raw.ops_forgotten"

Stores = Callable[["View"], Store]
"""A view → what stores its rows and ledger entries."""


def fill_by_flink(
    project: Project,
    plan: JobPlan,
    past: Past,
    state: StateFolder,
    stores: Stores,
    *,
    say: Callable[[str], None],
) -> dict[str, Filled]:
    """Store what the lake lacks of the past of a job's views and write their seeds; return what was done, by view.

    Args:
        project: The project.
        plan: The job; it must not run.
        past: The events up to the seam.
        state: Where the job goes on from.
        stores: Where rows and ledger entries go.
        say: Called with lines about the progress.

    Raises:
        ShadowError: The job has failed.
    """
    topic = plan.topics.of_event(plan.views[0].contract)
    span = span_of(project.connection(), topic, None, None, reach=past.offsets)
    with own_namespace(project, "backfill", plan.views) as namespace:
        done = _before_the_topic(project, namespace, past, span, stores)
        if span.offsets:
            say(f"computing {span.offsets:,} events by Flink in {namespace.prefix}*")
            seconds = replay(project, namespace, span.ends, say=say)
            say(f"{span.offsets / seconds:,.0f} events/s")
            for view in plan.views:
                with project.lake.connect() as lake:
                    _store_lacking(project, namespace, view, lake, stores(view), done[view.name], past)
    for view in plan.views:
        # The ledgers of the run decide, too, which events count.
        with project.lake.connect() as lake:
            done[view.name].seeds = seed_past(lake, view, past, state.seed / view.name)
    return done


def _before_the_topic(
    project: Project, namespace: Namespace, past: Past, span: Span, stores: Stores
) -> dict[str, Filled]:
    done = {}
    seed = state_of(namespace)
    with project.lake.connect() as lake:
        views = namespace.plan.views
        offsets = {number: min(offset, span.begins.get(number, offset)) for number, offset in past.offsets.items()}
        front = past_before(lake, views[0], offsets)
        for view in views:
            folder = seed.seed / view.name
            folder.mkdir(parents=True, exist_ok=True)
            now_ms = time.time_ns() // 1_000_000
            is_there = front.newest_ms >= 0
            done[view.name] = fill(lake, view, front, folder, stores(view), now_ms=now_ms) if is_there else Filled()
    seed.write_seam(span.begins, front.newest_ms, front.begin)
    return done


def _store_lacking(
    project: Project,
    namespace: Namespace,
    view: View,
    lake: duckdb.DuckDBPyConnection,
    store: Store,
    done: Filled,
    past: Past,
) -> None:
    partitions, prefix = namespace.partitions(project), namespace.prefix
    make_ledgers(lake, view)
    places: dict[Place, TableSpec] = {
        # First: a run in the order of event times that was ended in the middle is known by its rows.
        "features": view_table(view, prefix),
        "late_events": late_events_table(prefix),
        "duplicates": duplicates_table(prefix),
    }
    for place, spec in places.items():
        for piece in rows_by_now(project.connection(), spec, partitions[spec.topic]):
            lacking = lacking_of(lake, view, place, piece, past)
            if not lacking.num_rows:
                continue
            store(place, lacking)
            if place == "features":
                done.rows += lacking.num_rows
            else:
                done.ledger_entries += lacking.num_rows


def lacking_of(lake: duckdb.DuckDBPyConnection, view: View, place: Place, piece: pa.Table, past: Past) -> pa.Table:
    """Return the rows of a piece of a run that the lake lacks, none of what was forgotten, as if from no topic.

    Args:
        lake: A connection to the lake, with the ledgers of the view.
        view: The view.
        place: `features`, or a ledger.
        piece: Rows of its table.
        past: Whose rows these are: a run that ends gives those of labels that still wait, too.
    """
    if place == "features":
        there = "SELECT NULL, NULL WHERE FALSE"
        if stored_columns(lake, rows_of(view)):
            declared = f'"declaration" = {text(view.digest)}'
            there = f'SELECT "source_partition", "source_offset" FROM {rows_of(view)} WHERE {declared}'
        condition, at = "TRUE", ("source_partition", "source_offset")
    else:
        there = f'SELECT "partition", "offset" FROM told_{place}'
        # One ledger holds the entries of all views of the run.
        condition, at = f'"view" = {text(view.name)}', ("partition", "offset")
    here = ", ".join(f"piece.{quoted(name)}" for name in at)
    is_known = f'epoch_ms("event_time") <= {past.newest_ms}' if past.later else "TRUE"
    is_left = "TRUE"
    if stored_columns(lake, _FORGOTTEN) and stored_columns(lake, events_of(view)):
        # What was forgotten stands on the topic still, and would come back with its rows.
        is_left = f"""(
  NOT EXISTS (SELECT 1 FROM {_FORGOTTEN} WHERE "table" = {text(f"events.{view.contract.table}")})
  OR EXISTS (SELECT 1 FROM {events_of(view)} AS e WHERE (e."_partition", e."_offset") = ({here})))"""
    lake.register("piece", piece)
    try:
        return lake.sql(f"""
SELECT * REPLACE (NULL::INTEGER AS _partition, NULL::BIGINT AS _offset) FROM piece
WHERE {condition} AND {is_known} AND {is_left}
  AND NOT EXISTS (SELECT 1 FROM ({there}) AS t(p, o) WHERE (p, o) = ({here}))""").to_arrow_table()
    finally:
        lake.unregister("piece")
