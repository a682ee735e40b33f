"""Events by another key: each once, whatever happens to who writes them, and as they were."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from headrace_ingestion import Producer
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.partitioning import partition_of
from headrace_ingestion.rekeyed import RekeyedContract
from headrace_ingestion.settings import KafkaConnection
from headrace_streaming.outgoing import copies
from headrace_streaming.rekey import Rekeyer, RekeyError
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

PARTITIONS = 3


@pytest.fixture
def pay(broker: Any) -> tuple[Contract, KafkaConnection]:
    """An event with topics of its own, by card and by terminal."""
    prefix = f"rekey{time.time_ns()}."
    contract = Contract.model_validate(
        {
            "name": "pay",
            "version": 1,
            "key": "card",
            "time": "at",
            "fields": {
                "card": {"type": "string"},
                "terminal": {"type": "long"},
                "at": {"type": "timestamp"},
                "amount": {"type": "double", "minimum": 0},
            },
        }
    )
    connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers, topic_prefix=prefix)
    broker.create_topic(f"{prefix}events.pay", PARTITIONS)
    broker.create_topic(f"{prefix}events.pay.by.terminal", PARTITIONS)
    return contract, connection


def start(
    contract: Contract, connection: KafkaConnection
) -> tuple[threading.Event, threading.Thread, list[HeadraceError]]:
    """Run a rekeyer in a thread: what stops it, the thread, and what it ended with."""
    stop, failures = threading.Event(), list[HeadraceError]()
    turns = copies({"pay": contract}, [RekeyedContract(contract, "terminal")], prefix=connection.topic_prefix)
    rekeyer = Rekeyer(connection, turns, "rekey-of-the-test")

    def body() -> None:
        try:
            rekeyer.run(stop)
        except HeadraceError as error:
            failures.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    return stop, thread, failures


def committed(connection: KafkaConnection, enough: Callable[[list[Any]], bool]) -> list[Any]:
    """The records of the topic by terminal that a reader of whole transactions sees, once there are enough of them."""
    topic = f"{connection.topic_prefix}events.pay.by.terminal"
    options = {"auto_offset_reset": "earliest", "isolation_level": "read_committed", "enable_auto_commit": False}
    consumer = KafkaConsumer(**connection.client_options(), **options)
    found: list[Any] = []
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        deadline = time.monotonic() + 150
        while not enough(found):
            assert time.monotonic() < deadline, len(found)
            for records in consumer.poll(100).values():
                found += records
        # What comes twice comes now.
        for records in consumer.poll(300).values():
            found += records
    finally:
        consumer.close()
    return found


def send(contract: Contract, connection: KafkaConnection, first: int, count: int) -> None:
    with Producer([contract], connection) as producer:
        for number in range(first, first + count):
            fields = {
                "card": f"c{number % 17}",
                "terminal": number % 5,
                "at": f"2026-01-31T12:00:{number % 60:02}Z",
                "amount": 1.0,
            }
            producer.send("pay", fields, event_id=f"e{number}", timestamp_ms=1_769_860_800_000 + number)


def test_each_event_is_there_once_by_its_other_key_when_the_writer_is_replaced(
    pay: tuple[Contract, KafkaConnection],
) -> None:
    contract, connection = pay
    stop, thread, failures = start(contract, connection)
    send(contract, connection, 0, 3_000)
    committed(connection, lambda found: len(found) > 0)
    # A second one at any moment: it ends what the first has open. The first ends, or shuts the second out in its turn.
    second_stop, second, second_failures = start(contract, connection)
    send(contract, connection, 3_000, 3_000)
    records = committed(connection, lambda found: len({record.headers[-1][1] for record in found}) == 6_000)
    stop.set()
    second_stop.set()
    thread.join(120)
    second.join(120)

    assert len(records) == 6_000
    for record in records:
        number = int(dict(record.headers)["event_id"][1:])
        assert record.key == str(number % 5).encode()
        assert record.partition == partition_of(record.key, PARTITIONS)
        assert record.timestamp == 1_769_860_800_000 + number
        assert dict(record.headers)["contract"] == b"pay/1"
    for failure in (*failures, *second_failures):
        assert isinstance(failure, RekeyError)
        assert str(failure) == (
            "the broker takes no more from this process: another one writes the events by their other keys\n"
            "  transactions:  rekey-of-the-test\n"
            "  expected:      one rekey process a project, which takes less than 30 s for a transaction\n"
            "  try:           headrace status"
        )


def test_what_the_contract_refuses_is_left_out_and_a_missing_id_is_the_place(
    pay: tuple[Contract, KafkaConnection],
) -> None:
    contract, connection = pay
    producer = KafkaProducer(**connection.client_options())
    values = (
        b'{"card":"c","terminal":7,"at":"2026-01-31T12:00:00Z","amount":1}',
        b'{"card":"c","terminal":7,"at":"2026-01-31T12:00:00Z","amount":-1}',
        b"no JSON",
        b'{"card":"c","terminal":8,"at":"2026-01-31T12:00:01Z","amount":2}',
    )
    for value in values:
        producer.send(contract.topic(connection.topic_prefix), key=b"c", value=value, partition=1)
    producer.close()
    stop, thread, failures = start(contract, connection)
    records = committed(connection, lambda found: len(found) == 2)
    stop.set()
    thread.join(120)
    assert failures == []
    assert sorted((record.key, dict(record.headers)["event_id"]) for record in records) == [
        (b"7", b"pay-1-0"),
        (b"8", b"pay-1-3"),
    ]
