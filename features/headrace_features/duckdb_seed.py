"""A view → the events of each key that its job needs to go on: what windows, lags and dedup still hold at the seam.

Columns: `key`, `clock`, `generation`, `at` (the event's own time), `id`, and `i0`, `i1`, … for the inputs of the view;
times in milliseconds since 1970. Rows stand by key and in the order of its events. They are written as JSON Lines, one
event a line: what Java and DuckDB both read and write without another library, doubles exactly.

More events than needed do no harm: the kernel folds them one after the other and lets go of what is too old.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from headrace_features.duckdb_compiler import event_sql, finite_inputs
from headrace_features.duckdb_text import lines, quoted
from headrace_features.view import View, longest_ms

_OF_KEY = 'PARTITION BY "_key"'


def seed_sql(view: View, source: str = "accepted") -> str:
    """Return the SELECT of the events to go on from.

    Args:
        view: The view.
        source: The relation that `compile_view` reads, up to the seam.
    """
    inputs = [f"{_plain(entry.type, f'_in_{entry.name}')} AS i{index}" for index, entry in enumerate(view.inputs)]
    lead = [
        '"_entity" AS "key"', '"_clock_ms" AS "clock"', '"_generation" AS "generation"', '"_event_time_ms" AS "at"',
        '"_event_id" AS "id"',
    ]  # fmt: skip
    needed = " OR ".join(_needed(view))
    return f"""
WITH event AS (
{event_sql(view, source)}
),
finite AS (SELECT *{finite_inputs(view)} FROM event),
newest AS (
  SELECT *, max("_clock_ms") OVER ({_OF_KEY}) AS "_last_clock_ms" FROM finite
  QUALIFY "_generation" = max("_generation") OVER ({_OF_KEY})
),
needed AS (SELECT * FROM newest QUALIFY {needed})
SELECT
  {lines([*lead, *inputs])}
FROM needed ORDER BY "_key", "_row\""""


def _plain(type_: str, column: str) -> str:
    return f"epoch_ms({quoted(column)})" if type_ == "timestamp" else quoted(column)


@dataclass
class _Reach:
    """How far back some features look, among the events that a filter lets count.

    Attributes:
        rows: Number of events.
        agos_ms: Lags of time: the last event at or before each counts.
    """

    rows: int = 1
    agos_ms: set[int] = field(default_factory=set)


def _needed(view: View) -> Iterator[str]:
    reaches: dict[str | None, _Reach] = {None: _Reach()}
    for feature in view.kernel:
        reach = reaches.setdefault(feature.where, _Reach())
        reach.rows = max(reach.rows, feature.steps, feature.over.rows if feature.over else 0)
        if feature.ago:
            reach.agos_ms.add(feature.ago.length_ms)
    # Events of the same clock as the bound are kept: it costs little, and nothing hangs on which side they are.
    # A pane at the far end of a window holds events from before it.
    panes_ms = max((feature.over.resolution_ms for feature in view.kernel if feature.over), default=0)
    yield f'"_clock_ms" >= "_last_clock_ms" - {max(longest_ms(view.kernel) + panes_ms, view.dedup_ms)}'
    for where, reach in reaches.items():
        counts = "TRUE" if where is None else f"COALESCE({quoted(f'_in_{where}')}, FALSE)"
        later = f'({_OF_KEY} ORDER BY "_row" ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)'
        yield f"({counts} AND count(*) FILTER (WHERE {counts}) OVER {later} < {reach.rows})"
        for ago_ms in sorted(reach.agos_ms):
            old = f'{counts} AND "_clock_ms" <= "_last_clock_ms" - {ago_ms}'
            yield f'"_row" = max("_row") FILTER (WHERE {old}) OVER ({_OF_KEY})'
