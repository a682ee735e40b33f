"""`verify` and `repair` where rows follow from event times: late events, what waits, and revisions."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import parity_lake
import pytest
from headrace_features.repair import RepairError, repair
from headrace_features.verify import ParityReport, verify
from parity_lake import LATENESS_MS, RULES, ParityLake
from reference import Event, Row, reference_rows
from test_view_parity import reading

MINUTE_MS = 60_000


def readings() -> list[Event]:
    """Return readings out of order, two of them late, a duplicate, ties, and one that settles them all."""
    return [
        *(reading(offset, key="ab"[offset % 2]) for offset in range(10)),
        reading(10, key="a", at_ms=650),
        reading(11, key="a", at_ms=450),
        reading(12, key="a", at_ms=100),
        reading(13, key="b", at_ms=900, event_id="e-9"),
        reading(14, key="a", at_ms=1_500),
        reading(15, key="a", at_ms=1_500),
        reading(16, key="b", at_ms=300),
        reading(17, key="b", at_ms=3_000),
        reading(18, key="c", at_ms=9_000),
        reading(19, key="d", at_ms=9_400),
    ]


LATE_OFFSETS = [12, 16]


def made_of(folder: Path, events: list[Event] | None = None) -> ParityLake:
    return ParityLake(folder, readings() if events is None else events, in_event_time=True)


def report_of(made: ParityLake) -> ParityReport:
    return verify(made.lake(), made.view)


def all_in_time(events: list[Event]) -> dict[int, Row]:
    """Return the rows that no event would be too late for, by offset."""
    rows = reference_rows(replace(RULES, lateness_ms=100 * MINUTE_MS), events)
    return {row.event.offset: row for row in rows if row.has_row}


class Pushed:
    """A topic of rows, as a list."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.flushed = 0

    def send(self, key: bytes, value: bytes) -> None:
        record = json.loads(value)
        assert key == record["series"].encode()
        self.records.append(record)

    def flush(self) -> None:
        self.flushed = len(self.records)


def store(made: ParityLake, records: list[dict[str, Any]], events: list[Event]) -> None:
    """Let the lake have what was pushed, and find it right."""
    wanted = all_in_time(events)
    for record in records:
        row = made.row(wanted[record["source_offset"]], revision=record["revision"])
        for name, value in record.items():
            there = row.get(name, value)
            assert there == (pytest.approx(value) if isinstance(value, float) else value), name
        made.rows.append(row)


def test_rows_by_event_time_and_the_ledger_of_the_reference_pass(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    assert [entry["offset"] for entry in made.ledgers["late_events"]] == LATE_OFFSETS
    assert [entry["offset"] for entry in made.ledgers["duplicates"]] == [13]
    report = report_of(made)
    assert report.first_differences == []
    assert (report.outcome, report.rows, report.pending, report.not_verifiable) == ("passed", 17, 0, {})


def test_an_event_that_is_in_neither_the_view_nor_the_ledger_is_missing(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    del made.ledgers["late_events"][0]
    report = report_of(made)
    assert (report.missing, report.first_differences[0].offset) == (1, LATE_OFFSETS[0])


def test_an_event_that_is_in_both_is_unexpected(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    made.rows.append(
        {**made.rows[-1], "source_offset": 12, "event_id": "e-12", "event_time": made.rows[1]["event_time"]}
    )
    report = report_of(made)
    assert report.unexpected == 1


def test_a_late_event_whose_watermark_had_not_passed_it_is_a_difference(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    entry = made.ledgers["late_events"][0]
    entry["clock"] = entry["event_time"] + (LATENESS_MS - 1) * 1000
    report = report_of(made)
    assert (report.ledger_differences, report.first_differences[0].streamed) == (1, "late")


def test_what_another_declaration_has_called_late_does_not_count(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    made.ledgers["late_events"].append({**made.ledgers["duplicates"][0], "order": "event_time", "declaration": "old"})
    assert report_of(made).passed


def test_events_that_wait_for_the_watermark_are_pending(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    made.rows = [row for row in made.rows if row["source_offset"] not in (18, 19)]
    report = report_of(made)
    assert (report.outcome, report.pending) == ("passed", 2)


def test_an_event_that_the_job_has_not_read_yet_is_pending_and_counts_in_no_row(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    # When the job comes to it, this one is late; the lake has it before, and one that settles all before.
    made.events += [made.event(reading(20, key="a", at_ms=700)), made.event(reading(21, key="d", at_ms=30_000))]
    report = report_of(made)
    assert report.first_differences == []
    assert (report.outcome, report.rows, report.pending) == ("passed", 17, 2)


def test_a_row_that_differs_while_its_events_may_be_missing_is_not_verifiable(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    made.rows[-1]["x_sum_1s"] = 4711.0
    report = report_of(made)
    assert (report.outcome, report.differing, sum(report.not_verifiable.values())) == ("passed", 0, 1)


def test_a_row_that_differs_with_all_its_events_is_a_mismatch(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    made.rows[3]["x_sum_1s"] = 4711.0
    report = report_of(made)
    assert (report.differing, report.first_differences[0].column) == (1, "x_sum_1s")


def test_a_repair_pushes_late_events_and_the_rows_they_change_and_finds_nothing_more(tmp_path: Path) -> None:
    made, events, topic = made_of(tmp_path), readings(), Pushed()
    found = repair(made.lake(), made.view, topic)
    assert (found.late_events, found.keys, found.waiting) == (2, 2, 0)
    assert topic.flushed == len(topic.records) == found.added + found.changed
    assert sorted(r["source_offset"] for r in topic.records if r["source_offset"] in LATE_OFFSETS) == LATE_OFFSETS
    assert {r["revision"] for r in topic.records} == {1}

    (tmp_path / "repaired").mkdir()
    repaired = made_of(tmp_path / "repaired")
    store(repaired, topic.records, events)
    report = report_of(repaired)
    assert report.first_differences == []
    assert (report.outcome, report.rows, report.not_verifiable) == ("passed", 19, {})
    again = Pushed()
    assert (repair(repaired.lake(), repaired.view, again).added, again.records) == (0, [])


def test_a_second_repair_counts_another_late_event_in(tmp_path: Path) -> None:
    events = readings()
    events.insert(18, reading(18, key="a", at_ms=200))
    events = [replace(event, offset=offset) for offset, event in enumerate(events)]
    made, topic = made_of(tmp_path, events), Pushed()
    repair(made.lake(), made.view, topic)
    assert {(r["series"], r["revision"]) for r in topic.records} == {("a", 2), ("b", 1)}
    first = [r for r in topic.records if r["series"] == "b"]
    (tmp_path / "half").mkdir()
    half = made_of(tmp_path / "half", events)
    store(half, first, events)
    report = report_of(half)
    assert (report.outcome, report.first_differences) == ("passed", [])


def test_a_wrong_row_of_a_repair_is_a_mismatch(tmp_path: Path) -> None:
    made, topic = made_of(tmp_path), Pushed()
    repair(made.lake(), made.view, topic)
    (tmp_path / "repaired").mkdir()
    repaired = made_of(tmp_path / "repaired")
    store(repaired, topic.records, readings())
    repaired.rows[-1]["x_sum_1s"] = 4711.0
    report = report_of(repaired)
    assert (report.differing, report.first_differences[0].column) == (1, "x_sum_1s")


def test_a_late_event_that_the_lake_does_not_have_yet_waits(tmp_path: Path) -> None:
    made, topic = made_of(tmp_path), Pushed()
    made.events = [event for event in made.events if event["_offset"] != 12]
    found = repair(made.lake(), made.view, topic)
    assert (found.late_events, found.keys, found.waiting) == (1, 1, 1)
    assert {r["series"] for r in topic.records} == {"b"}


def test_a_repair_counts_nothing_in_that_the_job_may_still_call_late(tmp_path: Path) -> None:
    made, topic = made_of(tmp_path), Pushed()
    made.events += [made.event(reading(20, key="a", at_ms=700)), made.event(reading(21, key="d", at_ms=30_000))]
    repair(made.lake(), made.view, topic)
    (tmp_path / "repaired").mkdir()
    repaired = made_of(tmp_path / "repaired")
    store(repaired, topic.records, readings())
    report = report_of(repaired)
    assert (report.outcome, report.first_differences) == ("passed", [])


def test_what_the_lake_has_lost_events_of_is_not_repaired(tmp_path: Path) -> None:
    made, topic = made_of(tmp_path), Pushed()
    made.events = [event for event in made.events if event["_offset"] >= 8]
    found = repair(made.lake(), made.view, topic)
    assert (found.late_events, found.not_repairable, found.waiting, topic.records) == (0, 2, 0, [])
    assert found.text().endswith(
        "0 rows added, 0 changed; 2 cannot be counted in: events before them are gone, or without one order"
    )


def test_columns_may_have_the_names_of_what_a_repair_keeps_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("is_new", "is_settled", "streamed_revision", "last", "first_gone", "last_event", "last_row", "settled_ms")
    expressions = [{"expression": {"name": name, "sql": "above"}} for name in names]
    features = [*parity_lake.DECLARATION["features"], *expressions]
    monkeypatch.setitem(parity_lake.DECLARATION, "features", features)
    above = RULES.expressions["high"]
    rules = replace(RULES, expressions={"high": above, **dict.fromkeys(names, above)})
    monkeypatch.setattr(parity_lake, "RULES", rules)
    made, topic = made_of(tmp_path), Pushed()
    assert report_of(made).outcome == "passed"
    found = repair(made.lake(), made.view, topic)
    assert (found.added, found.changed) == (2, 9)
    wanted = reference_rows(replace(rules, lateness_ms=100 * MINUTE_MS), readings())
    for record in topic.records:
        columns = wanted[record["source_offset"]].columns
        assert {name: record[name] for name in names} == {name: columns[name].value for name in names}


def test_without_a_topic_rows_are_only_counted(tmp_path: Path) -> None:
    made, topic = made_of(tmp_path), Pushed()
    lake = made.lake()
    pushed, counted = repair(lake, made.view, topic), repair(lake, made.view, None)
    assert counted == replace(pushed, pushed=False)
    assert counted.text() == (
        f"series (declaration {made.view.digest}): 2 late events of 2 keys, "
        f"{pushed.added} rows to add, {pushed.changed} to change"
    )


def test_a_view_by_arrival_has_nothing_to_repair(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    with pytest.raises(RepairError) as caught:
        repair(made.lake(), made.view, None)
    assert str(caught.value) == (
        "the view 'series' is ordered by arrival: an event that comes late counts when it comes\n"
        "  declared in:  view.yaml\n  order:        arrival\n  try:          headrace features verify series"
    )
