"""A real lake on disk with events, and the rows and ledgers that the reference gives for them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake
from headrace_features.view import View
from headrace_lake import Lake, TableSpec, duplicates_table, events_table, features_table, late_events_table
from headrace_lake.layout import table_folder
from headrace_lake.schemas import arrow_schema
from reference import Event, Row, Rules, reference_rows
from view_cases import READING, load_declaration

DECLARATION: dict[str, Any] = {
    "name": "series",
    "source": "reading",
    "key": "series",
    "derive": {"above": "x > 10"},
    "features": [
        {"lag": {"of": ["x", "s"], "steps": [1]}},
        {"window": {"of": ["x"], "over": ["1s", "3 rows"], "take": ["count", "sum", "mean", "std", "max"]}},
        {"zscore": {"of": ["x"], "over": ["3s"]}},
        {"since_last": {}},
        {"calendar": {"take": ["hour", "day_of_week"]}},
        {"expression": {"name": "high", "sql": "above"}},
    ],
    "ttl": "1h",
    "dedup": "100ms",
    "retain": "60s",
}
RULES = Rules(
    DECLARATION["features"][:-1],
    dedup_ms=100,
    retain_ms=60_000,
    derive={"above": lambda v: None if v["x"] is None else v["x"] > 10},
    expressions={"high": lambda v: v["above"]},
)
LATENESS_MS = 500
IN_EVENT_TIME = {"order": "event_time", "lateness": f"{LATENESS_MS}ms"}


class ParityLake:
    """Events that happened, and what the job is said to have made of them: change `rows` or `ledgers`, then `lake()`.

    Args:
        folder: Where declaration and lake are written.
        events: The events, all of partition 0 unless `partition_of` says otherwise.
        partition_of: Event id → partition.
        in_event_time: Whether the view has that order.
    """

    def __init__(
        self,
        folder: Path,
        events: Sequence[Event],
        partition_of: Mapping[str, int] | None = None,
        *,
        in_event_time: bool = False,
    ) -> None:
        self._folder = folder
        self._partition_of = partition_of or {}
        self._lake: Lake | None = None
        self.view: View = load_declaration(DECLARATION | (IN_EVENT_TIME if in_event_time else {}), folder)
        expected = reference_rows(replace(RULES, lateness_ms=LATENESS_MS if in_event_time else None), events)
        self.events: list[dict[str, Any]] = [self.event(event) for event in events]
        self.rows: list[dict[str, Any]] = [self.row(row) for row in expected if row.has_row]
        self.ledgers: dict[str, list[dict[str, Any]]] = {
            "late_events": [{**self._entry(row), "order": self.view.order} for row in expected if row.is_late],
            "duplicates": [self._entry(row) for row in expected if row.is_duplicate],
        }

    def lake(self) -> Lake:
        """Write everything, once, and return the lake."""
        if self._lake is not None:
            return self._lake
        features = [(column.name, column.type) for column in self.view.columns]
        specs = {
            "events": events_table(READING),
            "rows": features_table("series", "series", "string", features),
            "late_events": late_events_table(),
            "duplicates": duplicates_table(),
        }
        self._write(specs["events"], self.events)
        self._write(specs["rows"], self.rows)
        for name, entries in self.ledgers.items():
            self._write(specs[name], entries)
        self._lake = Lake(self._folder / "lake", list(specs.values()))
        return self._lake

    def _write(self, spec: TableSpec, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            folder = table_folder(self._folder / "lake", spec.schema, spec.name)
            write_deltalake(folder, pa.Table.from_pylist(list(rows), schema=arrow_schema(spec)))

    def _place(self, event: Event) -> dict[str, Any]:
        return {
            "_partition": self._partition_of.get(event.event_id, 0), "_offset": event.offset, "_key": event.key,
            "_recorded_at": event.time_ms * 1000,
        }  # fmt: skip

    def event(self, event: Event) -> dict[str, Any]:
        """Return an event as the lake holds it."""
        fields = {"event_id": event.event_id, "_contract": "reading/1", "series": event.key, "at": event.time_ms * 1000}
        return {**fields, **event.fields, **self._place(event)}

    def row(self, row: Row, *, revision: int = 0) -> dict[str, Any]:
        """Return a row of the reference as the lake holds it."""
        event = row.event
        place = self._place(event)
        return {
            "event_id": event.event_id, "series": event.key, "event_time": event.time_ms * 1000,
            "clock": row.clock_ms * 1000, "generation": row.generation, "source_partition": place["_partition"],
            "source_offset": event.offset, "revision": revision, "declaration": self.view.digest,
            "ingested_at": event.time_ms * 1000, "emitted_at": event.time_ms * 1000 + 5000, **place,
            **{name: expected.value for name, expected in row.columns.items()},
        }  # fmt: skip

    def _entry(self, row: Row) -> dict[str, Any]:
        event = row.event
        place = self._place(event)
        return {
            "view": "series", "event": "reading", "event_id": event.event_id, "key": event.key,
            "partition": place["_partition"], "offset": event.offset,
            "event_time": event.time_ms * 1000, "clock": row.clock_ms * 1000, "declaration": self.view.digest, **place,
        }  # fmt: skip
