"""Parity: every row that was streamed, computed again from the events in the lake and compared, with the ledgers
beside them.

Counts, lags, minima, maxima, calendar, ids, clocks and generations must be equal bit for bit; sums, means and
deviations within rule 11 of the semantics; an expression within what follows from the bounds of what it reads
(`duckdb_bounds`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from headrace_features import duckdb_parity as parity
from headrace_features.duckdb_compiler import CompiledSql, compile_view
from headrace_features.duckdb_events import events_of, rows_of
from headrace_features.duckdb_ledgers import LEDGERS, in_time_sql, make_ledgers, stored_columns
from headrace_features.duckdb_text import quoted, text
from headrace_features.parity_report import Difference, ParityReport
from headrace_features.recompute import recompute, shares
from headrace_features.view import View

if TYPE_CHECKING:
    from headrace_lake import Lake

__all__ = ["Difference", "ParityReport", "verify"]

MOST_DIFFERENCES = 20
BUCKET_ROWS = 2_000_000
"""Events that are held at a time; more are taken in shares of the keys."""

_ANOTHER_DECLARATION = "they were made by another declaration"
_GONE = "their events are gone, or those before them"
_UNSETTLED = "they differ, and events that count in them may not be in the lake yet"
_NO_ORDER = "the events of their key are in several partitions"


def verify(
    lake: Lake, view: View, *, most_differences: int = MOST_DIFFERENCES, bucket_rows: int = BUCKET_ROWS
) -> ParityReport:
    """Return the comparison of every row of the view in the lake with the one that its events give.

    Rows beyond the newest streamed row of a partition are pending, a gap before it is a mismatch. Only rows of the
    view's present declaration are judged. In the order of event times the job's own decision about what was late is
    taken from its ledger, and a row of a repair is compared with what follows when the late events that it counts in
    are not left out.

    Args:
        lake: The lake; tables that nobody wrote yet count as empty.
        view: The view.
        most_differences: How many differences are listed.
        bucket_rows: Most events that are held at a time (approximately: a key is never divided).
    """
    with lake.connect() as connection:
        return _Comparison(connection, view, most_differences).run(bucket_rows)


class _Comparison:
    """One comparison on one snapshot of the lake."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, view: View, most_differences: int) -> None:
        self._connection = connection
        self._view = view
        self._most = most_differences
        self._compiled: CompiledSql = compile_view(view, with_bounds=True)
        self._report = ParityReport(view.name, view.digest, view.order)

    def run(self, bucket_rows: int) -> ParityReport:
        if not all(stored_columns(self._connection, table) for table in (events_of(self._view), rows_of(self._view))):
            return self._report
        make_ledgers(self._connection, self._view)
        self._table("ends", parity.ends_sql(self._view))
        has_forgotten = bool(stored_columns(self._connection, "raw.ops_forgotten"))
        self._table("excluded", parity.excluded_sql(self._view, has_forgotten=has_forgotten))
        self._count_not_verifiable()
        for share in shares(self._connection, self._view, bucket_rows):
            self._bucket(f'{share} AND "_key" NOT IN (SELECT "_key" FROM excluded)')
        return self._report

    def _count_not_verifiable(self) -> None:
        declared = f'"declaration" = {text(self._view.digest)}'
        reasons = {
            _ANOTHER_DECLARATION: f"NOT {declared}",
            _GONE: f'{declared} AND "_key" IN (SELECT "_key" FROM excluded WHERE is_gone)',
            _NO_ORDER: f'{declared} AND "_key" IN (SELECT "_key" FROM excluded GROUP BY ALL'
            " HAVING NOT bool_or(is_gone))",
        }
        for reason, condition in reasons.items():
            (rows,) = self._row(f"SELECT count(*) FROM {rows_of(self._view)} WHERE {condition}")
            if rows:
                self._report.not_verifiable[reason] = rows

    def _bucket(self, where: str) -> None:
        stored = stored_columns(self._connection, rows_of(self._view))
        self._table("streamed", parity.streamed_sql(self._view, self._compiled, stored, where))
        if self._view.order == "arrival":
            self._recompute(where)
            self._compare(parity.Judged(self._view, self._compiled))
            for ledger in LEDGERS:
                self._compare_ledger(parity.ledger_sql(self._view, ledger, where), ledger)
            return
        is_read = parity.is_read_sql(self._rows(parity.reach_sql()))
        (unread,) = self._row(f"SELECT count(*) FROM {events_of(self._view)} WHERE {where} AND NOT {is_read}")
        self._report.pending += unread
        self._recompute(f"{where} AND {is_read} AND {in_time_sql(self._view)}")
        self._compare(parity.Judged(self._view, self._compiled, revision=0))
        self._compare_ledger(parity.ledger_sql(self._view, "duplicates", where), "duplicates")
        self._compare_ledger(parity.early_late_sql(self._view, where), "late_events")
        for (revision,) in self._rows("SELECT DISTINCT _revision FROM streamed WHERE _revision > 0 ORDER BY 1"):
            of_keys = f"SELECT {quoted(self._view.key)}::VARCHAR FROM streamed WHERE _revision = {revision}"
            self._recompute(f'{where} AND {is_read} AND "_key" IN ({of_keys}) AND {in_time_sql(self._view, revision)}')
            self._compare(parity.Judged(self._view, self._compiled, revision))

    def _recompute(self, where: str) -> None:
        recompute(self._connection, self._view, self._compiled, where)

    def _compare(self, judged: parity.Judged) -> None:
        report = self._report
        figures = self._row(parity.counts_sql(judged))
        compared, differing, unsettled, missing, pending, unexpected, early, doubled, open_ = figures
        report.rows += compared
        report.differing += differing
        report.missing += missing
        report.unexpected += unexpected
        report.doubled += doubled
        report.pending += pending + early
        report.open_values += open_
        if unsettled:
            report.not_verifiable[_UNSETTLED] = report.not_verifiable.get(_UNSETTLED, 0) + unsettled
        if missing or unexpected or doubled:
            for event_id, partition, offset, streamed, recomputed in self._rows(
                parity.odd_rows_sql(judged, self._left())
            ):
                report.first_differences.append(Difference(event_id, partition, offset, "row", streamed, recomputed))
        if differing:
            self._list_values(judged)

    def _list_values(self, judged: parity.Judged) -> None:
        names = list(parity.difference_sql(self._compiled))
        for event_id, partition, offset, *values in self._rows(parity.differing_rows_sql(judged, self._left())):
            triples = zip(names, values[0::3], values[1::3], values[2::3], strict=True)
            for name, streamed, recomputed, differs in triples:
                if differs and self._left():
                    self._report.first_differences.append(
                        Difference(event_id, partition, offset, name, streamed, recomputed)
                    )

    def _compare_ledger(self, differences: str, ledger: str) -> None:
        for event_id, partition, offset, told, owed, is_pending in self._rows(differences):
            if is_pending:
                self._report.pending += 1
                continue
            self._report.ledger_differences += 1
            if self._left():
                self._report.first_differences.append(Difference(event_id, partition, offset, ledger, told, owed))

    def _left(self) -> int:
        return self._most - len(self._report.first_differences)

    def _table(self, name: str, select: str) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {select}")

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def _row(self, query: str) -> tuple[Any, ...]:
        return self._rows(query)[0]
