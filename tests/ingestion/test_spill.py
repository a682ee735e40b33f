"""Events that find no broker go to disk and come back in order: by this process, or by the next after a kill."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion import (
    AccessDeniedError,
    Contract,
    Counters,
    Delivery,
    EventSpilledError,
    Producer,
    QueueFullError,
    RecordTooLargeError,
    SettingsError,
)
from headrace_ingestion.spool import Spool, SpoolFullError
from headrace_ingestion.testing import FakeBroker
from headrace_ingestion.transport import OutgoingRecord

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=timezone.utc)
CALL = {"subscriber_id": "s1", "started_at": NOW, "duration_s": 12.5, "country": "NO"}
LARGE = 1 << 30


def producer_of(fake: FakeBroker, contract: Contract, folder: Path, **options: Any) -> Producer:
    chosen = {"queue_max_events": 10, "spill_after_seconds": 0.001} | options
    return Producer(contract, transport=fake.transport(), spill_folder=folder, **chosen)


def send(producer: Producer, numbers: range) -> list[Delivery]:
    return [producer.send("call", CALL, event_id=f"{number:04}") for number in numbers]


def ids(fake: FakeBroker) -> list[str]:
    return [(dict(record.headers)["event_id"] or b"").decode() for record in fake.records("events.call")]


def numbered(numbers: range) -> list[str]:
    return [f"{number:04}" for number in numbers]


def record(number: int) -> OutgoingRecord:
    return OutgoingRecord("events.call", b"s1", b"x" * 50, [("event_id", f"{number:04}".encode()), ("t", b"")], number)


def test_events_go_to_disk_when_the_queue_is_full_and_come_back_in_order(
    fake: FakeBroker, call_contract: Contract, tmp_path: Path
) -> None:
    fake.go_away()
    told: list[Delivery] = []
    with producer_of(fake, call_contract, tmp_path, on_delivery=told.append) as producer:
        sent = send(producer, range(3_000))
        assert producer.counters.spilled >= 2_980
        with pytest.raises(EventSpilledError, match="event 2999 stands on disk; it is sent when a broker answers"):
            sent[-1].result()
        fake.come_back()
        send(producer, range(3_000, 3_200))
        result = producer.flush(timeout_seconds=60)
        assert (result.failed, result.pending, result.spilled) == (0, 0, 0)
        counters = producer.counters
    assert ids(fake) == numbered(range(3_200))
    assert counters.sent == 3_200 == counters.delivered + counters.spilled
    assert counters.replayed == counters.spilled
    assert not list(tmp_path.glob("*.events"))
    # Of a spilled event the callback hears twice: that it stands on disk, and that it was delivered.
    assert sum(delivery.report is not None for delivery in told) == 3_200


def test_the_next_producer_sends_what_the_last_one_left_before_its_own(
    fake: FakeBroker, call_contract: Contract, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake.go_away()
    with caplog.at_level(logging.WARNING):
        first = producer_of(fake, call_contract, tmp_path)
        send(first, range(50))
        first.close(timeout_seconds=0.05)
    assert "50 events stand on disk for the next producer of that folder" in caplog.text
    assert first.counters == Counters(sent=50, delivered=0, failed=0, queued=0, refused=0, spilled=50)
    fake.come_back()
    with producer_of(fake, call_contract, tmp_path) as second:
        send(second, range(50, 60))
        second.flush(timeout_seconds=30)
        assert second.counters.replayed >= 50
    assert ids(fake) == numbered(range(60))


def test_events_that_wait_too_long_go_to_disk_instead_of_failing(
    fake: FakeBroker, call_contract: Contract, tmp_path: Path
) -> None:
    fake.go_away()
    with producer_of(fake, call_contract, tmp_path, queue_max_events=1_000, delivery_timeout_seconds=0.05) as producer:
        for delivery in send(producer, range(20)):
            with pytest.raises(EventSpilledError):
                delivery.result(timeout_seconds=30)
        fake.come_back()
        assert producer.flush(timeout_seconds=30).spilled == 0
    assert ids(fake) == numbered(range(20))


KILLED = """
import os, sys
from pathlib import Path
from headrace_ingestion import Contract, Producer
from headrace_ingestion.testing import FakeBroker

contract = Contract.model_validate({"name": "call", "version": 1, "key": "who", "time": "at",
    "fields": {"who": {"type": "string"}, "at": {"type": "timestamp"}}})
broker = FakeBroker()
broker.go_away()
producer = Producer(contract, transport=broker.transport(), spill_folder=Path(sys.argv[1]), queue_max_events=1,
    spill_after_seconds=0.001)
for number in range(500):
    producer.send("call", {"who": "s1", "at": "2026-01-01T00:00:00Z"}, event_id=f"{number:04}")
print("sent", flush=True)
sys.stdin.read()
"""


def test_what_stands_on_disk_survives_a_kill_and_a_torn_last_record_is_left_out(
    fake: FakeBroker, call_contract: Contract, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"sent\n"
        with pytest.raises(SettingsError) as caught:
            Spool(tmp_path, LARGE)
        os.kill(process.pid, signal.SIGKILL)
    assert str(caught.value) == (
        f"the spill folder {tmp_path} belongs to another producer\n"
        f"  process:   {process.pid}\n"
        "  expected:  a folder of its own for each producer\n"
        "  try:       spill_folder=… with another name"
    )
    (segment,) = tmp_path.glob("*.events")
    os.truncate(segment, segment.stat().st_size - 7)
    with producer_of(fake, call_contract, tmp_path) as producer:
        producer.flush(timeout_seconds=30)
    assert "are torn and left out" in caplog.text
    # A queue of one: the first event may have been in memory only, and the last is torn.
    assert ids(fake) in (numbered(range(499)), numbered(range(1, 499)))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path, LARGE)
    yield opened
    opened.close()


def test_a_spool_gives_back_what_was_put_in_and_forgets_what_was_answered(tmp_path: Path) -> None:
    first = Spool(tmp_path, LARGE)
    for number in range(10):
        first.append(record(number))
    read = first.read(4)
    assert [found for _, found in read] == [record(number) for number in range(4)]
    for place in (1, 0, 3):
        first.answer(read[place][0], keep=False)
    first.close()
    # Answered without a gap from the beginning: 0 and 1; 2 was not, so 3 comes again.
    second = Spool(tmp_path, LARGE)
    assert [found for _, found in second.read(100)] == [record(number) for number in range(2, 10)]
    second.close()


def test_what_the_broker_did_not_take_is_read_again_when_all_others_are_answered(spool: Spool) -> None:
    for number in range(4):
        spool.append(record(number))
    (zero, _), (one, _), (two, _) = spool.read(3)
    spool.answer(zero, keep=False)
    spool.answer(one, keep=True)
    assert spool.read(10) == []
    spool.answer(two, keep=False)
    assert [found.timestamp_ms for _, found in spool.read(10)] == [1, 2, 3]


def test_files_go_when_all_in_them_is_answered(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace_ingestion.spool.SEGMENT_BYTES", 300)
    for number in range(20):
        spool.append(record(number))
    files = len(list(tmp_path.glob("*.events")))
    read = spool.read(100)
    for number, _ in read[:10]:
        spool.answer(number, keep=False)
    assert files > len(list(tmp_path.glob("*.events"))) > 0
    for number, _ in read[10:]:
        spool.answer(number, keep=False)
    assert not list(tmp_path.glob("*.events"))
    spool.append(record(20))
    assert [found.timestamp_ms for _, found in spool.read(10)] == [20]


def test_a_full_folder_is_an_error_by_the_policy_and_frees_itself(
    fake: FakeBroker, call_contract: Contract, tmp_path: Path
) -> None:
    fake.go_away()
    with producer_of(fake, call_contract, tmp_path, spill_max_bytes=2_000, when_full="raise") as producer:
        with pytest.raises(QueueFullError) as caught:
            send(producer, range(100))
        fake.come_back()
        producer.flush(timeout_seconds=30)
        send(producer, range(900, 901))[0].result(timeout_seconds=30)
    first, *facts, _ = str(caught.value).splitlines()
    assert first == "event 'call' was not taken: the queue is full and when_full is 'raise'"
    assert facts[-1].startswith(f"  spill folder:  {tmp_path}: ")
    assert facts[-1].endswith(" of 2000 bytes are used")
    found = ids(fake)
    assert found[:-1] == numbered(range(len(found) - 1))


def test_a_disk_that_is_full_leaves_no_half_record(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append(record(0))
    real_write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: real_write(file, data[:20]))
        with pytest.raises(SpoolFullError, match=r"20 of \d+ bytes were written: the disk is full"):
            spool.append(record(1))
    spool.append(record(2))
    assert [found.timestamp_ms for _, found in spool.read(10)] == [0, 2]


def test_an_event_on_disk_that_the_broker_refuses_fails_and_one_without_access_stays(
    fake: FakeBroker, call_contract: Contract, tmp_path: Path
) -> None:
    fake.go_away()
    with producer_of(fake, call_contract, tmp_path, queue_max_events=1) as producer:
        send(producer, range(3))
        fake.refuse("events.call", AccessDeniedError("not yours"))
        fake.come_back()
        assert producer.flush(timeout_seconds=0.5).spilled > 0
        fake.refuse("events.call", RecordTooLargeError("too large"))
        assert producer.flush(timeout_seconds=30).spilled == 0
        assert producer.counters.failed + producer.counters.delivered == 3
    assert ids(fake) == []


def test_dropping_and_keeping_exclude_each_other(fake: FakeBroker, call_contract: Contract, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        producer_of(fake, call_contract, tmp_path, when_full="drop_oldest")
    assert str(caught.value) == (
        "when_full is 'drop_oldest', and there is a spill folder\n"
        "  expected:  one of the two: an event is dropped, or kept on disk\n"
        "  try:       when_full='block'"
    )
