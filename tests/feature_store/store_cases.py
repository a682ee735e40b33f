"""Views and rows that the tests of the feature store share."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from headrace_features.online import GuardedStore, OnlineRow, Order
from headrace_features.resolve import load_views
from headrace_features.view import View
from headrace_ingestion.contract import load_contracts

NewStore = Callable[[], GuardedStore]
"""Opens the same store once more: another writer, as another process would have it."""

CALL = """\
name: call
version: 1
key: subscriber_id
time: started_at
fields:
  subscriber_id: {type: string}
  started_at: {type: timestamp}
  duration_s: {type: double}
  country: {type: string}
"""

SUBSCRIBER = """\
name: subscriber
source: call
key: subscriber_id
features:
  - lag: {of: country, steps: [1]}
  - window: {of: duration_s, over: [1h], take: [count, sum]}
  - expression: {name: is_long, sql: duration_s > 60}
ttl: 24h
"""

TICK = """\
name: tick
version: 1
key: cell
time: t
fields:
  cell: {type: long}
  t: {type: timestamp}
  load: {type: double}
"""

CELL = """\
name: cell
source: tick
key: cell
features:
  - lag: {of: load, steps: [1]}
ttl: 1h
"""


def row(
    key: str,
    clock_ms: int = 1_000,
    offset: int = 0,
    *,
    generation: int = 0,
    revision: int = 0,
    emitted_at_ms: int = 0,
    declaration: str = "0123456789ab",
    features: Mapping[str, object] | None = None,
) -> OnlineRow:
    """Make a row; its event time is its clock."""
    order = Order(generation, clock_ms, offset, revision, emitted_at_ms)
    return OnlineRow(key, order, clock_ms, declaration, OnlineRow.encode(features or {}))


def load_project(folder: Path, events: Mapping[str, str], features: Mapping[str, str]) -> dict[str, View]:
    """Write contracts and declarations of views, and load the views."""
    for name, documents in {"events": events, "features": features}.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for document, text in documents.items():
            (folder / name / f"{document}.yaml").write_text(text)
    return load_views(folder / "features", load_contracts(folder / "events"), root=folder)


def record(view: View, key: str, offset: int, *, clock_ms: int | None = None, **changes: object) -> dict[str, Any]:
    """Make a record of `features.<view>`, as the job writes it; `country_lag_1` and the rest follow from the offset."""
    clock_ms = offset if clock_ms is None else clock_ms
    return {
        "event_id": f"call-0-{offset}",
        view.key: key,
        "event_time_ms": clock_ms,
        "clock_ms": clock_ms,
        "generation": 0,
        "source_partition": 0,
        "source_offset": offset,
        "revision": 0,
        "declaration": view.digest,
        "ingested_at_ms": clock_ms,
        "emitted_at_ms": clock_ms + 5,
        "country_lag_1": "NO",
        "duration_s_count_1h": offset,
        "duration_s_sum_1h": offset * 1.5,
        "is_long": offset % 2 == 0,
        **changes,
    }


def newest_records(records: Iterable[dict[str, Any]], key: str) -> dict[str, int]:
    """Return, for each key, the greatest source offset: with clocks that never go back, that of the newest record."""
    newest: dict[str, int] = {}
    for each in records:
        newest[each[key]] = max(each["source_offset"], newest.get(each[key], -1))
    return newest
