"""Rules 3, 4, 9 and 10 of the semantics: each event's clock and generation, and whether it is late or a duplicate.

A key without a repeated event id is a running maximum: DuckDB does it in one pass. Only keys with one are walked
event by event, because a duplicate moves nothing, so that what follows depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import duckdb
import pyarrow as pa

from headrace_features.view import Order

IN_ORDER: dict[Order, str] = {
    "arrival": '"_offset", "_partition"',
    "event_time": '"event_time_ms", "_offset", "_partition"',
}
"""How the events of a key are ordered, as a list of columns."""


class Mark(NamedTuple):
    """What becomes of one event.

    Attributes:
        clock_ms: The key's clock at which it counts; of a duplicate, the clock it would have had.
        generation: Times that the key's clock had jumped by more than `retain`.
        is_duplicate: Whether its id was folded in within `dedup`.
        is_late: Whether its time lies before the key's clock; a duplicate is not late.
    """

    clock_ms: int
    generation: int
    is_duplicate: bool
    is_late: bool


@dataclass(slots=True)
class KeyHistory:
    """One key as the streaming job's kernel keeps it, without its windows.

    Args:
        dedup_ms: How long a repeated id is a duplicate, inclusive.
        retain_ms: A longer jump of the clock forgets everything.
    """

    dedup_ms: int
    retain_ms: int
    _clock_ms: int | None = None
    _generation: int = 0
    _folded_at: dict[str, int] | None = None

    def fold(self, event_id: str, event_time_ms: int) -> Mark:
        """Return what becomes of the key's next event."""
        before = self._clock_ms
        clock_ms = event_time_ms if before is None else max(before, event_time_ms)
        if self._folded_at is None or (before is not None and clock_ms - before > self.retain_ms):
            self._generation += self._folded_at is not None
            self._folded_at = {}
        folded_at = self._folded_at.get(event_id)
        if folded_at is not None and clock_ms - folded_at <= self.dedup_ms:
            return Mark(clock_ms, self._generation, True, False)
        self._clock_ms = self._folded_at[event_id] = clock_ms
        return Mark(clock_ms, self._generation, False, before is not None and event_time_ms < before)


def mark_events(
    connection: duckdb.DuckDBPyConnection,
    events: str,
    into: str,
    *,
    dedup_ms: int,
    retain_ms: int,
    order: Order = "arrival",
) -> None:
    """Make the temporary table `into`: the columns of `events`, then those of `Mark`.

    Args:
        connection: Where both relations are.
        events: A relation of accepted events, repeats included: `_key`, `event_id`, `event_time_ms`, `_partition`,
            `_offset`, …; in the order of event times without those that were late.
        into: Name of the table; it is replaced. Tables `<into>_…` are used on the way.
        dedup_ms: How long a repeated id is a duplicate, by the key's clock, inclusive.
        retain_ms: A longer jump of a key's clock starts a new generation.
        order: How the events of a key are ordered.
    """
    walked = f"{into}_walked"
    connection.execute(
        f'CREATE OR REPLACE TEMP TABLE {walked}_keys AS SELECT DISTINCT "_key" FROM'
        f' (SELECT "_key" FROM {events} GROUP BY "_key", "event_id" HAVING count(*) > 1)'
    )
    in_order = IN_ORDER[order]
    marks = _walk(connection, events, f"{walked}_keys", in_order, KeyHistory(dedup_ms, retain_ms))
    connection.register(walked, marks)
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS {_marked(events, walked, in_order, retain_ms)}")
    finally:
        connection.unregister(walked)
        connection.execute(f"DROP TABLE {walked}_keys")


def marked(events: pa.Table, *, dedup_ms: int, retain_ms: int) -> pa.Table:
    """Return the events with the columns of `Mark` behind them, in the order of key and offset; see `mark_events`."""
    with duckdb.connect() as connection:
        connection.register("events", events)
        mark_events(connection, "events", "marked", dedup_ms=dedup_ms, retain_ms=retain_ms)
        return connection.sql('SELECT * FROM marked ORDER BY "_key", "_offset", "_partition"').to_arrow_table()


def _walk(connection: duckdb.DuckDBPyConnection, events: str, keys: str, in_order: str, unborn: KeyHistory) -> pa.Table:
    rows = connection.sql(
        f'SELECT "_key", "event_id", "event_time_ms", "_partition", "_offset" FROM {events}'
        f' WHERE "_key" IN (FROM {keys}) ORDER BY "_key", {in_order}'
    ).to_arrow_table()
    marks: list[Mark] = []
    current, history = None, unborn
    for key, event_id, event_time_ms in zip(
        *(rows.column(name).to_pylist() for name in rows.column_names[:3]), strict=True
    ):
        if key != current:
            current, history = key, replace(unborn)
        marks.append(history.fold(event_id, event_time_ms))
    columns = zip(*marks, strict=True) if marks else ([], [], [], [])
    types = (pa.int64(), pa.int64(), pa.bool_(), pa.bool_())
    place = {name: rows.column(name) for name in ("_partition", "_offset")}
    return pa.table(
        {
            **place,
            **{
                name: pa.array(list(values), type_)
                for name, values, type_ in zip(Mark._fields, columns, types, strict=True)
            },
        }
    )


def _marked(events: str, walked: str, in_order: str, retain_ms: int) -> str:
    over = f'PARTITION BY "_key" ORDER BY {in_order}'
    names = ", ".join(f'm."{name}"' for name in Mark._fields)
    return f"""
WITH clocked AS (
  SELECT e.*, max("event_time_ms") OVER ({over} ROWS UNBOUNDED PRECEDING) AS "clock_ms"
  FROM {events} AS e WHERE "_key" NOT IN (FROM {walked}_keys)
),
moved AS (SELECT *, lag("clock_ms") OVER ({over}) AS "_clock_before_ms" FROM clocked)
SELECT * EXCLUDE ("_clock_before_ms"),
  CAST(sum(CASE WHEN "clock_ms" - "_clock_before_ms" > {retain_ms} THEN 1 ELSE 0 END) OVER ({over} ROWS UNBOUNDED
  PRECEDING) AS BIGINT)
    AS "generation",
  FALSE AS "is_duplicate",
  COALESCE("event_time_ms" < "_clock_before_ms", FALSE) AS "is_late"
FROM moved
UNION ALL
SELECT e.*, {names} FROM {events} AS e JOIN {walked} AS m USING ("_partition", "_offset")"""
