"""One suite for the fake broker and the real one: what an application may rely on when it sends events."""

import re
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from headrace_ingestion import (
    Contract,
    Counters,
    Delivery,
    EventError,
    FlushResult,
    Parsed,
    ProducerClosedError,
    RecordTooLargeError,
    UnknownTopicError,
    compile_parser,
)
from headrace_ingestion.headers import event_headers, is_traceparent
from headrace_ingestion.partitioning import partition_of
from headrace_ingestion.timestamps import timestamp_ms

# Of today: a broker deletes records whose timestamp is older than its retention, at its next check.
NOW = datetime.now(timezone.utc).replace(microsecond=678_901)
NOW_MS = timestamp_ms(NOW)


def call(subscriber: str = "s1", **changes: object) -> dict[str, object]:
    return {"subscriber_id": subscriber, "started_at": NOW, "duration_s": 12.5, "country": "NO"} | changes


def test_a_sent_event_stands_in_its_topic_with_key_value_headers_and_timestamp(
    platform: Any, call_contract: Contract
) -> None:
    platform.create_topic("call")
    with platform.producer(call_contract) as producer:
        delivery = producer.send("call", call(), timestamp_ms=NOW_MS)
        report = delivery.result(timeout_seconds=30)
    (record,) = platform.records("call")
    assert (report.topic, report.partition, report.offset) == (record.topic, 0, 0)
    assert record.key == b"s1"
    assert record.value.decode() == (
        f'{{"subscriber_id":"s1","started_at":"{NOW:%Y-%m-%dT%H:%M:%S}.678Z","duration_s":12.5,"country":"NO"}}'
    )
    assert record.timestamp == report.timestamp_ms == NOW_MS
    event_id, contract, trace = event_headers(record.headers)
    assert event_id == delivery.event_id.encode()
    assert uuid.UUID(delivery.event_id).version == 7
    assert contract == b"call/1"
    assert trace is not None
    assert is_traceparent(trace.decode())


def test_what_the_producer_writes_the_parser_reads(platform: Any, call_contract: Contract) -> None:
    platform.create_topic("call")
    with platform.producer(call_contract) as producer:
        producer.send("call", call(device="d9"), event_id="mine", timestamp_ms=NOW_MS)
    (record,) = platform.records("call")
    parsed = compile_parser(call_contract)(record)
    assert isinstance(parsed, Parsed)
    assert parsed.fields == call(started_at=NOW_MS, device="d9")
    assert parsed.event_id == "mine"


def test_every_event_of_a_burst_is_delivered_once_and_in_order_of_its_key(
    platform: Any, call_contract: Contract
) -> None:
    platform.create_topic("call", partitions=3)
    keys = [f"s{number % 17}" for number in range(2_000)]
    with platform.producer(call_contract) as producer:
        for number, key in enumerate(keys):
            producer.send("call", call(key, duration_s=number), event_id=str(number), timestamp_ms=NOW_MS)
        producer.flush(timeout_seconds=60)
        assert producer.counters == Counters(sent=2_000, delivered=2_000, failed=0, queued=0, refused=0)
    records = platform.records("call")
    by_key: dict[str, list[int]] = {}
    for record in records:
        assert record.partition == partition_of(record.key, 3)
        event_id, _, _ = event_headers(record.headers)
        by_key.setdefault(record.key.decode(), []).append(int(event_id or b""))
    assert by_key == {key: list(range(start, 2_000, 17)) for start, key in enumerate(keys[:17])}


def test_a_wrong_event_is_refused_and_never_enters(platform: Any, call_contract: Contract) -> None:
    platform.create_topic("call")
    with platform.producer(call_contract) as producer:
        with pytest.raises(EventError) as caught:
            producer.send("call", call(duration_s="long"))
        producer.send("call", call(), timestamp_ms=NOW_MS).result(timeout_seconds=30)
        assert producer.counters == Counters(sent=1, delivered=1, failed=0, queued=0, refused=1)
    assert caught.value.reason == "wrong_type"
    assert caught.value.field == "duration_s"
    assert len(platform.records("call")) == 1


def test_a_missing_topic_is_named_with_the_command_that_makes_it(
    platform: Any, call_contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace_ingestion.sender.TOPIC_WAIT_SECONDS", 0.1)
    with platform.producer(call_contract) as producer:
        delivery = producer.send("call", call(), timestamp_ms=NOW_MS)
        with pytest.raises(UnknownTopicError, match=r"the topic '.*events\.call' does not exist") as caught:
            delivery.result(timeout_seconds=30)
        assert producer.counters.failed == 1
    assert re.search(r"\n  try: +headrace up", str(caught.value))


def test_a_missing_topic_does_not_hold_up_the_others(
    platform: Any, call_contract: Contract, contract_of: Callable[..., Contract]
) -> None:
    platform.create_topic("call")
    with platform.producer([call_contract, contract_of(name="gone")]) as producer:
        lost = producer.send("gone", call(), timestamp_ms=NOW_MS)
        sent = producer.send("call", call(), timestamp_ms=NOW_MS)
        assert sent.result(timeout_seconds=30).offset == 0
        assert not lost.done
        platform.create_topic("gone")
        assert lost.result(timeout_seconds=30).offset == 0


def test_a_flush_says_what_became_of_the_events(platform: Any, call_contract: Contract) -> None:
    platform.create_topic("call")
    with platform.producer(call_contract) as producer:
        deliveries = [producer.send("call", call(), timestamp_ms=NOW_MS) for _ in range(5)]
        result = producer.flush(timeout_seconds=30)
        assert all(delivery.done for delivery in deliveries)
        assert result.failed == result.pending == 0
        assert producer.flush(timeout_seconds=30) == FlushResult(0, 0, 0)


def test_the_callback_has_run_for_every_event_before_a_flush_returns(platform: Any, call_contract: Contract) -> None:
    platform.create_topic("call")
    seen: list[Delivery] = []
    with platform.producer(call_contract, on_delivery=seen.append) as producer:
        deliveries = [producer.send("call", call(), timestamp_ms=NOW_MS) for _ in range(100)]
        producer.flush(timeout_seconds=30)
        assert seen == deliveries
    assert [delivery.report.offset for delivery in seen if delivery.report] == list(range(100))


def test_leaving_the_context_delivers_what_was_sent(platform: Any, call_contract: Contract) -> None:
    platform.create_topic("call")
    with platform.producer(call_contract) as producer:
        delivery = producer.send("call", call(), timestamp_ms=NOW_MS)
    assert delivery.report is not None
    with pytest.raises(ProducerClosedError, match="the producer is closed"):
        producer.send("call", call())


def test_threads_may_share_a_producer(platform: Any, call_contract: Contract) -> None:
    platform.create_topic("call")
    with platform.producer(call_contract) as producer:

        def send_some(key: str) -> None:
            for number in range(200):
                producer.send("call", call(key, duration_s=number), timestamp_ms=NOW_MS)

        threads = [threading.Thread(target=send_some, args=(f"s{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert producer.counters == Counters(sent=800, delivered=800, failed=0, queued=0, refused=0)
    assert len(platform.records("call")) == 800


def test_an_event_from_the_future_is_refused_at_the_limit(platform: Any, call_contract: Contract) -> None:
    platform.create_topic("call")
    limit_ms = timestamp_ms(NOW - timedelta(minutes=5))
    with platform.producer(call_contract) as producer:
        producer.send("call", call(), timestamp_ms=limit_ms)
        with pytest.raises(EventError) as caught:
            producer.send("call", call(), timestamp_ms=limit_ms - 1)
    assert caught.value.reason == "from_the_future"
    assert len(platform.records("call")) == 1


def test_a_record_larger_than_the_broker_takes_fails_alone(platform: Any, call_contract: Contract) -> None:
    platform.create_topic("call")
    with platform.producer(call_contract) as producer:
        large = producer.send("call", call(device="x" * 2_000_000), timestamp_ms=NOW_MS)
        small = producer.send("call", call(), timestamp_ms=NOW_MS)
        with pytest.raises(RecordTooLargeError, match="a record of 2000107 bytes is too large for the broker"):
            large.result(timeout_seconds=30)
        assert small.result(timeout_seconds=30).offset == 0


def test_an_empty_key_has_its_partition_too(platform: Any, call_contract: Contract) -> None:
    platform.create_topic("call", partitions=5)
    with platform.producer(call_contract) as producer:
        report = producer.send("call", call(""), timestamp_ms=NOW_MS).result(timeout_seconds=30)
    (record,) = platform.records("call")
    assert (record.key, record.partition) == (b"", report.partition) == (b"", partition_of(b"", 5))
