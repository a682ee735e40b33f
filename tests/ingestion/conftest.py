"""Fixtures of the SDK's tests: a contract, and one platform that is the fake broker or the real one."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from headrace_ingestion import Contract, KafkaConnection, Producer, StoredRecord
from headrace_ingestion.settings import TransportName
from headrace_ingestion.testing import FakeBroker


class Platform(Protocol):
    """A broker with topics of its own, as a test of behaviour sees it."""

    def create_topic(self, event: str, partitions: int = 1) -> str: ...

    def producer(self, contracts: Any, **options: Any) -> Producer: ...

    def records(self, event: str) -> list[StoredRecord]: ...


class FakePlatform:
    """The broker in memory."""

    def __init__(self) -> None:
        self.broker = FakeBroker()

    def create_topic(self, event: str, partitions: int = 1) -> str:
        return self.broker.create_topic(f"events.{event}", partitions)

    def producer(self, contracts: Any, **options: Any) -> Producer:
        return Producer(contracts, transport=self.broker.transport(), **options)

    def records(self, event: str) -> list[StoredRecord]:
        return self.broker.records(f"events.{event}")


class RealPlatform:
    """A real broker; a topic prefix keeps tests apart."""

    def __init__(self, broker: Any, transport: TransportName) -> None:
        self.broker = broker
        self.connection = KafkaConnection(
            bootstrap_servers=broker.bootstrap_servers, topic_prefix=f"t{uuid.uuid4().hex[:8]}.", transport=transport
        )

    def create_topic(self, event: str, partitions: int = 1) -> str:
        name = f"{self.connection.topic_prefix}events.{event}"
        self.broker.create_topic(name, partitions)
        return name

    def producer(self, contracts: Any, **options: Any) -> Producer:
        return Producer(contracts, self.connection, **options)

    def records(self, event: str) -> list[StoredRecord]:
        return _read_all(self.connection, f"{self.connection.topic_prefix}events.{event}")


def _read_all(connection: KafkaConnection, topic: str) -> list[StoredRecord]:
    """Return all records of a topic by partition and offset."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(**connection.client_options(), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found: list[StoredRecord] = []
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=1000).values():
                found += [
                    StoredRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
                    for r in records
                ]
    finally:
        consumer.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))


@pytest.fixture(params=["fake", "kafka-python", "confluent"])
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    """The fake broker, then the real one through each client library: all must behave alike."""
    if request.param == "fake":
        yield FakePlatform()
    else:
        yield RealPlatform(request.getfixturevalue("broker"), request.param)


@pytest.fixture
def read_all() -> Callable[[KafkaConnection, str], list[StoredRecord]]:
    """Read a topic of a real broker from its beginning to its end."""
    return _read_all


@pytest.fixture
def fake() -> FakeBroker:
    """A broker in memory with the topic of a phone call."""
    broker = FakeBroker()
    broker.create_topic("events.call")
    return broker


@pytest.fixture
def call_contract() -> Contract:
    """The contract of a phone call."""
    return make_contract()


@pytest.fixture
def contract_of() -> Callable[..., Contract]:
    """Make a contract like that of a phone call, with some of it changed."""
    return make_contract


def make_contract(**changes: Any) -> Contract:
    return Contract.model_validate(
        {
            "name": "call",
            "version": 1,
            "key": "subscriber_id",
            "time": "started_at",
            "fields": {
                "subscriber_id": {"type": "string"},
                "started_at": {"type": "timestamp"},
                "duration_s": {"type": "double", "minimum": 0},
                "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
                "device": {"type": "string", "required": False},
            },
        }
        | changes
    )
