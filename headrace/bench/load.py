"""The processes of a latency measurement: an open-loop sender through the SDK, and readers that note arrivals.

All note instants of one clock, `time.monotonic_ns`, which the processes of a machine share.
"""

import importlib.util
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from typing import Any, Literal

from headrace_ingestion import Producer
from headrace_ingestion.contract import Contract
from headrace_ingestion.feature_rows import read_feature_row
from headrace_ingestion.pii import PiiSecret
from headrace_ingestion.settings import KafkaConnection

LatencyPart = Literal["sent", "features", "scores"]

# A reader in Python that asks for every record by itself takes more of the machine than what it measures.
_REST_SECONDS = 0.004
_POLL_MS = 100
_BARRIER_SECONDS = 300


@dataclass(frozen=True)
class Noted:
    """What a process of the measurement noted.

    Attributes:
        part: Whose notes these are.
        at_ns: Event id → instant: of the call of `send`, or of the arrival at a reader; the first one of each.
        behind_ns: Of the sender: event id → by how much the call came after its due instant.
    """

    part: LatencyPart
    at_ns: dict[str, int]
    behind_ns: dict[str, int]


@dataclass(frozen=True)
class Load:
    """What is sent.

    Attributes:
        contracts: Contracts of the project.
        connection: The brokers.
        event: Name of the event.
        events: Event id and fields, in order.
        rate: Events a second; each is due at its own instant, however late the one before was.
        pii_secret: What personal data is hashed with.
    """

    contracts: tuple[Contract, ...]
    connection: KafkaConnection
    event: str
    events: Sequence[tuple[str, dict[str, Any]]]
    rate: int
    pii_secret: PiiSecret | None = None


def send_open_loop(load: Load, barrier: Barrier, results: "Queue[Noted]") -> None:
    """Send the load and put the notes into the queue. The body of a process."""
    sent: dict[str, int] = {}
    behind: dict[str, int] = {}
    with Producer(load.contracts, load.connection, pii_secret=load.pii_secret) as producer:
        barrier.wait(_BARRIER_SECONDS)
        began_ns = time.monotonic_ns()
        for number, (event_id, fields) in enumerate(load.events):
            due_ns = began_ns + number * 1_000_000_000 // load.rate
            ahead_ns = due_ns - time.monotonic_ns()
            if ahead_ns > 0:
                time.sleep(ahead_ns / 1e9)
            now_ns = time.monotonic_ns()
            sent[event_id] = now_ns
            behind[event_id] = now_ns - due_ns
            producer.send(load.event, fields, event_id=event_id)
    results.put(Noted("sent", sent, behind))


@dataclass(frozen=True)
class Reading:
    """What is read.

    Attributes:
        part: Name of the notes.
        topic: The topic.
        offsets: Partition → offset to begin at: the end of the topic before the first event of the load.
        records: How many different events to wait for.
        longest_seconds: How long to wait for them.
        variant: Only scores of this variant; None reads all records.
        id_field: Field of the value that says which event it is.
    """

    part: LatencyPart
    topic: str
    offsets: dict[int, int]
    records: int
    longest_seconds: float
    variant: str | None = None
    id_field: str = "event_id"


def read_arrivals(connection: KafkaConnection, reading: Reading, barrier: Barrier, results: "Queue[Noted]") -> None:
    """Read until every event has arrived or the time is over and put the notes into the queue. The body of a process.

    Reads uncommitted, as readers do for whom a transaction's end is too late. Uses confluent-kafka where it is
    installed (the dependency group `bench`): a reader in Python takes a sixth of a core from what is measured.
    """
    has_confluent = importlib.util.find_spec("confluent_kafka") is not None
    open_reader = _confluent if has_confluent else _kafka_python
    arrived: dict[str, int] = {}
    with open_reader(connection, reading) as arrivals:
        barrier.wait(_BARRIER_SECONDS)
        deadline = time.monotonic() + reading.longest_seconds
        while len(arrived) < reading.records and time.monotonic() < deadline:
            for value, at_ns in arrivals():
                row = read_feature_row(value)
                if reading.variant is None or row["variant"] == reading.variant:
                    arrived.setdefault(row[reading.id_field], at_ns)
    results.put(Noted(reading.part, arrived, {}))


_Arrivals = Callable[[], Iterable[tuple[bytes, int]]]
"""Waits for a moment and returns what has arrived: values of records, each with its instant."""


@contextmanager
def _confluent(connection: KafkaConnection, reading: Reading) -> Iterator[_Arrivals]:
    from confluent_kafka import Consumer, TopicPartition

    settings = {
        "bootstrap.servers": connection.bootstrap_servers,
        "group.id": "headrace-bench",  # asked for, and not used: nothing is committed
        "enable.auto.commit": False,
        "isolation.level": "read_uncommitted",
        "log_level": 3,
    }
    consumer = Consumer(settings)
    try:
        consumer.assign([TopicPartition(reading.topic, *place) for place in reading.offsets.items()])

        def arrivals() -> Iterator[tuple[bytes, int]]:
            message = consumer.poll(_POLL_MS / 1000)
            if message is not None and message.error() is None:
                yield message.value(), time.monotonic_ns()

        yield arrivals
    finally:
        consumer.close()


@contextmanager
def _kafka_python(connection: KafkaConnection, reading: Reading) -> Iterator[_Arrivals]:
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(**connection.client_options(), enable_auto_commit=False, metrics_enabled=False)
    try:
        consumer.assign([TopicPartition(reading.topic, number) for number in reading.offsets])
        for number, offset in reading.offsets.items():
            consumer.seek(TopicPartition(reading.topic, number), offset)

        def arrivals() -> Iterator[tuple[bytes, int]]:
            polled = consumer.poll(_POLL_MS)
            now_ns = time.monotonic_ns()
            yield from ((record.value, now_ns) for records in polled.values() for record in records)
            if polled:
                time.sleep(_REST_SECONDS)

        yield arrivals
    finally:
        consumer.close()


def end_offsets(connection: KafkaConnection, topic: str) -> dict[int, int]:
    """Return partition → the offset that the next record gets."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(**connection.client_options(), enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        return {partition.partition: offset for partition, offset in consumer.end_offsets(partitions).items()}
    finally:
        consumer.close()
