"""Rows of a bounded run of Flink that are stored as a backfill: what the lake lacks, once, as if from no topic."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from headrace_features.duckdb_ledgers import make_ledgers
from headrace_features.history import Past
from headrace_lake import duplicates_table, late_events_table
from headrace_lake.commit import append_rows
from headrace_lake.forgotten import Missing, record_forgotten
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import TableSpec, events_table
from headrace_streaming.checkpoints import StateFolder

import headrace
from headrace.features.backfill import BackfillError, backfill
from headrace.project import Project
from headrace.shadow.fill import lacking_of
from headrace.tables import view_table

EVENT = """
name: call
version: 1
key: subscriber
time: at
fields: {subscriber: {type: string}, at: {type: timestamp}}
"""
VIEW = """{name: calls, source: call, key: subscriber, order: event_time, lateness: 1s, features: [{since_last: {}}],
ttl: 1h}"""


def rows_of(spec: TableSpec, given: list[dict[str, Any]]) -> pa.Table:
    schema = arrow_schema(spec)
    plain: dict[str, Any] = {
        "event_id": "e", "subscriber": "a", "event_time": 0, "clock": 0, "generation": 0, "source_partition": 0,
        "revision": 0, "declaration": "", "ingested_at": 0, "emitted_at": 0, "since_last_seconds": 1.0, "view": "calls",
        "event": "call", "key": "a", "partition": 0, "order": "event_time", "_partition": 2, "_offset": 7, "_key": "a",
        "_recorded_at": 0,
    }  # fmt: skip
    wanted = [{name: one[name] for name in schema.names if name in one} for one in ({**plain, **g} for g in given)]
    return pa.Table.from_pylist(wanted, schema=schema)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose lake has two rows of its view, one of them of an older declaration, and a duplicate."""
    files = {
        "headrace.yaml": "name: trial\nkafka: {bootstrap_servers: '127.0.0.1:1'}\n",
        "events/call.yaml": EVENT,
        "features/calls.yaml": VIEW,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    project = headrace.open(tmp_path, environ={})
    view = project.views["calls"]
    spec, lake = view_table(view, ""), project.folders.lake
    stored = [{"source_offset": 1, "declaration": view.digest}, {"source_offset": 2, "declaration": "older"}]
    append_rows(lake, spec, rows_of(spec, stored), "test")
    duplicate = {"offset": 3, "declaration": view.digest}
    append_rows(lake, duplicates_table(), rows_of(duplicates_table(), [duplicate]), "test")
    return project


def test_only_what_the_lake_lacks_is_stored_and_it_comes_from_no_topic(project: Project) -> None:
    view = project.views["calls"]
    spec = view_table(view, "")
    past = Past({0: 9}, 0)
    with project.lake.connect() as lake:
        make_ledgers(lake, view)
        here: list[dict[str, Any]] = [{"source_offset": offset, "declaration": view.digest} for offset in (1, 2, 3)]
        rows = lacking_of(lake, view, "features", rows_of(spec, here), past)
        entries: list[dict[str, Any]] = [{"offset": 3}, {"offset": 4}, {"offset": 5, "view": "another"}]
        repeats = lacking_of(lake, view, "duplicates", rows_of(duplicates_table(), entries), past)
        late = lacking_of(lake, view, "late_events", rows_of(late_events_table(), [{"offset": 3}]), past)
        # A run that ends gives rows of labels that still wait, too; those are not past.
        waiting: list[dict[str, Any]] = [{**one, "event_time": datetime(2026, 1, 31, tzinfo=UTC)} for one in here]
        later = replace(past, later='epoch_ms("started_at") > 0')
        assert lacking_of(lake, view, "features", rows_of(spec, waiting), later).num_rows == 0
    assert rows.column("source_offset").to_pylist() == [2, 3]
    assert repeats.column("offset").to_pylist() == [4]
    assert late.column("offset").to_pylist() == [3]
    for table in (rows, repeats, late):
        assert set(table.column("_partition").to_pylist()) == set(table.column("_offset").to_pylist()) == {None}
        assert set(table.column("_key").to_pylist()) == {"a"}


def test_rows_of_forgotten_events_do_not_come_back(project: Project) -> None:
    view = project.views["calls"]
    spec, events = view_table(view, ""), events_table(view.contract)
    left = {"event_id": "e", "subscriber": "b", "at": 0, "_partition": 0, "_offset": 5, "_key": "b", "_recorded_at": 0}
    append_rows(project.folders.lake, events, pa.Table.from_pylist([left], schema=arrow_schema(events)), "test")
    here: list[dict[str, Any]] = [{"source_offset": offset, "declaration": view.digest} for offset in (4, 5)]

    def offsets() -> list[int]:
        with project.lake.connect() as lake:
            make_ledgers(lake, view)
            rows = lacking_of(lake, view, "features", rows_of(spec, here), Past({0: 9}, 0))
        return sorted(rows.column("source_offset").to_pylist())

    # Retention may have deleted the event of the first.
    assert offsets() == [4, 5]
    record_forgotten(project.folders.lake, [Missing("events.call", "a")], "salt", "test", datetime.now(UTC))
    assert offsets() == [5]


def test_flink_does_not_go_on_with_rows_in_the_order_of_event_times(project: Project) -> None:
    digest = project.views["calls"].digest
    state = StateFolder(project.folder / "state", "0123")
    with pytest.raises(BackfillError) as caught:
        backfill(project, project.plans["call.subscriber"], state, engine="flink")
    assert str(caught.value) == (
        "the lake has 1 rows of calls already, and a run of Flink may take other events for late\n"
        f"  order:        event_time\n  declaration:  {digest}\n  expected:     no row of this declaration\n"
        "  try:          headrace features backfill calls --engine duckdb"
    )
