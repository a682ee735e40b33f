"""The producer and a real broker that is not there, or not yet."""

import socket
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from headrace_ingestion import BrokerUnavailableError, Contract, KafkaConnection, Producer, StoredRecord

from headrace.stack.broker import local_broker
from headrace.stack.topics import TopicSpec, ensure_topics

CALL = {"subscriber_id": "s1", "duration_s": 1.0, "country": "NO"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_that_nobody_listens_on_fails_the_event_after_the_timeout(call_contract: Contract) -> None:
    connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{free_port()}")
    with Producer(call_contract, connection, delivery_timeout_seconds=0.5) as producer:
        delivery = producer.send("call", {**CALL, "started_at": datetime.now(timezone.utc)})
        with pytest.raises(BrokerUnavailableError) as caught:
            delivery.result(timeout_seconds=30)
    assert str(caught.value) == (
        f"no broker answers at {connection.bootstrap_servers}\n"
        "  answer:  nothing listens there\n"
        "  try:     headrace status, or correct kafka.bootstrap_servers"
    )


def test_a_port_that_does_not_speak_kafka_fails_the_event_after_the_timeout(call_contract: Contract) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{silent.getsockname()[1]}")
        with Producer(call_contract, connection, delivery_timeout_seconds=0.5) as producer:
            delivery = producer.send("call", {**CALL, "started_at": datetime.now(timezone.utc)})
            with pytest.raises(BrokerUnavailableError):
                delivery.result(timeout_seconds=30)


@pytest.mark.slow
def test_events_sent_before_the_broker_is_up_are_delivered_when_it_is(
    tmp_path: Path, call_contract: Contract, read_all: Callable[[KafkaConnection, str], list[StoredRecord]]
) -> None:
    port = free_port()
    connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{port}")
    producer = Producer(call_contract, connection)
    for number in range(100):
        producer.send("call", {**CALL, "started_at": datetime.now(timezone.utc)}, event_id=str(number))
    with local_broker(tmp_path, port=port):
        ensure_topics(connection, {"events.call": TopicSpec(partitions=1)})
        # Closed while the broker is there: one that cannot say goodbye leaves its sockets to the garbage collector.
        assert producer.close(timeout_seconds=60).delivered == 100
        ids = [dict(record.headers)["event_id"] for record in read_all(connection, "events.call")]
    assert ids == [str(number).encode() for number in range(100)]
