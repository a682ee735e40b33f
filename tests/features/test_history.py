"""A backfill in the order of event times, where rows of the declaration are there already."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from headrace_features import history
from headrace_features.history import Filled, Past, Place, fill, past_of
from headrace_features.repair import repair
from headrace_features.verify import verify
from headrace_lake import (
    Lake,
    TableSpec,
    dead_letters_table,
    duplicates_table,
    events_table,
    features_table,
    late_events_table,
)
from headrace_lake.commit import append_records, append_rows
from headrace_lake.layout import table_folder
from headrace_lake.schemas import arrow_schema
from parity_lake import ParityLake
from reference import Event
from test_event_time_parity import Pushed, all_in_time, readings
from test_view_parity import reading
from view_cases import READING

NOW_MS = 1_780_000_000_000
AFTERWARDS = [reading(20, key="a", at_ms=700), reading(21, key="d", at_ms=30_000)]
"""While no job runs: one behind the rows of its key, and one that settles them all."""

Put = Callable[[Place, pa.Table], None]


class EndedError(Exception):
    """The process that stored rows was ended."""


def storing(folder: Path, made: ParityLake, most: int | None = None) -> Put:
    """Return what stores rows in the lake, and ends after so many calls."""
    features = [(column.name, column.type) for column in made.view.columns]
    specs: dict[Place, TableSpec] = {
        "features": features_table("series", "series", "string", features),
        "late_events": late_events_table(),
        "duplicates": duplicates_table(),
    }
    calls: list[Place] = []

    def store(place: Place, rows: pa.Table) -> None:
        if len(calls) == most:
            raise EndedError
        calls.append(place)
        schema = arrow_schema(specs[place])
        append_rows(folder / "lake", specs[place], rows.select(schema.names).cast(schema), "test")

    return store


def filled(folder: Path, made: ParityLake, most: int | None = None, now_ms: int = NOW_MS) -> Filled:
    with made.lake().connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        past = Past({0: 1_000}, 0)
        return fill(connection, made.view, past, folder / "seed", storing(folder, made, most), now_ms=now_ms)


def test_an_event_behind_the_rows_that_are_there_is_late_and_they_stay_right(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings(), in_event_time=True)
    made.events += [made.event(event) for event in AFTERWARDS]
    done = filled(tmp_path, made)
    assert (done.rows, done.ledger_entries) == (1, 1)
    report = verify(made.lake(), made.view)
    assert report.first_differences == []
    assert (report.outcome, report.rows, report.pending) == ("passed", 18, 0)
    assert filled(tmp_path, made) == Filled(0, 0, done.seeds)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_one_that_was_ended_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(history, "_BATCH_ROWS", 5)
    made = ParityLake(tmp_path, readings(), in_event_time=True)
    made.rows, made.ledgers = [], {"late_events": [], "duplicates": []}
    with pytest.raises(EndedError):
        filled(tmp_path, made, most)
    later = pa.Table.from_pylist([made.event(e) for e in AFTERWARDS], schema=arrow_schema(events_table(READING)))
    write_deltalake(table_folder(tmp_path / "lake", "events", "reading"), later, mode="append")
    filled(tmp_path, made)
    report = verify(made.lake(), made.view)
    assert report.first_differences == []
    assert (report.outcome, report.pending, report.not_verifiable) == ("passed", 0, {})


def test_what_a_sink_could_not_hand_over_is_not_read_by_the_job(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    path = made.lake().path
    lake = Lake(path, [events_table(READING), dead_letters_table()])

    def offsets_with(event: str, offset: int) -> dict[int, int]:
        letter = {"reason": "r", "event": event, "topic": "events.reading", "partition": 0, "offset": offset}
        at = datetime(2026, 1, 31, tzinfo=UTC)
        append_records(path, dead_letters_table(), [({**letter, "recorded_at": at}, "k", at)], "test")
        with lake.connect() as connection:
            return past_of(connection, [made.view], "events.reading").offsets

    assert offsets_with("reading", 30) == {0: 31}
    assert offsets_with("sinks.crm", 90) == {0: 31}
    assert offsets_with("reading", 40) == {0: 41}


def test_repairs_before_and_after_a_backfill_count_the_same_late_events(tmp_path: Path) -> None:
    events = [*readings(), *AFTERWARDS]
    made, topic = ParityLake(tmp_path, readings(), in_event_time=True), Pushed()
    made.events += [made.event(event) for event in AFTERWARDS]
    filled(tmp_path, made)
    repair(made.lake(), made.view, topic)
    assert {(r["series"], r["revision"]) for r in topic.records} == {("a", 2), ("b", 1)}
    _push(tmp_path, made, events, topic)
    # The job goes on, and notes another one.
    one = reading(22, key="a", at_ms=800)
    _append(tmp_path, events_table(READING), [made.event(one)])
    noted = {**made.ledgers["late_events"][0], "event_id": one.event_id, "offset": one.offset, "_offset": one.offset}
    times = {"event_time": one.time_ms * 1000, "_recorded_at": (NOW_MS + 1) * 1000}
    _append(tmp_path, late_events_table(), [{**noted, **times, "clock": one.time_ms * 1000 + 600_000}])
    report = verify(made.lake(), made.view)
    assert report.first_differences == []
    assert report.outcome == "passed"


def _push(folder: Path, made: ParityLake, events: list[Event], topic: Pushed) -> None:
    wanted = all_in_time([replace(event) for event in events])
    rows = [made.row(wanted[r["source_offset"]], revision=r["revision"]) for r in topic.records]
    features = [(column.name, column.type) for column in made.view.columns]
    _append(folder, features_table("series", "series", "string", features), rows)


def _append(folder: Path, spec: TableSpec, rows: list[dict[str, object]]) -> None:
    table = pa.Table.from_pylist(rows, schema=arrow_schema(spec))
    write_deltalake(table_folder(folder / "lake", spec.schema, spec.name), table, mode="append")
