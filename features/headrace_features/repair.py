"""Repair: rows that late events would have changed, computed anew and pushed again with a higher revision.

Only for the order of event times: there a late event has no row, and those after it lack it. The revision of a repaired
row is the number of late events of its key that were counted in, in the order of their ledger. So a second repair
without another late event finds nothing to do, and whoever stores rows by (generation, clock, offset, revision) takes
the newer repair whatever comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import orjson
from headrace_ingestion.clock import Clock, SystemClock
from headrace_ingestion.errors import HeadraceError

from headrace_features.duckdb_compiler import CompiledSql, compile_view
from headrace_features.duckdb_events import events_of, rows_of
from headrace_features.duckdb_ledgers import make_ledgers, stored_columns
from headrace_features.duckdb_parity import (
    Judged,
    ends_sql,
    excluded_sql,
    is_read_sql,
    reach_sql,
    repairs_sql,
    streamed_sql,
)
from headrace_features.duckdb_text import quoted
from headrace_features.recompute import recompute
from headrace_features.view import View

if TYPE_CHECKING:
    from headrace_lake import Lake

__all__ = ["RepairError", "RepairReport", "Topic", "repair"]

BATCH_ROWS = 2_000


class RepairError(HeadraceError):
    """A view has nothing that a repair could change, or its rows could not be pushed."""


class Topic(Protocol):
    """Where the rows of a view go."""

    def send(self, key: bytes, value: bytes) -> None:
        """Hand over one record."""

    def flush(self) -> None:
        """Return when all records are stored.

        Raises:
            HeadraceError: One of them is not.
        """


@dataclass(slots=True)
class RepairReport:
    """What a repair found.

    Attributes:
        view: Name of the view.
        declaration: Hash of its declaration.
        late_events: Late events that count now, those of earlier repairs included.
        keys: Keys that have one.
        added: Rows of late events that were not there before.
        changed: Rows that have other values now.
        waiting: Late events and rows that wait for events which the lake does not have yet.
        not_repairable: Late events of keys whose earlier events are gone from the lake, or are in several partitions.
        pushed: Whether the rows were pushed, and not only counted.
    """

    view: str
    declaration: str
    late_events: int = 0
    keys: int = 0
    added: int = 0
    changed: int = 0
    waiting: int = 0
    not_repairable: int = 0
    pushed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)

    def text(self) -> str:
        """Return the report for people."""
        done = ("added", "changed") if self.pushed else ("to add", "to change")
        rows = f"{self.added} rows {done[0]}, {self.changed} {done[1]}"
        waiting = f"; {self.waiting} wait for events that are not in the lake yet" if self.waiting else ""
        if self.not_repairable:
            waiting += (
                f"; {self.not_repairable} cannot be counted in: events before them are gone, or without one order"
            )
        late = f"{self.late_events} late events of {self.keys} keys"
        return f"{self.view} (declaration {self.declaration}): {late}, {rows}{waiting}"


def repair(lake: Lake, view: View, topic: Topic | None, *, clock: Clock | None = None) -> RepairReport:
    """Push every row that is not what it would be, had no event come late.

    It may be ended at any moment and run again: what was pushed before is found in the lake, or pushed once more with
    the same revision, which changes nothing.

    Args:
        lake: The lake; tables that nobody wrote yet count as empty.
        view: The view.
        topic: Where its rows go; None: only count them.
        clock: The clocks.

    Raises:
        RepairError: The view is ordered by arrival.
    """
    if view.order == "arrival":
        raise RepairError(
            f"the view {view.name!r} is ordered by arrival: an event that comes late counts when it comes",
            {"declared in": view.origin, "order": "arrival"},
            f"headrace features verify {view.name}",
        )
    report = RepairReport(view.name, view.digest, pushed=topic is not None)
    now_ms = (clock or SystemClock()).now_ms
    with lake.connect() as connection:
        stored = stored_columns(connection, rows_of(view))
        if not stored or not stored_columns(connection, events_of(view)):
            return report
        compiled = _compare(connection, view, stored)
        _count(connection, report)
        for record, is_new in _records(connection, view, compiled):
            report.added += is_new
            report.changed += not is_new
            if topic is not None:
                record["emitted_at_ms"] = now_ms()
                topic.send(str(record[view.key]).encode(), orjson.dumps(record))
        if topic is not None:
            topic.flush()
    return report


def _compare(connection: duckdb.DuckDBPyConnection, view: View, stored: set[str]) -> CompiledSql:
    """Make the tables `recomputed`, with all late events, and `streamed`, of the keys that have late events."""
    make_ledgers(connection, view)
    connection.execute(f"CREATE TEMP TABLE ends AS {ends_sql(view)}")
    # Of these keys the rows that were streamed know more than the lake does.
    has_forgotten = bool(stored_columns(connection, "raw.ops_forgotten"))
    connection.execute(f"""
CREATE TEMP TABLE excluded AS {excluded_sql(view, has_forgotten=has_forgotten)};
CREATE TEMP TABLE not_repairable AS SELECT count(*) AS entries FROM late WHERE "_key" IN (SELECT "_key" FROM excluded);
DELETE FROM late WHERE "_key" IN (SELECT "_key" FROM excluded)""")
    # A late event that the lake does not have yet ends what can be counted in of its key.
    connection.execute(f"""
CREATE TEMP TABLE counted AS
SELECT "_key", min("_number") FILTER (e."_offset" IS NULL) AS first_gone, max("_number") AS last,
  CAST(COALESCE(first_gone - 1, last) AS BIGINT) AS revision
FROM late LEFT JOIN {events_of(view)} AS e USING ("_partition", "_offset", "_key") GROUP BY "_key";
DELETE FROM late USING counted WHERE late."_key" = counted."_key" AND "_number" > revision""")
    where = '"_key" IN (SELECT "_key" FROM counted WHERE revision > 0)'
    gone = """("_partition", "_offset") NOT IN
  (SELECT ("partition", "offset") FROM told_late_events ANTI JOIN late ON "partition" = late."_partition"
  AND "offset" = late."_offset")"""
    # What the job has not read yet may be late, too, and then counts in a later revision.
    is_read = is_read_sql(connection.execute(reach_sql()).fetchall())
    compiled = compile_view(view, with_bounds=True)
    recompute(connection, view, compiled, f"{where} AND {is_read} AND {gone}")
    connection.execute(f"CREATE TEMP TABLE streamed AS {streamed_sql(view, compiled, stored, where)}")
    connection.execute(f"CREATE TEMP TABLE repairs AS {repairs_sql(Judged(view, compiled))}")
    return compiled


def _count(connection: duckdb.DuckDBPyConnection, report: RepairReport) -> None:
    (told,) = connection.execute("SELECT count(*) FROM told_late_events").fetchall()[0]
    (unsettled,) = connection.execute("SELECT count(*) FROM repairs WHERE NOT _is_settled").fetchall()[0]
    report.late_events, report.keys = connection.execute(
        'SELECT count(*), count(DISTINCT "_key") FROM late'
    ).fetchall()[0]
    (report.not_repairable,) = connection.execute("SELECT entries FROM not_repairable").fetchall()[0]
    report.waiting = told - report.late_events - report.not_repairable + unsettled


def _records(
    connection: duckdb.DuckDBPyConnection, view: View, compiled: CompiledSql
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield each row as a record of the view's topic, and whether it is new; in the order of the key's events."""
    names = ", ".join(f"r.{quoted(name)}" for name, _ in compiled.columns)
    query = f"""
SELECT c.revision AS _revision, r._is_new, {names}
FROM repairs AS r JOIN counted AS c ON c."_key" = CAST(r.{quoted(view.key)} AS VARCHAR)
WHERE r._is_settled AND r._streamed_revision < c.revision ORDER BY c."_key", r."clock_ms", r."source_offset\""""
    for batch in connection.sql(query).to_arrow_reader(BATCH_ROWS):
        for row in batch.to_pylist():
            yield _record(view, row), row["_is_new"]


def _record(view: View, row: Mapping[str, Any]) -> dict[str, Any]:
    lead = {"revision": row["_revision"], "declaration": view.digest}
    return {**lead, **{name: value for name, value in row.items() if name not in ("_revision", "_is_new")}}
