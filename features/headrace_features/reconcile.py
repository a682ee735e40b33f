"""Reconciliation: the newest row of each key in the lake, compared with the one that the online store holds.

Of two rows the one of the greater `Order` is the newer. Values are compared as they stand in a JSON object: doubles bit
for bit, a column without a value is null, and so is one that is no finite number.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pyarrow as pa
from headrace_ingestion.clock import Clock, SystemClock
from headrace_lake.query import Limits
from headrace_lake.tables import features_table

from headrace_features.duckdb_events import rows_of
from headrace_features.duckdb_newest import HEAD, newest_made_sql, newest_sql
from headrace_features.online.row import OnlineRow, Order
from headrace_features.online.store import GuardedStore
from headrace_features.reconcile_report import WRONG, Finding, Kind, ReconcileReport
from headrace_features.view import View

if TYPE_CHECKING:
    from headrace_lake import Lake

__all__ = ["Finding", "ReconcileReport", "reconcile"]

BATCH_KEYS = 10_000
MOST_DIFFERENCES = 20
PATIENCE_SECONDS = 2.0
"""A row may be in the lake this long before the online writer has stored it."""
IN_FLIGHT_MS = 60_000
"""A row may be online this long before the lake has it, while it has younger rows of other partitions."""


class LakeRow(NamedTuple):
    """The newest row of a key in the lake.

    Attributes:
        key: The entity key as text.
        order: Its place in the history of the key.
        event_time_ms: The event's own time, in milliseconds since 1970.
        declaration: Hash of the declaration that computed it.
        features: Every column of the view; of those that the view no longer has, the ones with a value.
    """

    key: str
    order: Order
    event_time_ms: int
    declaration: str
    features: dict[str, Any]

    def online(self) -> OnlineRow:
        """Return the row as the online store takes it."""
        return OnlineRow(self.key, self.order, self.event_time_ms, self.declaration, OnlineRow.encode(self.features))


class _Verdict(NamedTuple):
    row: LakeRow
    kind: Kind
    findings: list[Finding]


def reconcile(
    lake: Lake,
    store: GuardedStore,
    view: View,
    *,
    mend: bool = False,
    most_differences: int = MOST_DIFFERENCES,
    batch_keys: int = BATCH_KEYS,
    patience_seconds: float = PATIENCE_SECONDS,
    clock: Clock | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> ReconcileReport:
    """Return the comparison of the online store with one version of the lake, which is fixed first.

    So a row that arrives meanwhile can only make the store be ahead. A row that the lake had before the online writer
    came to it is waited for: nothing is believed to be wrong that is read sooner than `patience_seconds` after the
    version was fixed.

    Args:
        lake: The lake; a table that nobody wrote yet counts as empty.
        store: The online store.
        view: The view.
        mend: Put the lake's rows of missing, stale and different keys into the store. A newer row stays there.
        most_differences: How many differences are listed.
        batch_keys: Keys that are compared at a time.
        patience_seconds: How old the fixed version has to be for what is wrong to be believed.
        clock: The clocks.
        sleep: Waits that many seconds.

    Raises:
        OnlineStoreUnavailableError: The store does not answer; what was mended before is.
    """
    now = (clock or SystemClock()).monotonic_seconds
    with lake.connect() as connection:
        wait = _Wait(now, sleep, now() + patience_seconds)
        connection.execute(f"SET memory_limit = '{Limits().memory_bytes}B'")
        report = ReconcileReport(view.name, view.digest, mended=0 if mend else None)
        newest = _NewestRows(connection, view, batch_keys)
        comparison = _Comparison(store, view, report, most_differences, wait)
        for rows in newest.batches():
            comparison.judge(rows)
        for keys in newest.without(store.keys(view.name)):
            comparison.judge_unseen(keys, newest.made_ms - IN_FLIGHT_MS)
        return report


class _Wait:
    """Waits, once, until an instant."""

    def __init__(self, now: Callable[[], float], sleep: Callable[[float], None], until: float) -> None:
        self._now, self._sleep, self._until = now, sleep, until

    def wait(self) -> bool:
        """Return at the instant; tell whether that was a wait."""
        left = self._until - self._now()
        if left <= 0:
            return False
        self._sleep(left)
        return True


class _NewestRows:
    """The newest row of each key of the lake, held in a table of DuckDB, which spills to disk.

    Attributes:
        made_ms: When the youngest row of the view was made, in milliseconds since 1970; 0 without rows.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, view: View, batch_keys: int) -> None:
        self._connection = connection
        self._batch_keys = batch_keys
        self._declared = [column.name for column in view.columns]
        stored = self._stored(view)
        key_type = view.contract.fields[view.key].type
        envelope = {column.name for column in features_table(view.name, view.key, key_type, []).all_columns}
        former = sorted(stored - envelope - set(self._declared))
        self._names = [*self._declared, *former]
        self.made_ms = 0
        if not stored:
            connection.execute("CREATE TABLE newest (key VARCHAR)")
            return
        connection.execute(f"CREATE TABLE newest AS {newest_sql(view, self._names, stored)}")
        (made_ms,) = connection.execute(newest_made_sql(view)).fetchall()[0]
        self.made_ms = made_ms or 0

    def batches(self) -> Iterator[list[LakeRow]]:
        """Yield the rows by key."""
        for columns in self._parts("SELECT * FROM newest ORDER BY key"):
            yield [self._row(values) for values in zip(*columns, strict=True)]

    def without(self, pages: Iterator[list[str]]) -> Iterator[list[str]]:
        """Yield those of the keys that the lake does not have, each once."""
        self._connection.execute("CREATE TABLE online (key VARCHAR)")
        for page in pages:
            self._connection.register("page", pa.table({"key": pa.array(page, pa.string())}))
            self._connection.execute("INSERT INTO online SELECT key FROM page")
        for (keys,) in self._parts("SELECT DISTINCT key FROM online ANTI JOIN newest USING (key) ORDER BY key"):
            yield keys

    def _stored(self, view: View) -> set[str]:
        there = self._connection.execute("SELECT view_name FROM duckdb_views() WHERE schema_name = 'raw'").fetchall()
        if (f"features_{view.name}",) not in there:
            return set()
        return {name for name, *_ in self._connection.execute(f"DESCRIBE {rows_of(view)}").fetchall()}

    def _parts(self, query: str) -> Iterator[list[list[Any]]]:
        for batch in self._connection.sql(query).to_arrow_reader(self._batch_keys):
            yield [column.to_pylist() for column in batch.columns]

    def _row(self, values: Sequence[Any]) -> LakeRow:
        key, *order, event_time_ms, declaration = values[: len(HEAD)]
        named = zip(self._names, values[len(HEAD) :], strict=True)
        declared = len(self._declared)
        features = {name: value for index, (name, value) in enumerate(named) if index < declared or value is not None}
        return LakeRow(key, Order(*order), event_time_ms, declaration, features)


class _Comparison:
    """Judges keys, mends them, and counts."""

    def __init__(
        self, store: GuardedStore, view: View, report: ReconcileReport, most_differences: int, wait: _Wait
    ) -> None:
        self._store = store
        self._view = view
        self._report = report
        self._most = most_differences
        self._wait = wait

    def judge(self, rows: Sequence[LakeRow]) -> None:
        """Compare rows of the lake with what is online."""
        verdicts = self._verdicts(rows)
        if any(verdict.kind in WRONG for verdict in verdicts) and self._wait.wait():
            verdicts = self._verdicts(rows)
        for verdict in verdicts:
            self._report.count(verdict.kind)
            self._list(verdict.findings)
        wrong = [verdict for verdict in verdicts if verdict.kind in WRONG]
        if wrong and self._report.mended is not None:
            self._report.mended += self._mend(wrong)
            wrong = [verdict for verdict in self._verdicts([each.row for each in wrong]) if verdict.kind in WRONG]
        self._report.left += len(wrong)

    def judge_unseen(self, keys: Sequence[str], known_until_ms: int) -> None:
        """Count keys that the lake does not have.

        Args:
            keys: The keys.
            known_until_ms: Rows that were made before would stand in the lake, had they come from the topic.
        """
        for row in self._store.read(self._view.name, keys):
            if row is None:
                continue  # it was removed meanwhile
            kind: Kind = "unknown" if row.order.emitted_at_ms < known_until_ms else "ahead"
            self._report.count(kind)
            if kind == "unknown":
                self._list([Finding(kind, row.key, "row", None, place_text(row.order))])

    def _verdicts(self, rows: Sequence[LakeRow]) -> list[_Verdict]:
        online = self._store.read(self._view.name, [row.key for row in rows])
        return [_Verdict(row, *judged(row, there, self._view)) for row, there in zip(rows, online, strict=True)]

    def _mend(self, wrong: Sequence[_Verdict]) -> int:
        name = self._view.name
        newer = [verdict.row.online() for verdict in wrong if verdict.kind != "different"]
        same = [verdict.row.online() for verdict in wrong if verdict.kind == "different"]
        return self._store.write(name, newer) + self._store.restore(name, same)

    def _list(self, findings: Sequence[Finding]) -> None:
        room = self._most - len(self._report.first_differences)
        self._report.first_differences += findings[: max(0, room)]


def judged(row: LakeRow, online: OnlineRow | None, view: View) -> tuple[Kind, list[Finding]]:
    """Return what became of a key of the lake, and the differences if something is wrong.

    Only columns that the view has are compared: of a row of another declaration the others are served to nobody.
    """
    if online is None:
        return "missing", [Finding("missing", row.key, "row", place_text(row.order), None)]
    if online.order > row.order:
        return "ahead", []
    if online.order < row.order:
        return "stale", [Finding("stale", row.key, "row", place_text(row.order), place_text(online.order))]
    values = online.features()
    pairs = [
        ("declaration", row.declaration, online.declaration),
        ("event_time_ms", row.event_time_ms, online.event_time_ms),
        *((c.name, *_as_json(c.type, row.features[c.name], values.get(c.name))) for c in view.columns),
    ]
    findings = [
        Finding("different", row.key, name, lake, there) for name, lake, there in pairs if not _same(lake, there)
    ]
    return ("different" if findings else "equal"), findings


def place_text(order: Order) -> str:
    """Return the place of a row in the history of its key, for people."""
    return ", ".join(f"{name} {part}" for name, part in order._asdict().items())


def _as_json(type_: str, lake: Any, online: Any) -> tuple[Any, Any]:
    """Return a value of either side in the type of its column, as JSON can carry it."""
    if type_ != "double":
        return lake, online
    if lake is not None and not math.isfinite(lake):
        lake = None
    # JSON has one type of number: 5 may stand for 5.0.
    return lake, float(online) if type(online) is int else online


def _same(lake: Any, online: Any) -> bool:
    if type(lake) is not type(online):
        return False
    return bool(lake.hex() == online.hex() if type(lake) is float else lake == online)
