"""The producer and a real broker that is not there, or not yet."""

import os
import signal
import socket
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from headrace_ingestion import BrokerUnavailableError, Contract, Counters, KafkaConnection, Producer, StoredRecord
from headrace_ingestion.settings import TransportName

from headrace.stack.broker import local_broker
from headrace.stack.ports import free_ports
from headrace.stack.topics import TopicSpec, ensure_topics

CALL = {"subscriber_id": "s1", "duration_s": 1.0, "country": "NO"}

both_clients = pytest.mark.parametrize("transport", ["kafka-python", "confluent"])


@both_clients
def test_a_port_that_nobody_listens_on_fails_the_event_after_the_timeout(
    call_contract: Contract, transport: TransportName, caplog: pytest.LogCaptureFixture
) -> None:
    (port,) = free_ports(1)
    connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{port}", transport=transport)
    with Producer(call_contract, connection, delivery_timeout_seconds=0.5) as producer:
        delivery = producer.send("call", {**CALL, "started_at": datetime.now(timezone.utc)})
        with pytest.raises(BrokerUnavailableError) as caught:
            delivery.result(timeout_seconds=30)
    assert str(caught.value) == (
        f"no broker answers at {connection.bootstrap_servers}\n"
        "  answer:  nothing listens there\n"
        "  try:     headrace status, or correct kafka.bootstrap_servers"
    )
    # Told once, and long before the time of the event may be over.
    (told,) = [each for each in caplog.records if each.levelname == "WARNING" and "waiting" in each.message]
    assert told.message.startswith(f"waiting for the broker: no broker answers at {connection.bootstrap_servers}")


@both_clients
def test_a_port_that_does_not_speak_kafka_fails_the_event_after_the_timeout(
    call_contract: Contract, transport: TransportName
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{silent.getsockname()[1]}", transport=transport)
        with Producer(call_contract, connection, delivery_timeout_seconds=0.5) as producer:
            delivery = producer.send("call", {**CALL, "started_at": datetime.now(timezone.utc)})
            with pytest.raises(BrokerUnavailableError):
                delivery.result(timeout_seconds=30)


@pytest.mark.slow
def test_events_sent_before_the_broker_is_up_are_delivered_when_it_is(
    tmp_path: Path, call_contract: Contract, read_all: Callable[[KafkaConnection, str], list[StoredRecord]]
) -> None:
    (port,) = free_ports(1)
    connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{port}")
    # One keeps them in memory; the other two, one a client library, have space for ten and a folder.
    connections = {
        Producer(call_contract, connection): connection,
        **{
            Producer(
                call_contract, spilling, queue_max_events=10, spill_after_seconds=0.01, spill_folder=tmp_path / name
            ): spilling
            for name in ("kafka-python", "confluent")
            if (spilling := connection.model_copy(update={"topic_prefix": f"{name}.", "transport": name}))
        },
    }
    for producer in connections:
        for number in range(100):
            producer.send("call", {**CALL, "started_at": datetime.now(timezone.utc)}, event_id=str(number))
    with local_broker(tmp_path, port=port):
        topics = [f"{used.topic_prefix}events.call" for used in connections.values()]
        ensure_topics(connection, dict.fromkeys(topics, TopicSpec(partitions=1)))
        for producer in connections:
            # Closed while the broker is there: one that cannot say goodbye leaves its sockets to the garbage collector.
            producer.close(timeout_seconds=60)
            assert producer.counters.delivered + producer.counters.replayed == 100
        for topic in topics:
            ids = [dict(record.headers)["event_id"] for record in read_all(connection, topic)]
            assert ids == [str(number).encode() for number in range(100)]


@pytest.mark.slow
def test_a_broker_that_is_killed_under_load_loses_and_doubles_nothing(
    tmp_path: Path, call_contract: Contract, read_all: Callable[[KafkaConnection, str], list[StoredRecord]]
) -> None:
    (port,) = free_ports(1)
    # Both clients at once, each with topics of its own.
    connections = [
        KafkaConnection(bootstrap_servers=f"127.0.0.1:{port}", topic_prefix=f"{name}.", transport=name)
        for name in ("kafka-python", "confluent")
    ]
    producers = [Producer(call_contract, connection) for connection in connections]
    topics = [f"{connection.topic_prefix}events.call" for connection in connections]

    def send(first: int, last: int) -> None:
        for number in range(first, last):
            event = {**CALL, "subscriber_id": f"s{number % 9}", "started_at": datetime.now(timezone.utc)}
            for producer in producers:
                producer.send("call", event, event_id=f"{number:06}")

    with local_broker(tmp_path, port=port) as killed:
        ensure_topics(connections[0], dict.fromkeys(topics, TopicSpec(partitions=2)))
        send(0, 1)
        for producer in producers:
            producer.flush(timeout_seconds=60)
            assert producer.counters.delivered == 1
        send(1, 2_000)
        os.kill(killed.pid, signal.SIGKILL)
        send(2_000, 4_000)
    with local_broker(tmp_path, port=port):
        send(4_000, 5_000)
        for producer in producers:
            producer.close(timeout_seconds=60)
        stored = [read_all(connections[0], topic) for topic in topics]
    for producer, records in zip(producers, stored, strict=True):
        assert producer.counters == Counters(sent=5_000, delivered=5_000, failed=0, queued=0, refused=0)
        ids: dict[bytes | None, list[bytes]] = {}
        for record in records:
            ids.setdefault(record.key, []).append(dict(record.headers)["event_id"] or b"")
        assert ids == {f"s{key}".encode(): [f"{n:06}".encode() for n in range(key, 5_000, 9)] for key in range(9)}
