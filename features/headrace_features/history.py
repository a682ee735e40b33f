"""The past of a view: rows and ledger entries that the lake lacks for its events, and what a job needs to go on.

For a declaration that is new, and for a job that has lost its state: DuckDB computes what the job would have given for
the events up to a seam, and the job gives what comes behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
from headrace_lake.tables import SINK_LETTERS

from headrace_features.duckdb_compiler import compile_view
from headrace_features.duckdb_events import events_of, rows_of
from headrace_features.duckdb_ledgers import LEDGERS, Ledger, add_late, in_time_sql, make_ledgers, stored_columns
from headrace_features.duckdb_text import lines, quoted, text
from headrace_features.recompute import accept_stored, recompute, shares
from headrace_features.seed import write_seed
from headrace_features.view import View

BUCKET_ROWS = 2_000_000
"""Events that are held at a time; more are taken in shares of the keys."""
_BATCH_ROWS = 200_000

Place = Literal["features"] | Ledger
Store = Callable[[Place, pa.Table], None]
"""Takes rows of the view's table, or of one of the ledgers, under the names of its columns."""


@dataclass(slots=True)
class Filled:
    """What a backfill has added for one view.

    Attributes:
        rows: Rows.
        ledger_entries: Entries of the ledgers of late events and duplicates.
        seeds: Events that the job begins with.
    """

    rows: int = 0
    ledger_entries: int = 0
    seeds: int = 0


@dataclass(frozen=True)
class Past:
    """The events that the job of some views has read before: up to a seam in each partition; what comes is its own.

    Refused records count, too: they were noted, and nobody else notes those behind. Labels without their event do not:
    it is not the job that has noted them.

    Attributes:
        offsets: Partition → first offset that nobody has read.
        newest_ms: How far time has come with them, in milliseconds since 1970; -1 without one.
        later: Condition of those among them that may be known only later: labels that wait. Empty: there are none.
        begin: Partition → offset of the first of these.
    """

    offsets: dict[int, int]
    newest_ms: int
    later: str = ""
    begin: dict[int, int] = field(default_factory=dict)

    @property
    def contains(self) -> str:
        """Condition of its events."""
        cases = " ".join(f'WHEN {partition} THEN "_offset" < {offset}' for partition, offset in self.offsets.items())
        if not cases:
            return "FALSE"
        return f'CASE "_partition" {cases} ELSE FALSE END' + (f" AND NOT ({self.later})" if self.later else "")


def past_of(connection: duckdb.DuckDBPyConnection, views: Sequence[View], topic: str) -> Past:
    """Return how far the job of these views has read, by the rows, ledger entries and dead letters in the lake.

    Args:
        connection: Of the lake.
        views: All views of the job.
        topic: Name of the topic of their event.
    """
    names = ", ".join(text(view.name) for view in views)
    read = {
        **{rows_of(view): ("source_partition", "source_offset", "TRUE") for view in views},
        **{f"raw.ops_{ledger}": ("partition", "offset", f'"view" IN ({names})') for ledger in LEDGERS},
        # What a sink could not hand over, and what is no part of another topic, say nothing of the job.
        "raw.ops_dead_letters": ("partition", "offset", _letters_of_the_job(topic)),
        # Imported events stand before the first of the topic: they are past, whoever has read the topic or not.
        events_of(views[0]): ("_partition", "_offset", '"_offset" < 0'),
    }
    parts = [
        f"SELECT {quoted(partition)} AS p, {quoted(offset)} AS o FROM {table} WHERE {condition}"
        for table, (partition, offset, condition) in read.items()
        if stored_columns(connection, table)
    ]
    if not parts:
        return Past({}, -1)
    found = connection.execute(
        f"SELECT p, greatest(max(o) + 1, 0) FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL ORDER BY 1"
    )
    return past_before(connection, views[0], dict(found.fetchall()))


def _letters_of_the_job(topic: str) -> str:
    of_a_sink = f"starts_with(coalesce(\"event\", ''), {text(SINK_LETTERS)})"
    return f"\"topic\" = {text(topic)} AND \"reason\" NOT IN ('unmatched', 'too_large') AND NOT {of_a_sink}"


def past_before(connection: duckdb.DuckDBPyConnection, view: View, offsets: dict[int, int]) -> Past:
    """Return the events of the lake before these offsets.

    Args:
        connection: Of the lake.
        view: A view of their event.
        offsets: Partition → first offset that does not belong to it; nothing of other partitions does.
    """
    past = Past(offsets, -1)
    contract = view.contract
    newest = f"SELECT max(epoch_ms({quoted(contract.progress)})) FROM {events_of(view)} WHERE {past.contains}"
    (newest_ms,) = connection.execute(newest).fetchall()[0]
    past = replace(past, newest_ms=-1 if newest_ms is None else newest_ms)
    if contract.progress == contract.time:
        return past
    later = f"epoch_ms({quoted(contract.time)}) > {past.newest_ms}"
    waiting = f'SELECT "_partition", min("_offset") FROM {events_of(view)} WHERE {past.contains} AND {later}'
    begin = dict(connection.execute(f"{waiting} GROUP BY ALL ORDER BY 1").fetchall())
    return replace(past, later=later, begin=begin)


def seed_past(
    connection: duckdb.DuckDBPyConnection, view: View, past: Past, seed: Path, *, bucket_rows: int = BUCKET_ROWS
) -> int:
    """Write the seed of a view that goes on behind these events, store nothing, and return how many events it holds.

    Args:
        connection: Of the lake.
        view: The view.
        past: The events.
        seed: Folder for the files of the seed.
        bucket_rows: Most events that are held at a time (approximately: a key is never divided).
    """
    make_ledgers(connection, view)
    seeds = 0
    for part, share in enumerate(shares(connection, view, bucket_rows)):
        accept_stored(connection, view, f"{share} AND {past.contains} AND {in_time_sql(view)}")
        seeds += write_seed(connection, view, seed, part)
    return seeds


def fill(
    connection: duckdb.DuckDBPyConnection,
    view: View,
    past: Past,
    seed: Path,
    store: Store,
    *,
    now_ms: int,
    bucket_rows: int = BUCKET_ROWS,
) -> Filled:
    """Store what the lake lacks of a view's past and write its seed.

    Args:
        connection: Of the lake.
        view: The view.
        past: Which events belong to it.
        seed: Folder for the files of the seed.
        store: Where rows and ledger entries go.
        now_ms: Time of day at which they are made, in milliseconds since 1970.
        bucket_rows: Most events that are held at a time (approximately: a key is never divided).
    """
    filled = Filled()
    make_ledgers(connection, view)
    stored = stored_columns(connection, rows_of(view))
    if stored and view.order == "event_time":
        connection.execute(f"CREATE OR REPLACE TEMP TABLE passed AS {_passed_sql(view, past)}")
        for entries in list(_tables(connection, _ledger_sql(view, "late_events", now_ms, "passed", "TRUE"))):
            store("late_events", entries)
            filled.ledger_entries += entries.num_rows
            add_late(connection, entries)
    compiled = compile_view(view)
    for part, share in enumerate(shares(connection, view, bucket_rows)):
        recompute(connection, view, compiled, f"{share} AND {past.contains} AND {in_time_sql(view)}")
        for rows in _tables(connection, _rows_sql(view, now_ms, has_rows=bool(stored))):
            store("features", rows)
            filled.rows += rows.num_rows
        for ledger in LEDGERS:
            for entries in _tables(connection, _ledger_sql(view, ledger, now_ms)):
                store(ledger, entries)
                filled.ledger_entries += entries.num_rows
        filled.seeds += write_seed(connection, view, seed, part)
    return filled


def _tables(connection: duckdb.DuckDBPyConnection, select: str) -> Iterator[pa.Table]:
    for batch in connection.sql(select).to_arrow_reader(_BATCH_ROWS):
        if batch.num_rows:
            yield pa.Table.from_batches([batch])


def _rows_sql(view: View, now_ms: int, *, has_rows: bool) -> str:
    place = '("source_partition", "source_offset")'
    there = f'SELECT {place} FROM {rows_of(view)} WHERE "declaration" = {text(view.digest)}'
    columns = [
        '"event_id"',
        quoted(view.key),
        *_instants("event_time", "clock", "ingested_at"),
        *('"generation"', '"source_partition"', '"source_offset"'),
        "0 AS revision",
        f"{text(view.digest)} AS declaration",
        f"{_instant(str(now_ms))} AS emitted_at",
        *(quoted(column.name) for column in view.columns),
        *_from_no_topic(f"CAST({quoted(view.key)} AS VARCHAR)", now_ms),
    ]
    lacking = f"WHERE {place} NOT IN ({there})" if has_rows else ""
    # What is ended in the middle leaves the first rows of a key: else those that lack would seem to have come late.
    in_order = f'ORDER BY {quoted(view.key)}, "event_time_ms", "source_offset"' if view.order == "event_time" else ""
    return f"SELECT\n  {lines(columns)}\nFROM recomputed {lacking} {in_order}"


def _passed_sql(view: View, past: Past) -> str:
    """Return the events without a row, and not noted, that lie before a row of their key: it does not count them.

    They came while no job ran, or were not decided when it ended: for the rows that are there they are late.
    """
    place = '("_partition", "_offset")'
    noted = " UNION ALL ".join(f'SELECT ("partition", "offset") FROM told_{ledger}' for ledger in LEDGERS)
    time_ms = f"epoch_ms({quoted(view.contract.time)})"
    return f"""
WITH row AS (
  SELECT "_key", "source_partition", "source_offset", epoch_ms("event_time") AS time_ms FROM {rows_of(view)}
  WHERE "declaration" = {text(view.digest)}
),
newest AS (SELECT "_key", max(time_ms) AS last_ms, max_by("source_offset", (time_ms, "source_offset")) AS last_offset
  FROM row GROUP BY ALL)
SELECT "event_id", "_key", "_partition", "_offset", {time_ms} AS event_time_ms,
  last_ms + {view.lateness_ms} AS clock_ms
FROM {events_of(view)} JOIN newest USING ("_key")
WHERE {past.contains} AND ({time_ms} < last_ms OR ({time_ms} = last_ms AND "_offset" < last_offset))
  AND {place} NOT IN (SELECT ("source_partition", "source_offset") FROM row) AND {place} NOT IN ({noted})"""


def _ledger_sql(view: View, ledger: Ledger, now_ms: int, source: str = "marked", where: str = "") -> str:
    columns = [
        f"{text(view.name)} AS view",
        f"{text(view.contract.name)} AS event",
        *('"event_id"', '"_key" AS "key"', '"_partition" AS "partition"', '"_offset" AS "offset"'),
        *_instants("event_time", "clock"),
        f"{text(view.digest)} AS declaration",
        *([f'{text(view.order)} AS "order"'] if ledger == "late_events" else []),
        *_from_no_topic('"_key"', now_ms),
    ]
    return f"""SELECT
  {lines(columns)}
FROM {source} AS m
WHERE {where or LEDGERS[ledger]} AND NOT EXISTS (FROM told_{ledger} AS t WHERE t."event_id" = m."event_id"
  AND t."partition" = m."_partition" AND t."offset" = m."_offset")"""


def _from_no_topic(key: str, now_ms: int) -> list[str]:
    now = _instant(str(now_ms))
    return ["NULL::INTEGER AS _partition", "NULL::BIGINT AS _offset", f"{key} AS _key", f"{now} AS _recorded_at"]


def _instant(ms: str) -> str:
    return f"make_timestamptz({ms} * 1000)"


def _instants(*names: str) -> list[str]:
    return [f"{_instant(quoted(f'{name}_ms'))} AS {name}" for name in names]
