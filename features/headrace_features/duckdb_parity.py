"""The SQL of a comparison: streamed rows and ledgers of the lake against those recomputed from its events.

Relations: `recomputed` (by the compiled view), `streamed` (the newest revision of each row), `marked` (events with
    their marks),
`ends` (per partition: first and last event in the lake, last streamed row), `excluded` (keys that cannot be judged),
`told_<ledger>` (what the job has noted for this view), `late` (in the order of event times: events that came late).

**Two orders.** By arrival, a row follows from events of lower offsets, and rows leave in the order of offsets. By event
time, it follows from events of earlier times, which may have higher offsets; the lake has them all once it has an event
of the same partition that is later by the lateness (`settled_ms`). A difference beyond that says nothing. What stands
behind the last event that has a row or is noted counts in no row yet: the job may still say that it is late.

**Revisions.** A repair counts in the first late events of a key, as many as the revision says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from headrace_features.duckdb_compiler import CompiledSql
from headrace_features.duckdb_events import events_of, rows_of
from headrace_features.duckdb_ledgers import LEDGERS, Ledger
from headrace_features.duckdb_text import lines, quoted, text
from headrace_features.view import View

PLACE = ("source_partition", "source_offset")
_TIMES = {"event_time_ms": "event_time", "clock_ms": "clock", "ingested_at_ms": "ingested_at"}
_SAME_PLACE = 's."source_partition" = r."source_partition" AND s."source_offset" = r."source_offset"'


def ends_sql(view: View) -> str:
    """Return, per partition, where the lake's events begin and end, and how far rows and ledgers go (-1: nowhere)."""
    time = f"epoch_ms({quoted(view.contract.progress)})"
    parts = {
        "events": 'SELECT "_partition", min("_offset") AS first_event, max("_offset") AS last_event,'
        f" max({time}) - {view.lateness_ms} AS settled_ms FROM {events_of(view)}",
        "rows": f'SELECT "source_partition" AS "_partition", max("source_offset") AS last_row,'
        f' max(epoch_ms("event_time")) AS last_row_ms FROM {rows_of(view)} WHERE "declaration" = {text(view.digest)}',
    }
    for ledger in LEDGERS:
        parts[ledger] = f'SELECT "partition" AS "_partition", max("offset") AS last_{ledger} FROM told_{ledger}'
    joined = " FULL JOIN ".join(
        f"({sql} GROUP BY ALL) AS {name}" + (' USING ("_partition")' if index else "")
        for index, (name, sql) in enumerate(parts.items())
    )
    lasts = ", ".join(f"COALESCE(last_{name}, -1) AS last_{name}" for name in ("event", "row", "row_ms", *LEDGERS))
    return f'SELECT "_partition", first_event, COALESCE(settled_ms, -1) AS settled_ms, {lasts} FROM {joined}'


def reach_sql() -> str:
    """Return, per partition, the newest event that the job has read for certain: one that has a row, or is noted."""
    return f'SELECT "_partition", greatest({", ".join(f"last_{name}" for name in ("row", *LEDGERS))}) FROM ends'


def is_read_sql(reach: Iterable[tuple[int, int]]) -> str:
    """Return the condition that the job has read an event: what is behind may still be noted as late.

    Args:
        reach: Rows of `reach_sql`.
    """
    cases = " ".join(f"WHEN {partition} THEN {offset}" for partition, offset in reach)
    return f'"_offset" <= CASE "_partition" {cases} ELSE -1 END' if cases else "FALSE"


def excluded_sql(view: View, *, has_forgotten: bool = False) -> str:
    """Return the keys that cannot be judged: those whose events are gone (`is_gone`) or have no one order.

    Retention deletes events by their time. A key surely had none of those when the first row that is left is of its
    first generation, and nothing of the key is left from before the time in which a generation ends by itself.

    Args:
        view: The view.
        has_forgotten: Whether the lake has the table `ops.forgotten`.
    """
    time = quoted(view.contract.time)
    forgotten = f"UNION ALL{_forgotten_sql(view)}" if has_forgotten else ""
    return f"""
SELECT "_key", TRUE AS is_gone
FROM {rows_of(view)} JOIN ends ON "source_partition" = ends."_partition"
WHERE "declaration" = {text(view.digest)} AND (ends.first_event IS NULL OR "source_offset" < ends.first_event)
GROUP BY ALL
UNION ALL
SELECT "_key", TRUE
FROM (
  SELECT "_key", {time} AS "at", NULL AS "generation" FROM {events_of(view)}
  UNION ALL
  SELECT "_key", "event_time", "generation" FROM {rows_of(view)} WHERE "declaration" = {text(view.digest)}
) JOIN raw.deletions ON "table" = {text(f"events.{view.contract.table}")}
GROUP BY "_key", "deleted_before"
HAVING min("at") < "deleted_before" + to_milliseconds({view.retain_ms}) OR min("generation") > 0
UNION ALL
SELECT "_key", FALSE FROM {events_of(view)} GROUP BY ALL HAVING min("_partition") < max("_partition")
{forgotten}"""


def _forgotten_sql(view: View) -> str:
    """Return the keys of which events were deleted on demand; the lake has their digests only."""
    return f"""
SELECT "_key", TRUE
FROM (SELECT "_key" FROM {events_of(view)} UNION SELECT "_key" FROM {rows_of(view)})
  CROSS JOIN (SELECT DISTINCT "salt" FROM raw.ops_forgotten)
WHERE sha256("salt" || "_key") IN (
  SELECT "digest" FROM raw.ops_forgotten WHERE "table" = {text(f"events.{view.contract.table}")} AND "field" = '_key'
)"""


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
    columns.append('"revision" AS _revision')
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


@dataclass(frozen=True)
class Judged:
    """Which rows one comparison of `streamed` and `recomputed` judges, as conditions over both.

    Attributes:
        view: The view.
        compiled: Its statement.
        revision: Only streamed rows of this revision; None: all. What is missing is judged with the first.
    """

    view: View
    compiled: CompiledSql
    revision: int | None = None

    @property
    def differs(self) -> str:
        """A column of the two is not what it should be."""
        return "(" + " OR ".join(difference_sql(self.compiled).values()) + ")"

    @property
    def both(self) -> str:
        """There is a row of either."""
        return f's."event_id" IS NOT NULL AND r."event_id" IS NOT NULL AND {self._mine}'

    @property
    def is_settled(self) -> str:
        """Every event that counts in the row is in the lake."""
        if self.view.order == "arrival":
            return "TRUE"
        return 'COALESCE(r."event_time_ms", s."event_time_ms") <= ends.settled_ms'

    @property
    def only_recomputed(self) -> str:
        """No row was streamed."""
        return "FALSE" if self.revision else 's."event_id" IS NULL'

    @property
    def only_streamed(self) -> str:
        """No row follows from the events."""
        return f'r."event_id" IS NULL AND {self._mine}'

    @property
    def is_due(self) -> str:
        """Later rows have been streamed."""
        return (
            'r."source_offset" <= ends.last_row'
            if self.view.order == "arrival"
            else 'r."event_time_ms" <= ends.last_row_ms'
        )

    @property
    def missing(self) -> str:
        """A row should be there, and is not."""
        return f"{self.only_recomputed} AND {self.is_due} AND {self.is_settled}"

    @property
    def unexpected(self) -> str:
        """A row is there, and should not."""
        return f'{self.only_streamed} AND s."source_offset" <= ends.last_event AND {self.is_settled}'

    @property
    def doubled(self) -> str:
        """A row is there more than once."""
        return f"_times > 1 AND {self._mine}"

    @property
    def _mine(self) -> str:
        return "TRUE" if self.revision is None else f"_revision = {self.revision}"


def counts_sql(judged: Judged) -> str:
    """Return the figures of one comparison of `streamed` and `recomputed`, as one row."""
    bounds = judged.compiled.bounds
    open_ = " + ".join(f"CAST(NOT isfinite({_bound(judged.compiled, name)}) AS BIGINT)" for name in bounds) or "0"
    both, differs, settled = judged.both, judged.differs, judged.is_settled
    in_lake = 's."source_offset" <= ends.last_event'
    columns = {
        "compared": f"count(*) FILTER ({both} AND ({settled} OR NOT {differs}))",
        "differing": f"count(*) FILTER ({both} AND {differs} AND {settled})",
        "unsettled": f"count(*) FILTER ({both} AND {differs} AND NOT {settled})",
        "missing": f"count(*) FILTER ({judged.missing})",
        "pending": f"count(*) FILTER ({judged.only_recomputed} AND NOT ({judged.is_due} AND {settled}))",
        "unexpected": f"count(*) FILTER ({judged.unexpected})",
        "early": f"count(*) FILTER ({judged.only_streamed} AND NOT ({in_lake} AND {settled}))",
        "doubled": f"COALESCE(sum(_times - 1) FILTER ({judged.doubled}), 0)",
        "open": f"COALESCE(sum({open_}) FILTER ({both}), 0)",
    }
    shown = lines(f"CAST({sql} AS BIGINT) AS {name}" for name, sql in columns.items())
    return f"SELECT\n  {shown}\nFROM {_JOINED}"


def differing_rows_sql(judged: Judged, limit: int) -> str:
    """Return the first rows that differ: event_id, place; for each column streamed, recomputed, whether they differ."""
    conditions = difference_sql(judged.compiled)
    values = [f"s.{quoted(name)}, r.{quoted(name)}, {condition}" for name, condition in conditions.items()]
    return f"""
SELECT
  {lines(['r."event_id"', *(f"r.{quoted(name)}" for name in PLACE), *values])}
FROM {_JOINED}
WHERE {judged.both} AND {judged.differs} AND {judged.is_settled}
ORDER BY r."source_partition", r."source_offset" LIMIT {limit}"""


def odd_rows_sql(judged: Judged, limit: int) -> str:
    """Return the first rows that are missing, unexpected or doubled: event_id, place, streamed, recomputed."""
    place = lines(f"COALESCE(r.{quoted(name)}, s.{quoted(name)}) AS {quoted(name)}" for name in ("event_id", *PLACE))
    return f"""
SELECT
  {place},
  CASE WHEN s."event_id" IS NULL THEN 'no row' WHEN _times > 1 THEN _times || ' rows' ELSE 'a row' END,
  CASE WHEN r."event_id" IS NULL THEN 'no row' ELSE 'a row' END
FROM {_JOINED}
WHERE ({judged.missing}) OR ({judged.unexpected}) OR ({judged.doubled})
ORDER BY 2, 3 LIMIT {limit}"""


def repairs_sql(judged: Judged) -> str:
    """Return the recomputed rows that are not the streamed ones.

    Behind them: `_is_new`, `_streamed_revision` and `_is_settled`; no feature begins with an underscore.

    A row that was not streamed is one only where its event was late: the others are on their way.
    """
    is_late = 'EXISTS (FROM late WHERE late."_partition" = r."source_partition" AND late."_offset" = r."source_offset")'
    return f"""
SELECT r.*, s."event_id" IS NULL AS _is_new, COALESCE(s._revision, 0) AS _streamed_revision,
  {judged.is_settled} AS _is_settled
FROM {_JOINED}
WHERE r."event_id" IS NOT NULL AND CASE WHEN s."event_id" IS NULL THEN {is_late} ELSE {judged.differs} END"""


def ledger_sql(view: View, ledger: Ledger, where: str) -> str:
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
    is_due = f'"offset" <= CASE WHEN told IS NULL THEN last_{ledger} ELSE last_event END'
    if view.order == "event_time":
        time = "struct_extract(COALESCE(told, owed), 'event_time_ms')"
        is_given = f'CASE WHEN told IS NULL THEN {time} <= last_row_ms ELSE "offset" <= last_event END'
        is_due = f"{time} <= settled_ms AND {is_given}"
    return f"""
WITH told AS (
  SELECT "event_id", "partition", "offset", {told} AS told
  FROM (SELECT *, "key" AS "_key" FROM told_{ledger}) WHERE {where}
),
owed AS (
  SELECT "event_id", "_partition" AS "partition", "_offset" AS "offset", {owed} AS owed
  FROM marked WHERE {LEDGERS[ledger]}
)
SELECT "event_id", "partition", "offset", CAST(told AS VARCHAR), CAST(owed AS VARCHAR), NOT ({is_due})
FROM told FULL JOIN owed USING ("event_id", "partition", "offset") LEFT JOIN ends ON ends."_partition" = "partition"
WHERE told IS DISTINCT FROM owed
ORDER BY 2, 3"""


def early_late_sql(view: View, where: str) -> str:
    """Return events that were noted as late though the watermark had not passed them; columns as in `ledger_sql`."""
    return f"""
SELECT "event_id", "partition", "offset", 'late', 'in time: the watermark was ' || "clock", FALSE
FROM (SELECT *, "key" AS "_key" FROM told_late_events)
WHERE epoch_ms("event_time") > epoch_ms("clock") - {view.lateness_ms} AND {where}
ORDER BY 2, 3"""


def _bound(compiled: CompiledSql, name: str) -> str:
    return f"COALESCE(r.{quoted(compiled.bounds[name])}, 0e0)"


_JOINED = (
    f"(streamed AS s FULL JOIN recomputed AS r ON {_SAME_PLACE})"
    ' LEFT JOIN ends ON ends."_partition" = COALESCE(r."source_partition", s."source_partition")'
)
