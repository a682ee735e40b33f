"""What the tests of reconciling share: a row in the lake and in the store, and a store in which something happens."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from headrace_features.online import GuardedStore, OnlineRow, Order
from headrace_features.reconcile import reconcile
from headrace_features.reconcile_report import ReconcileReport
from headrace_features.view import View
from headrace_lake import Lake
from lake_cases import START, at, write_rows

SUM = "duration_s_sum_1h"
START_MS = int(START.timestamp() * 1_000)


def lake_row(key: str, clock: float = 10, offset: int = 1, **values: Any) -> dict[str, Any]:
    """Make a row of the lake; its clock is in seconds after the start."""
    place = {"source_offset": offset, "event_id": f"{key}-{offset}"}
    return {"subscriber_id": key, "clock": at(clock), **place, "duration_s_count_1h": 3, SUM: 4.5, **values}


def online_row(view: View, row: Mapping[str, Any], **changes: Any) -> OnlineRow:
    """Make what the online writer stores of a row of the lake."""
    full = {"event_time": row["clock"], "emitted_at": row["clock"], "declaration": view.digest, **row, **changes}
    order = Order(
        full.get("generation", 0), ms(full["clock"]), full["source_offset"], full.get("revision", 0),
        ms(full["emitted_at"]),
    )  # fmt: skip
    features = {column.name: full.get(column.name) for column in view.columns}
    key = str(full[view.key])
    return OnlineRow(key, order, ms(full["event_time"]), full["declaration"], OnlineRow.encode(features))


def ms(instant: datetime) -> int:
    return (instant - START) // timedelta(milliseconds=1) + START_MS


def compared(folder: Path, store: GuardedStore, view: View, **options: Any) -> ReconcileReport:
    """Compare at once: nothing is on its way."""
    return reconcile(Lake(folder), store, view, **{"patience_seconds": 0, **options})


def counts(report: ReconcileReport) -> dict[str, int]:
    """Return the kinds that were found."""
    kinds = ("equal", "missing", "stale", "different", "ahead", "unknown")
    return {kind: getattr(report, kind) for kind in kinds if getattr(report, kind)}


def one_of_each(lake: Path, store: GuardedStore, view: View) -> None:
    """Make keys of every kind; the lake's youngest row is two minutes younger than the others."""
    rows = [lake_row(key) for key in ("equal", "missing", "stale", "different", "ahead")]
    earlier = [lake_row(key, 5, 0) for key in ("equal", "stale")]
    write_rows(lake, view, [*rows, *earlier, lake_row("youngest", 130, 9)])
    store.write(view.name, [
        online_row(view, rows[0]), online_row(view, earlier[1]), online_row(view, rows[3], **{SUM: 4.0}),
        online_row(view, lake_row("ahead", 11, 2)), online_row(view, lake_row("unknown")),
        online_row(view, lake_row("new", 131, 10)), online_row(view, lake_row("youngest", 130, 9)),
    ])  # fmt: skip


class Meddled:
    """A store in which something happens after it was read for the first time.

    Args:
        store: The store.
        happens: What happens.
    """

    def __init__(self, store: GuardedStore, happens: Any) -> None:
        self._store = store
        self._happens = happens
        self.write, self.restore, self.keys = store.write, store.restore, store.keys
        self.forget, self.drop, self.close = store.forget, store.drop, store.close

    def read(self, view: str, keys: Sequence[str]) -> list[OnlineRow | None]:
        found = self._store.read(view, keys)
        happens, self._happens = self._happens, lambda: None
        happens()
        return found
