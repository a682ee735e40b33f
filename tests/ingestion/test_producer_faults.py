"""The producer when things go wrong, on the fake broker, whose faults are switched and whose clock stands still."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion import (
    AccessDeniedError,
    BrokerUnavailableError,
    Contract,
    Counters,
    DeclarationError,
    Delivery,
    EventError,
    FlushResult,
    Producer,
    ProducerClosedError,
    QueueFullError,
    SettingsError,
    UnknownEventError,
    UnknownTopicError,
)
from headrace_ingestion.testing import FakeBroker, FakeClock

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=timezone.utc)


def call(**changes: object) -> dict[str, object]:
    return {"subscriber_id": "s1", "started_at": NOW, "duration_s": 12.5, "country": "NO"} | changes


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


def test_events_wait_for_a_broker_that_is_away_and_keep_their_order(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract
) -> None:
    fake.go_away()
    with Producer(call_contract, transport=fake.transport(), clock=clock) as producer:
        sent = [producer.send("call", call(), event_id=str(number)) for number in range(5)]
        assert producer.flush(timeout_seconds=0.05) == FlushResult(delivered=0, failed=0, pending=5)
        fake.come_back()
        assert producer.flush(timeout_seconds=30) == FlushResult(delivered=5, failed=0, pending=0)
    assert [delivery.result().offset for delivery in sent] == [0, 1, 2, 3, 4]
    assert [record.timestamp for record in fake.records("events.call")] == [clock.now_ms()] * 5


def test_a_broker_that_goes_and_comes_back_gets_every_event_in_order(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract
) -> None:
    with Producer(call_contract, transport=fake.transport(), clock=clock) as producer:
        for number in range(300):
            if number == 100:
                fake.go_away()
            if number == 200:
                fake.come_back()
            producer.send("call", call(duration_s=number), event_id=str(number))
        producer.flush(timeout_seconds=30)
    ids = [dict(record.headers)["event_id"] for record in fake.records("events.call")]
    assert ids == [str(number).encode() for number in range(300)]


def test_an_event_that_waited_the_delivery_timeout_fails_as_retryable(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract
) -> None:
    fake.go_away()
    with Producer(call_contract, transport=fake.transport(), clock=clock, delivery_timeout_seconds=10) as producer:
        first = producer.send("call", call())
        clock.advance(timedelta(seconds=9, milliseconds=999))
        second = producer.send("call", call())
        assert producer.flush(timeout_seconds=0.6).pending == 2
        clock.advance(timedelta(milliseconds=1))
        with pytest.raises(BrokerUnavailableError) as caught:
            first.result(timeout_seconds=30)
        assert not second.done
        fake.come_back()
        second.result(timeout_seconds=30)
    assert str(caught.value) == (
        "no broker answers at fake:9092\n"
        "  answer:  nothing listens there\n"
        "  try:     headrace status, or correct kafka.bootstrap_servers"
    )


def test_a_full_queue_that_raises_names_its_size_and_the_broker(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract
) -> None:
    fake.be_slow()
    with Producer(
        call_contract, transport=fake.transport(), clock=clock, queue_max_events=3, when_full="raise"
    ) as producer:
        for _ in range(3):
            producer.send("call", call())
        with pytest.raises(QueueFullError) as caught:
            producer.send("call", call())
        assert producer.counters == Counters(sent=3, delivered=0, failed=0, queued=3, refused=0)
        producer.flush(timeout_seconds=0.05)
        fake.answer()
        producer.send("call", call()).result(timeout_seconds=30)
    assert str(caught.value) == (
        "event 'call' was not taken: the queue is full and when_full is 'raise'\n"
        "  queue:   3 events without an answer\n"
        "  broker:  fake:9092\n"
        "  try:     headrace status, a larger queue_max_events, or send later"
    )


def test_a_full_queue_that_blocks_gives_up_after_its_time(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract
) -> None:
    fake.go_away()
    with Producer(
        call_contract, transport=fake.transport(), clock=clock, queue_max_events=1, block_seconds=0.02
    ) as producer:
        producer.send("call", call())
        with pytest.raises(QueueFullError, match=r"the queue is full for 0\.02 s"):
            producer.send("call", call())
        fake.come_back()


def test_a_full_queue_that_blocks_goes_on_when_there_is_space(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract
) -> None:
    fake.go_away()
    with Producer(call_contract, transport=fake.transport(), clock=clock, queue_max_events=2) as producer:
        senders = [threading.Thread(target=producer.send, args=("call", call())) for _ in range(8)]
        for sender in senders:
            sender.start()
        fake.come_back()
        for sender in senders:
            sender.join(timeout=30)
        producer.flush(timeout_seconds=30)
        assert producer.counters == Counters(sent=8, delivered=8, failed=0, queued=0, refused=0)


def test_closing_ends_the_wait_for_space(fake: FakeBroker, clock: FakeClock, call_contract: Contract) -> None:
    fake.go_away()
    producer = Producer(call_contract, transport=fake.transport(), clock=clock, queue_max_events=1)
    waiting = producer.send("call", call())
    errors: list[BaseException] = []

    def send_one_more() -> None:
        try:
            producer.send("call", call())
        except ProducerClosedError as error:
            errors.append(error)

    sender = threading.Thread(target=send_one_more)
    sender.start()
    assert producer.close(timeout_seconds=0.1) == FlushResult(delivered=0, failed=0, pending=1)
    sender.join(timeout=30)
    assert len(errors) == 1
    with pytest.raises(ProducerClosedError, match="had no answer when the producer was closed"):
        waiting.result()


def test_a_refused_event_fails_alone(fake: FakeBroker, clock: FakeClock, call_contract: Contract) -> None:
    fake.refuse("events.call", AccessDeniedError("the broker refuses access"))
    with Producer(call_contract, transport=fake.transport(), clock=clock) as producer:
        denied = producer.send("call", call())
        producer.flush(timeout_seconds=30)
        fake.refuse("events.call", None)
        allowed = producer.send("call", call())
        producer.flush(timeout_seconds=30)
    with pytest.raises(AccessDeniedError):
        denied.result()
    assert allowed.result().offset == 0


def test_a_deleted_topic_is_waited_for_and_then_named(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract
) -> None:
    with Producer(call_contract, transport=fake.transport(), clock=clock) as producer:
        producer.send("call", call()).result(timeout_seconds=30)
        fake.delete_topic("events.call")
        lost = producer.send("call", call())
        assert producer.flush(timeout_seconds=0.6).pending == 1
        clock.advance(timedelta(seconds=5))
        with pytest.raises(UnknownTopicError):
            lost.result(timeout_seconds=30)


def test_a_slow_broker_delays_the_answer_and_a_wait_for_it_says_so(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract
) -> None:
    fake.be_slow()
    with Producer(call_contract, transport=fake.transport(), clock=clock) as producer:
        delivery = producer.send("call", call(), event_id="mine")
        with pytest.raises(TimeoutError, match=r"event mine has no delivery report after 0\.05 s"):
            delivery.result(timeout_seconds=0.05)
        fake.answer()
        assert delivery.result(timeout_seconds=30).offset == 0


def test_a_broker_that_stores_twice_shows_both(fake: FakeBroker, clock: FakeClock, call_contract: Contract) -> None:
    fake.duplicate("events.call")
    with Producer(call_contract, transport=fake.transport(), clock=clock) as producer:
        producer.send("call", call())
    first, second = fake.records("events.call")
    assert (first.offset, second.offset) == (0, 1)
    assert first.headers == second.headers


def test_a_callback_that_fails_stops_nothing(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(delivery: Delivery) -> None:
        raise ValueError("the application's own error")

    with Producer(call_contract, transport=fake.transport(), clock=clock, on_delivery=fail) as producer:
        for _ in range(3):
            producer.send("call", call())
        assert producer.flush(timeout_seconds=30).pending == 0
    assert producer.counters.delivered == 3
    assert caplog.text.count("on_delivery failed for event") == 3


def test_leaving_with_undelivered_events_is_logged(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    fake.go_away()
    with (
        caplog.at_level(logging.ERROR),
        Producer(call_contract, transport=fake.transport(), clock=clock, delivery_timeout_seconds=0.05) as producer,
    ):
        producer.send("call", call())
    assert "1 events were not delivered to fake:9092" in caplog.text


def test_an_error_that_nobody_foresaw_fails_the_events_instead_of_keeping_them(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract
) -> None:
    class Broken:
        place = "broken:9092"

        def connect(self) -> None:
            pass

        def ready(self, topic: str) -> bool:
            return topic == "events.call"

        def send(self, record: Any, on_result: Any) -> None:
            raise ZeroDivisionError

        def close(self, timeout_seconds: float) -> None:
            pass

    producer = Producer(call_contract, transport=Broken(), clock=clock)
    with pytest.raises((ZeroDivisionError, ProducerClosedError)):
        producer.send("call", call()).result(timeout_seconds=30)
    assert producer.counters.queued == 0
    producer.close(timeout_seconds=1)


def test_an_unknown_event_names_the_known_ones(
    fake: FakeBroker, clock: FakeClock, contract_of: Callable[..., Contract]
) -> None:
    contracts = [contract_of(), contract_of(name="label")]
    with (
        Producer(contracts, transport=fake.transport(), clock=clock) as producer,
        pytest.raises(UnknownEventError) as caught,
    ):
        producer.send("calls", call())
    assert str(caught.value) == "the event 'calls' has no contract\n  events:  call, label\n  try:     call"


def test_ids_and_traces_are_checked(fake: FakeBroker, clock: FakeClock, call_contract: Contract) -> None:
    trace = f"00-{'1' * 32}-{'2' * 16}-01"
    with Producer(call_contract, transport=fake.transport(), clock=clock) as producer:
        with pytest.raises(EventError) as wrong_id:
            producer.send("call", call(), event_id="é")
        with pytest.raises(EventError, match="trace is no W3C traceparent, got '00-1'"):
            producer.send("call", call(), trace="00-1")
        producer.send("call", call(), event_id="mine", trace=trace)
    assert wrong_id.value.reason == "wrong_event_id"
    (record,) = fake.records("events.call")
    assert record.headers == [("event_id", b"mine"), ("contract", b"call/1"), ("traceparent", trace.encode())]


@pytest.mark.parametrize(
    ("timestamp_ms", "reason", "detail"),
    [
        (1_795_335_525_454.5, "wrong_type", "timestamp_ms expects whole milliseconds since 1970, got number"),
        (True, "wrong_type", "timestamp_ms expects whole milliseconds since 1970, got bool"),
        (1 << 63, "out_of_range", "timestamp_ms expects the years 1970 to 9999"),
        (-1, "out_of_range", "timestamp_ms expects the years 1970 to 9999"),
    ],
)
def test_a_record_timestamp_that_fits_no_record_is_refused(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract, timestamp_ms: Any, reason: str, detail: str
) -> None:
    with Producer(call_contract, transport=fake.transport(), clock=clock) as producer:
        with pytest.raises(EventError, match=f"event 'call' version 1 is refused: {detail}") as caught:
            producer.send("call", call(), timestamp_ms=timestamp_ms)
        assert producer.counters.refused == 1
    assert caught.value.reason == reason
    assert fake.records("events.call") == []


def test_a_clock_that_was_set_back_makes_ids_that_still_count_up(
    fake: FakeBroker, clock: FakeClock, call_contract: Contract
) -> None:
    with Producer(call_contract, transport=fake.transport(), clock=clock) as producer:
        first = producer.send("call", call())
        clock.set_back(timedelta(seconds=1))
        second = producer.send("call", call())
    assert first.event_id < second.event_id


def test_contracts_come_from_a_file_or_a_folder(fake: FakeBroker, tmp_path: Path) -> None:
    declared = "name: call\nversion: 1\nkey: who\ntime: at\nfields:\n  who: {type: int}\n  at: {type: timestamp}\n"
    path = tmp_path / "call.yaml"
    path.write_text(declared)
    for contracts in (path, tmp_path):
        with Producer(contracts, transport=fake.transport()) as producer:
            producer.send("call", {"who": 1, "at": datetime.now(timezone.utc)})
    assert [record.key for record in fake.records("events.call")] == [b"1", b"1"]
    with pytest.raises(DeclarationError, match=r"cal\.yaml does not exist"):
        Producer(tmp_path / "cal.yaml", transport=fake.transport())


def test_a_producer_without_contracts_or_with_a_wrong_limit_is_refused(
    fake: FakeBroker, call_contract: Contract, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as caught:
        Producer(call_contract, transport=fake.transport(), queue_max_events=0)
    assert str(caught.value) == (
        "queue_max_events is 0\n  expected:  more than zero\n  try:       queue_max_events=10000"
    )
    with pytest.raises(DeclarationError, match="there is no contract"):
        Producer([], transport=fake.transport())
    with pytest.raises(DeclarationError, match="there is no contract"):
        Producer(tmp_path, transport=fake.transport())
