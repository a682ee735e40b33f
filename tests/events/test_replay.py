"""Files as a stream again, into a broker in memory."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from headrace_ingestion.errors import BrokerUnavailableError, QueueFullError
from headrace_ingestion.records import StoredRecord
from headrace_ingestion.testing import FakeBroker
from headrace_ingestion.transport import OnResult, OutgoingRecord

import headrace.events.events as facade
from headrace.events import Events
from headrace.events.errors import ReplayInterruptedError
from headrace.events.mapping import Reading
from headrace.events.pacing import Pacer
from headrace.events.replay import Selection
from headrace.project import Project

TOPIC = "events.reading"


def write(path: Path, rows: int, start: str = "2026-01-31T00", step_minutes: int = 1) -> Path:
    """A CSV of readings, one a minute."""
    first = datetime.fromisoformat(f"{start}:00:00+00:00").timestamp()
    lines = [f"{datetime.fromtimestamp(first + 60 * step_minutes * n, UTC):%Y-%m-%d %H:%M:%S},{n}" for n in range(rows)]
    path.write_text("\n".join(["timestamp,value", *lines]) + "\n")
    return path


READING = Reading(columns={"at": "timestamp"}, key="{stem}")


def ids(records: list[StoredRecord]) -> list[str]:
    """Event ids of records."""
    return [(dict(record.headers)["event_id"] or b"").decode() for record in records]


def values(records: list[StoredRecord]) -> list[float]:
    """The field `value` of records."""
    return [json.loads(record.value or b"")["value"] for record in records]


def test_every_row_is_a_record_whose_timestamp_is_the_event_time(
    events: Events, fake: FakeBroker, tmp_path: Path
) -> None:
    report = events.replay("reading", [write(tmp_path / "s.csv", 3)], READING)
    assert (report.sent, report.refused, report.files) == (3, 0, 1)
    records = fake.records(TOPIC)
    assert [json.loads(record.value or b"") for record in records] == [
        {"series": "s", "at": f"2026-01-31T00:0{n}:00.000Z", "value": float(n)} for n in range(3)
    ]
    assert {record.key for record in records} == {b"s"}
    midnight = datetime(2026, 1, 31, tzinfo=UTC).timestamp() * 1000
    assert [record.timestamp - midnight for record in records] == [0, 60_000, 120_000]


def test_a_second_replay_has_the_same_ids_and_another_series_has_others(
    events: Events, fake: FakeBroker, tmp_path: Path
) -> None:
    first, copy = write(tmp_path / "a.csv", 5), write(tmp_path / "b.csv", 5)
    for files in ([first], [first], [copy]):
        events.replay("reading", files, READING)
    found = ids(fake.records(TOPIC))
    assert len(found) == 15
    assert len(set(found)) == 10


def test_the_id_of_the_file_is_kept(events: Events, fake: FakeBroker, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("event_id,series,at,value\nx-1,s,2026-01-31,1\nx-2,s,2026-01-31,2\n")
    events.replay("reading", [path])
    assert ids(fake.records(TOPIC)) == ["x-1", "x-2"]


def test_refused_rows_are_counted_and_shown_and_the_others_are_sent(
    events: Events, fake: FakeBroker, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("series,at,value\ns,2026-01-31,1\ns,yesterday,1\ns,2026-01-31\ns,2026-01-31,-1\ns,2026-02-01,2\n")
    report = events.replay("reading", [path])
    assert (report.sent, report.refused) == (2, 3)
    assert [(row.line, row.reason) for row in report.refusals] == [
        (3, "wrong_type"), (4, "not_a_row"), (5, "out_of_range"),
    ]  # fmt: skip
    assert values(fake.records(TOPIC)) == [1.0, 2.0]


def test_columns_without_a_field_are_ignored_and_said_once(events: Events, fake: FakeBroker, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("series,at,value,note\ns,2026-01-31,1,x\n")
    (tmp_path / "c.jsonl").write_text('{"series":"s","at":"2026-01-31T00:00:00Z","value":1,"note":"x","more":1}\n' * 2)
    said: list[str] = []
    files = [tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.jsonl"]
    report = events.replay("reading", files, say=said.append)
    assert said == [
        f"{tmp_path}/a.csv: the event 'reading' has no field for note: ignored",
        f"{tmp_path}/c.jsonl: the event 'reading' has no field for more: ignored",
    ]
    assert (report.sent, report.ignored) == (4, ["note", "more"])


class Watched:
    """A connection to the broker in memory that notes the record timestamps in the order of sending."""

    def __init__(self, broker: FakeBroker) -> None:
        self._inner = broker.transport()
        self.place = self._inner.place
        self.connect = self._inner.connect
        self.ready = self._inner.ready
        self.close = self._inner.close
        self.timestamps: list[int] = []

    def send(self, record: OutgoingRecord, on_result: OnResult) -> None:
        self.timestamps.append(record.timestamp_ms)
        self._inner.send(record, on_result)


def test_files_follow_one_another_unless_they_are_paced(project: Project, fake: FakeBroker, tmp_path: Path) -> None:
    late, early = write(tmp_path / "late.csv", 2, "2026-01-31T12"), write(tmp_path / "early.csv", 2, "2026-01-31T11")
    as_given, by_time = Watched(fake), Watched(fake)
    Events(project, as_given).replay("reading", [late, early], READING)
    # A year of event time a millisecond: the order of pacing without its waits.
    Events(project, by_time).replay("reading", [late, early], READING, speed=3e10)
    assert by_time.timestamps == sorted(as_given.timestamps)
    assert as_given.timestamps == by_time.timestamps[2:] + by_time.timestamps[:2]


def test_an_event_is_due_when_its_time_has_come_at_that_speed() -> None:
    now = 100.0
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    pacer = Pacer(60, lambda: now, sleep)
    for event_time_ms in (5_000_000, 5_060_000, 5_030_000, 5_180_000):
        pacer.wait(event_time_ms)
    assert slept == pytest.approx([1.0, 2.0])


def test_start_end_and_limit_choose_rows(events: Events, fake: FakeBroker, tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", 60)
    start, end = datetime(2026, 1, 31, 0, 10, tzinfo=UTC), datetime(2026, 1, 31, 0, 20, tzinfo=UTC)
    report = events.replay("reading", [path], READING, selection=Selection(start, end))
    assert (report.sent, report.left_out) == (10, 50)
    assert values(fake.records(TOPIC)) == [float(n) for n in range(10, 20)]
    assert events.replay("reading", [path], READING, selection=Selection(limit=7)).sent == 7


def test_a_finished_replay_has_nothing_to_resume(events: Events, fake: FakeBroker, tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", 5)
    events.replay("reading", [path], READING)
    report = events.replay("reading", [path], READING, resume=True)
    assert (report.sent, report.resumed_after) == (0, 5)
    assert len(fake.records(TOPIC)) == 5


def test_a_limited_replay_goes_on_after_its_limit(events: Events, fake: FakeBroker, tmp_path: Path) -> None:
    files = [write(tmp_path / "a.csv", 5), write(tmp_path / "b.csv", 5)]
    events.replay("reading", files, READING, selection=Selection(limit=7))
    report = events.replay("reading", files, READING, resume=True)
    assert (report.sent, report.resumed_after) == (3, 7)
    assert len(set(ids(fake.records(TOPIC)))) == len(fake.records(TOPIC)) == 10


def test_resuming_what_was_never_begun_says_so(events: Events, tmp_path: Path) -> None:
    said: list[str] = []
    report = events.replay("reading", [write(tmp_path / "s.csv", 2)], READING, resume=True, say=said.append)
    assert said == ["no earlier run of this replay is recorded: it starts from the beginning"]
    assert report.sent == 2


def test_an_interrupt_records_what_was_acknowledged(project: Project, fake: FakeBroker, tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", 12_000)

    def interrupt(done_bytes: int, total_bytes: int, sent: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(ReplayInterruptedError) as caught:
        Events(project, fake.transport()).replay("reading", [path], READING, on_progress=interrupt)
    (recorded,) = (project.folders.root / "replay").glob("*.json")
    assert str(caught.value) == (
        "the replay of 'reading' was interrupted after 5,000 acknowledged events\n"
        f"  recorded in:  {recorded}\n"
        "  try:          the same command with --resume"
    )
    report = Events(project, fake.transport()).replay("reading", [path], READING, resume=True)
    assert (report.resumed_after, report.sent) == (5_000, 7_000)
    assert sorted(values(fake.records(TOPIC))) == [float(n) for n in range(12_000)]


def test_only_rows_without_a_gap_before_them_count_as_sent(project: Project, tmp_path: Path) -> None:
    broker = FakeBroker()
    broker.create_topic(TOPIC)
    broker.be_slow()
    path = write(tmp_path / "s.csv", 10)
    with pytest.raises(ReplayInterruptedError) as caught:
        Events(project, broker.transport()).replay("reading", [path], READING, wait_seconds=0.1)
    assert "after 0 acknowledged events\n  why:          the broker has not answered for 10 events\n" in str(
        caught.value
    )
    broker.answer()
    report = Events(project, broker.transport()).replay("reading", [path], READING, resume=True)
    assert (report.resumed_after, report.sent) == (0, 10)
    # At least once: what was on its way stands twice, under the same ids.
    assert len(set(ids(broker.records(TOPIC)))) == 10


def test_a_broker_that_is_away_ends_a_replay_in_bounded_time(
    project: Project, fake: FakeBroker, tmp_path: Path
) -> None:
    fake.go_away()
    with pytest.raises(BrokerUnavailableError) as caught:
        Events(project, fake.transport()).replay("reading", [write(tmp_path / "s.csv", 3)], READING, wait_seconds=0.3)
    assert str(caught.value) == (
        "no broker answers at fake:9092\n"
        "  answer:  nothing listens there\n"
        "  try:     headrace status, or correct kafka.bootstrap_servers"
    )


def test_a_broker_that_answers_nothing_fills_the_queue(
    project: Project, fake: FakeBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facade, "QUEUE_EVENTS", 100)
    fake.be_slow()
    with pytest.raises(QueueFullError) as caught:
        Events(project, fake.transport()).replay("reading", [write(tmp_path / "s.csv", 200)], READING, wait_seconds=0.2)
    assert str(caught.value) == (
        "event 'reading' was not taken: the queue is full for 0.2 s\n"
        "  queue:   100 events without an answer\n"
        "  broker:  fake:9092\n"
        "  try:     headrace status, a larger queue_max_events, or send later"
    )
