"""Batches of our own in kafka-python's queues: who is answered, with what, and in which order, on a real broker."""

import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from headrace_ingestion import (
    BrokerUnavailableError,
    Contract,
    Delivery,
    EventSpilledError,
    KafkaConnection,
    Producer,
    ProducerClosedError,
    RecordTooLargeError,
)
from headrace_ingestion import kafka_batches as batches_module
from headrace_ingestion.delivery import answer_all
from headrace_ingestion.kafka_batches import client_is_known
from headrace_ingestion.kafka_transport import BATCH_BYTES, KafkaTransport
from headrace_ingestion.outbox import Outbox
from headrace_ingestion.timestamps import timestamp_ms
from headrace_ingestion.transport import DeliveryReport, OutgoingRecord
from kafka.record.memory_records import MemoryRecords

from headrace.stack.broker import local_broker
from headrace.stack.topics import TopicSpec, ensure_topics

NOW = datetime.now(timezone.utc)
NOW_MS = timestamp_ms(NOW)


def call(subscriber: str = "s1", **changes: object) -> dict[str, object]:
    return {"subscriber_id": subscriber, "started_at": NOW, "duration_s": 12.5, "country": "NO"} | changes


@pytest.fixture
def connection(broker: Any) -> KafkaConnection:
    prefix = f"batches{random.getrandbits(48):x}."
    return KafkaConnection(bootstrap_servers=broker.bootstrap_servers, topic_prefix=prefix)


def make_topic(connection: KafkaConnection, partitions: int = 1, config: dict[str, str] | None = None) -> str:
    topic = f"{connection.topic_prefix}events.call"
    ensure_topics(
        connection, {topic: TopicSpec(partitions=partitions, config={"retention.ms": "-1", **(config or {})})}
    )
    return topic


def test_the_locked_client_is_one_whose_inside_is_known() -> None:
    assert client_is_known()


def test_a_batch_that_the_broker_finds_too_large_is_split_and_every_event_keeps_its_order(
    connection: KafkaConnection, call_contract: Contract, read_all: Callable[..., list[Any]]
) -> None:
    topic = make_topic(connection, config={"max.message.bytes": "20000"})
    # What does not compress: 60 of 2 KB are one batch for the client, and six times what the broker takes.
    texts = [random.Random(number).randbytes(1_000).hex() for number in range(60)]
    with Producer(call_contract, connection) as producer:
        producer.send("call", call()).result(timeout_seconds=30)
        deliveries = [producer.send("call", call(device=text)) for text in texts]
        reports = [delivery.result(timeout_seconds=30) for delivery in deliveries]
    stored = read_all(connection, topic)
    assert [report.offset for report in reports] == list(range(1, 61))
    assert [record.offset for record in stored] == list(range(61))
    ids = [dict(record.headers)["event_id"].decode() for record in stored[1:]]
    assert ids == [delivery.event_id for delivery in deliveries]


@pytest.mark.parametrize("known", [("3.",), ()], ids=["batches of our own", "the client's"])
def test_an_event_that_the_broker_finds_too_large_fails_and_those_that_are_delivered_are_stored(
    connection: KafkaConnection,
    call_contract: Contract,
    read_all: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    known: tuple[str, ...],
) -> None:
    monkeypatch.setattr(batches_module, "KNOWN_VERSIONS", known)
    topic = make_topic(connection, config={"max.message.bytes": "20000"})
    large = random.Random(1).randbytes(30_000).hex()
    with Producer(call_contract, connection) as producer:
        producer.send("call", call()).result(timeout_seconds=30)
        deliveries = [producer.send("call", call(device=text)) for text in ("a", "b", large, "c", "d")]
        producer.flush(30)
    assert isinstance(deliveries[2].error, RecordTooLargeError)
    # What stands in one batch behind it may fail with it: the client has used up its sequence numbers.
    assert [delivery.report is not None for delivery in deliveries[:3]] == [True, True, False]
    delivered = [delivery.event_id for delivery in deliveries if delivery.report is not None]
    assert delivered == [dict(record.headers)["event_id"].decode() for record in read_all(connection, topic)[1:]]


def test_an_event_too_large_for_a_batch_keeps_its_place_among_the_others(
    connection: KafkaConnection, call_contract: Contract, read_all: Callable[..., list[Any]]
) -> None:
    topic = make_topic(connection)
    texts = ["a", "b" * (BATCH_BYTES + 1), "c", "d" * (BATCH_BYTES + 1), "e"]
    with Producer(call_contract, connection) as producer:
        producer.send("call", call()).result(timeout_seconds=30)
        deliveries = [producer.send("call", call(device=text)) for text in texts]
        assert [delivery.result(timeout_seconds=30).offset for delivery in deliveries] == [1, 2, 3, 4, 5]
    ids = [dict(record.headers)["event_id"].decode() for record in read_all(connection, topic)[1:]]
    assert ids == [delivery.event_id for delivery in deliveries]


def test_a_broker_that_stamps_says_when(connection: KafkaConnection, call_contract: Contract) -> None:
    make_topic(connection, config={"message.timestamp.type": "LogAppendTime"})
    with Producer(call_contract, connection) as producer:
        report = producer.send("call", call(), timestamp_ms=NOW_MS).result(timeout_seconds=30)
    assert report.timestamp_ms > NOW_MS


def test_threads_that_share_a_producer_keep_their_orders_and_lose_nothing(
    connection: KafkaConnection, call_contract: Contract, read_all: Callable[..., list[Any]]
) -> None:
    topic = make_topic(connection, partitions=3)
    sent: dict[str, list[str]] = {f"s{number}": [] for number in range(4)}
    with Producer(call_contract, connection) as producer:
        producer.send("call", call("first")).result(timeout_seconds=30)

        def send(subscriber: str) -> None:
            sent[subscriber] += [producer.send("call", call(subscriber)).event_id for _ in range(500)]

        threads = [threading.Thread(target=send, args=(subscriber,)) for subscriber in sent]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert producer.flush(30).failed == 0
        assert producer.counters.delivered == 2_001
    stored: dict[str, list[str]] = {subscriber: [] for subscriber in sent}
    for record in read_all(connection, topic):
        if record.key != b"first":
            stored[record.key.decode()].append(dict(record.headers)["event_id"].decode())
    assert stored == sent


def test_a_client_whose_inside_is_not_known_sends_by_its_own_way(
    connection: KafkaConnection, call_contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "KNOWN_VERSIONS", ("2.",))
    make_topic(connection)
    with Producer(call_contract, connection) as producer:
        producer.send("call", call()).result(timeout_seconds=30)
        offsets = [producer.send("call", call()) for _ in range(10)]
        assert [delivery.result(timeout_seconds=30).offset for delivery in offsets] == list(range(1, 11))
        transport = producer._transport
        assert isinstance(transport, KafkaTransport)
        assert transport._batches is None


def test_every_event_is_told_to_the_callback_once(connection: KafkaConnection, call_contract: Contract) -> None:
    make_topic(connection, partitions=2)
    told: list[Delivery] = []
    with Producer(call_contract, connection, on_delivery=told.append) as producer:
        sent = [producer.send("call", call(f"s{number}")) for number in range(300)]
    assert sorted(delivery.event_id for delivery in told) == [delivery.event_id for delivery in sent]
    assert all(delivery.report is not None for delivery in told)


def test_a_closed_client_answers_what_it_has_and_takes_no_more(
    connection: KafkaConnection, call_contract: Contract
) -> None:
    topic = make_topic(connection)
    transport = KafkaTransport(connection, 30)
    transport.connect()
    record = OutgoingRecord(topic, b"k", b"v", [], NOW_MS)
    answers: list[Any] = []
    transport.send(record, answers.append)
    transport.close(10)
    with pytest.raises(Exception, match="the producer was closed before the broker answered"):
        transport.send(record, answers.append)
    assert answers == [DeliveryReport(topic, 0, 0, NOW_MS)]


def test_closing_before_the_broker_has_answered_answers_everything_and_ends_the_client(
    tmp_path: Path, call_contract: Contract
) -> None:
    (tmp_path / "broker").mkdir()
    with local_broker(tmp_path / "broker", ready_seconds=240) as own:
        connection = KafkaConnection(bootstrap_servers=own.bootstrap_servers)
        make_topic(connection)
        producers = [Producer(call_contract, connection, spill_folder=folder) for folder in (None, tmp_path / "spill")]
        clients: list[Any] = []
        for producer in producers:
            producer.send("call", call()).result(timeout_seconds=30)
            clients.append(producer._transport._producer)  # type: ignore[attr-defined]  # it has connected
        os.kill(own.pid, signal.SIGSTOP)
        try:
            open_ = [[producer.send("call", call()) for _ in range(100)] for producer in producers]
            assert [producer.close(timeout_seconds=0.1).pending for producer in producers] == [100, 100]
        finally:
            os.kill(own.pid, signal.SIGCONT)
    assert [{type(one.error) for one in some} for some in open_] == [{ProducerClosedError}, {EventSpilledError}]
    assert not any(client._sender.is_alive() for client in clients)


def test_a_record_of_a_topic_that_was_deleted_stays_with_its_caller(connection: KafkaConnection) -> None:
    from kafka import KafkaAdminClient

    topic = make_topic(connection)
    transport = KafkaTransport(connection, 30)
    transport.connect()
    record = OutgoingRecord(topic, b"k", b"v", [], NOW_MS)
    answered = threading.Event()
    transport.send(record, lambda result: answered.set())
    assert answered.wait(30)
    admin = KafkaAdminClient(**connection.client_options())
    admin.delete_topics([topic])
    admin.close()
    metadata: Any = transport._producer._metadata  # type: ignore[union-attr]  # it has connected
    while metadata.partitions_for_topic(topic) is not None:
        refreshed = threading.Event()
        metadata.request_update().add_both(lambda _, done=refreshed: done.set())
        assert refreshed.wait(30)
    taken: list[Any] = []
    # The transport still believes in the topic, the client no more.
    assert transport.ready(topic)
    with pytest.raises(BrokerUnavailableError):
        transport.send(record, taken.append)
    transport.close(10)
    assert taken == []


def test_one_that_cannot_take_its_answer_does_not_keep_the_others_from_theirs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken: list[Any] = []

    def fails(result: Any) -> None:
        raise OSError("no space left")

    report = DeliveryReport("t", 0, 0, 0)
    answer_all([(taken.append, report), (fails, report), (taken.append, report)])
    assert taken == [report, report]
    assert "an answer could not be given" in caplog.text


def _too_large(error: BaseException, record: OutgoingRecord) -> RecordTooLargeError:
    return RecordTooLargeError(str(error))


@pytest.mark.parametrize("lines_before", range(5))
def test_an_interrupt_while_a_record_is_taken_leaves_every_other_its_own_answer(lines_before: int) -> None:
    batch = batches_module._Batch(("t", 0), batches_module._Records(BATCH_BYTES), _too_large)
    add = batches_module._Batch.add
    answers: dict[str, list[Any]] = {name: [] for name in "abc"}
    records = {name: OutgoingRecord("t", name.encode(), b"v", [], number) for number, name in enumerate("abc")}
    batch.add(records["a"], 20, answers["a"].append)
    still = lines_before

    def interrupt(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal still
        if frame.f_code is add.__code__ and event == "line":
            if still == 0:
                raise KeyboardInterrupt
            still -= 1
        return interrupt

    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            batch.add(records["b"], 20, answers["b"].append)
    finally:
        sys.settrace(before)
    batch.add(records["c"], 20, answers["c"].append)
    batch.records.close()
    batch.complete(7, -1)
    (written,) = MemoryRecords(batch.records.buffer())
    offsets = {record.key.decode(): 7 + record.offset for record in written}
    assert {"a", "c"} <= set(offsets)
    for name, told in answers.items():
        wanted = DeliveryReport("t", 0, offsets[name], records[name].timestamp_ms) if name in offsets else None
        assert told == ([] if wanted is None else [wanted])


@pytest.mark.parametrize("has_callback", [False, True])
def test_answers_that_come_together_count_once_each(has_callback: bool, caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[Delivery, int]] = []

    def tell(delivery: Delivery) -> None:
        # Told before it counts, so that a flush that has returned has told everything.
        told.append((delivery, outbox.counters(0).queued))
        raise ZeroDivisionError

    outbox = Outbox(10, tell if has_callback else None)
    record = OutgoingRecord("t", b"k", b"v", [], NOW_MS)
    stored, refused, open_ = (Delivery(text, record, 0.0, outbox) for text in ("stored", "refused", "open"))
    for delivery in (stored, refused, open_):
        outbox.put(delivery, 0.0, ready=False)
    first, error = DeliveryReport("t", 0, 0, 0), RecordTooLargeError("too large")
    answer_all([(stored, first), (refused, error), (stored, DeliveryReport("t", 0, 1, 0)), (refused, first)])
    assert (stored.report, stored.error, refused.report, refused.error) == (first, None, None, error)
    counters = outbox.counters(0)
    assert (counters.sent, counters.delivered, counters.failed, counters.queued) == (3, 1, 1, 1)
    assert not open_.done
    assert told == ([(stored, 3), (refused, 3)] if has_callback else [])
    assert caplog.text.count("on_delivery failed for event") == len(told)
