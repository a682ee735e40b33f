"""The SQL of a comparison: streamed rows and ledgers of the lake against those recomputed from its events.

Relations: `recomputed` (by the compiled view), `streamed` (the newest revision of each row), `marked` (events with
    their marks),
`ends` (per partition: first and last event in the lake, last streamed row), `excluded` (keys that cannot be judged).
"""

from __future__ import annotations

from collections.abc import Collection

from headrace_features.duckdb_compiler import CompiledSql
from headrace_features.duckdb_events import events_of, rows_of
from headrace_features.duckdb_text import lines, quoted, text
from headrace_features.view import View

PLACE = ("source_partition", "source_offset")
_TIMES = {"event_time_ms": "event_time", "clock_ms": "clock", "ingested_at_ms": "ingested_at"}
_SAME_PLACE = 's."source_partition" = r."source_partition" AND s."source_offset" = r."source_offset"'


LEDGERS = {"late_events": '"is_late"', "duplicates": '"is_duplicate"'}
"""Ledgers of the job in the schema `ops`, and which of the marked events belong into each."""


def ends_sql(view: View) -> str:
    """Return, per partition, where the lake's events begin and end, and how far rows and ledgers go (-1: nowhere)."""
    told = f'"view" = {text(view.name)} AND "event" = {text(view.contract.name)}'
    parts = {
        "events": 'SELECT "_partition", min("_offset") AS first_event, max("_offset") AS last_event'
        f" FROM {events_of(view)}",
        "rows": f'SELECT "source_partition" AS "_partition", max("source_offset") AS last_row FROM {rows_of(view)}'
        f' WHERE "declaration" = {text(view.digest)}',
    }
    for ledger in LEDGERS:
        parts[ledger] = (
            f'SELECT "partition" AS "_partition", max("offset") AS last_{ledger} FROM raw.ops_{ledger} WHERE {told}'
        )
    joined = " FULL JOIN ".join(
        f"({sql} GROUP BY ALL) AS {name}" + (' USING ("_partition")' if index else "")
        for index, (name, sql) in enumerate(parts.items())
    )
    lasts = ", ".join(f"COALESCE(last_{name}, -1) AS last_{name}" for name in ("event", "row", *LEDGERS))
    return f'SELECT "_partition", first_event, {lasts} FROM {joined}'


def excluded_sql(view: View) -> str:
    """Return the keys that cannot be judged: those whose events are gone (`is_gone`) or have no one order."""
    return f"""
SELECT "_key", TRUE AS is_gone
FROM {rows_of(view)} JOIN ends ON "source_partition" = ends."_partition"
WHERE "declaration" = {text(view.digest)} AND (first_event IS NULL OR "source_offset" < first_event)
GROUP BY ALL
UNION ALL
SELECT "_key", FALSE FROM {events_of(view)} GROUP BY ALL HAVING min("_partition") < max("_partition")"""


def empty_ledger_sql(ledger: str) -> str:
    """Return the statement that makes a ledger that nobody has written yet."""
    columns = '"view", "event", "event_id", "key", "_key", "partition", "offset", "event_time", "clock"'
    values = "'', '', '', '', '', 0::INTEGER, 0::BIGINT, TIMESTAMPTZ 'epoch', TIMESTAMPTZ 'epoch'"
    return f"CREATE VIEW raw.ops_{ledger} AS SELECT * FROM (VALUES ({values})) AS t({columns}) WHERE FALSE"


def streamed_sql(view: View, compiled: CompiledSql, stored: Collection[str], where: str) -> str:
    """Return the rows of this declaration under the names of the recomputed ones, each in its newest revision.

    Args:
        view: The view.
        compiled: Its statement.
        stored: Columns that the table in the lake has; what it does not have is null.
        where: Which keys.
    """
    columns = []
    for name, _ in compiled.columns:
        there = _TIMES.get(name, name)
        value = "NULL" if there not in stored else f"epoch_ms({quoted(there)})" if name in _TIMES else quoted(there)
        columns.append(f"{value} AS {quoted(name)}")
    columns.append('count(*) OVER (PARTITION BY "source_partition", "source_offset", "revision") AS _times')
    return f"""
SELECT
  {lines(columns)}
FROM {rows_of(view)} AS f
WHERE "declaration" = {text(view.digest)} AND {where}
QUALIFY row_number() OVER (PARTITION BY "source_partition", "source_offset" ORDER BY "revision" DESC) = 1"""


def difference_sql(compiled: CompiledSql) -> dict[str, str]:
    """Return, for each column, the condition that the streamed value `s` is not the recomputed `r`."""
    conditions = {}
    for name, type_ in compiled.columns:
        if name in PLACE:
            continue
        streamed, recomputed = f"s.{quoted(name)}", f"r.{quoted(name)}"
        condition = f"{streamed} IS DISTINCT FROM {recomputed}"
        if name in compiled.bounds:
            bound = _bound(compiled, name)
            if type_ == "double":
                apart = (
                    f"{streamed} IS NOT NULL AND {recomputed} IS NOT NULL AND abs({streamed} - {recomputed}) <= {bound}"
                )
                condition = f"({condition} AND NOT ({apart}))"
            condition = f"(isfinite({bound}) AND {condition})"
        conditions[name] = condition
    return conditions


def counts_sql(compiled: CompiledSql) -> str:
    """Return the figures of one comparison of `streamed` and `recomputed`, as one row."""
    differs = " OR ".join(difference_sql(compiled).values())
    open_ = " + ".join(f"CAST(NOT isfinite({_bound(compiled, name)}) AS BIGINT)" for name in compiled.bounds) or "0"
    both = 's."event_id" IS NOT NULL AND r."event_id" IS NOT NULL'
    columns = {
        "compared": f"count(*) FILTER ({both})",
        "differing": f"count(*) FILTER ({both} AND ({differs}))",
        "missing": 'count(*) FILTER (s."event_id" IS NULL AND r."source_offset" <= last_row)',
        "pending": 'count(*) FILTER (s."event_id" IS NULL AND r."source_offset" > last_row)',
        "unexpected": 'count(*) FILTER (r."event_id" IS NULL AND s."source_offset" <= last_event)',
        "early": 'count(*) FILTER (r."event_id" IS NULL AND s."source_offset" > last_event)',
        "doubled": "COALESCE(sum(_times - 1), 0)",
        "open": f"COALESCE(sum({open_}) FILTER ({both}), 0)",
    }
    shown = lines(f"CAST({sql} AS BIGINT) AS {name}" for name, sql in columns.items())
    return f"SELECT\n  {shown}\nFROM {_JOINED}"


def differing_rows_sql(compiled: CompiledSql, limit: int) -> str:
    """Return the first rows that differ: event_id, place; for each column streamed, recomputed, whether they differ."""
    conditions = difference_sql(compiled)
    values = [f"s.{quoted(name)}, r.{quoted(name)}, {condition}" for name, condition in conditions.items()]
    return f"""
SELECT
  {lines(['r."event_id"', *(f"r.{quoted(name)}" for name in PLACE), *values])}
FROM streamed AS s JOIN recomputed AS r ON {_SAME_PLACE}
WHERE {" OR ".join(conditions.values())}
ORDER BY r."source_partition", r."source_offset" LIMIT {limit}"""


def odd_rows_sql(limit: int) -> str:
    """Return the first rows that are missing, unexpected or doubled: event_id, place, streamed, recomputed."""
    place = lines(f"COALESCE(r.{quoted(name)}, s.{quoted(name)}) AS {quoted(name)}" for name in ("event_id", *PLACE))
    return f"""
SELECT
  {place},
  CASE WHEN s."event_id" IS NULL THEN 'no row' WHEN _times > 1 THEN _times || ' rows' ELSE 'a row' END,
  CASE WHEN r."event_id" IS NULL THEN 'no row' ELSE 'a row' END
FROM {_JOINED}
WHERE (s."event_id" IS NULL AND r."source_offset" <= last_row)
  OR (r."event_id" IS NULL AND s."source_offset" <= last_event) OR _times > 1
ORDER BY 2, 3 LIMIT {limit}"""


def ledger_sql(view: View, ledger: str, where: str) -> str:
    """Return the entries of a ledger that are not those that follow from the events.

    Columns: event_id, source_partition, source_offset, what the ledger says, what follows from the events, whether it
    is pending: beyond the end of the ledger, or of the events.

    Args:
        view: The view.
        ledger: One of `LEDGERS`.
        where: Which keys, by the column `_key`.
    """
    said = 'struct_pack("key" := "_key", event_time_ms := {}, clock_ms := {})'
    told = said.format('epoch_ms("event_time")', 'epoch_ms("clock")')
    owed = said.format('"event_time_ms"', '"clock_ms"')
    return f"""
WITH told AS (
  SELECT DISTINCT "event_id", "partition", "offset", {told} AS told
  FROM (SELECT * REPLACE ("key" AS "_key") FROM raw.ops_{ledger}) AS f
  WHERE "view" = {text(view.name)} AND "event" = {text(view.contract.name)} AND {where}
),
owed AS (
  SELECT "event_id", "_partition" AS "partition", "_offset" AS "offset", {owed} AS owed
  FROM marked WHERE {LEDGERS[ledger]}
)
SELECT "event_id", "partition", "offset", CAST(told AS VARCHAR), CAST(owed AS VARCHAR),
  "offset" > CASE WHEN told IS NULL THEN last_{ledger} ELSE last_event END
FROM told FULL JOIN owed USING ("event_id", "partition", "offset") LEFT JOIN ends ON ends."_partition" = "partition"
WHERE told IS DISTINCT FROM owed
ORDER BY 2, 3"""


def _bound(compiled: CompiledSql, name: str) -> str:
    return f"COALESCE(r.{quoted(compiled.bounds[name])}, 0e0)"


_JOINED = (
    f"(streamed AS s FULL JOIN recomputed AS r ON {_SAME_PLACE})"
    ' LEFT JOIN ends ON ends."_partition" = COALESCE(r."source_partition", s."source_partition")'
)
