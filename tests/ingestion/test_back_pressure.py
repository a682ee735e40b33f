"""A queue that drops its oldest events: which ones, what they are told, and what is counted."""

import time
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from headrace_ingestion import Contract, Counters, Delivery, EventDroppedError, Producer, SettingsError
from headrace_ingestion.testing import FakeBroker

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=timezone.utc)
CALL = {"subscriber_id": "s1", "started_at": NOW, "duration_s": 12.5, "country": "NO"}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_full_queue_drops_what_has_waited_longest_and_keeps_what_the_client_has(
    fake: FakeBroker, call_contract: Contract
) -> None:
    fake.be_slow()
    dropped: list[Delivery] = []
    with Producer(
        call_contract,
        transport=fake.transport(),
        queue_max_events=4,
        when_full="drop_oldest",
        on_delivery=lambda delivery: dropped.append(delivery) if delivery.error else None,
    ) as producer:
        sent = [producer.send("call", CALL, event_id=str(number)) for number in range(2)]
        until(lambda: len(fake.records("events.call")) == 2)
        sent += [producer.send("call", CALL, event_id=str(number)) for number in range(2, 7)]
        assert producer.counters == Counters(sent=7, delivered=0, failed=3, queued=4, refused=0, dropped=3)
        fake.answer()
        producer.flush(timeout_seconds=30)
        assert producer.counters == Counters(sent=7, delivered=4, failed=3, queued=0, refused=0, dropped=3)
    assert [delivery.event_id for delivery in dropped] == ["2", "3", "4"]
    stored = [dict(record.headers)["event_id"] for record in fake.records("events.call")]
    assert stored == [b"0", b"1", b"5", b"6"]
    with pytest.raises(EventDroppedError) as caught:
        sent[2].result()
    assert str(caught.value) == (
        "event 2 was dropped for a newer one: the queue is full and when_full is 'drop_oldest'\n"
        "  queue:   4 events without an answer\n"
        "  broker:  fake:9092\n"
        "  try:     headrace status, or a larger queue_max_events"
    )


def test_dropping_never_blocks_and_answers_every_event_while_the_broker_comes_and_goes(
    fake: FakeBroker, call_contract: Contract
) -> None:
    with Producer(call_contract, transport=fake.transport(), queue_max_events=50, when_full="drop_oldest") as producer:
        sent = []
        for number in range(2_000):
            if number in (300, 1_200):
                fake.go_away()
            if number in (900, 1_900):
                fake.come_back()
            sent.append(producer.send("call", CALL, event_id=f"{number:04}"))
        assert producer.flush(timeout_seconds=30).pending == 0
        counters = producer.counters
    assert all(delivery.done for delivery in sent)
    assert counters.delivered + counters.dropped == counters.sent == 2_000
    stored = [dict(record.headers)["event_id"] for record in fake.records("events.call")]
    assert stored == [delivery.event_id.encode() for delivery in sent if delivery.report]


def test_a_queue_of_one_has_nothing_to_drop(fake: FakeBroker, call_contract: Contract) -> None:
    with pytest.raises(SettingsError) as caught:
        Producer(call_contract, transport=fake.transport(), queue_max_events=1, when_full="drop_oldest")
    assert str(caught.value) == (
        "queue_max_events is 1, and when_full is 'drop_oldest'\n"
        "  expected:  at least 2: one with the client, one that can be dropped\n"
        "  try:       queue_max_events=10000"
    )
