"""A broker in memory: topics, partitions, offsets, and the faults that a real one can have."""

from __future__ import annotations

import threading
from collections import deque

from headrace_ingestion.errors import DeliveryError
from headrace_ingestion.kafka_errors import broker_unavailable, too_large, unknown_topic
from headrace_ingestion.partitioning import partition_of
from headrace_ingestion.records import StoredRecord
from headrace_ingestion.transport import DeliveryReport, DeliveryResult, OnResult, OutgoingRecord

PLACE = "fake:9092"
LARGEST_VALUE_BYTES = 1_000_000


class FakeBroker:
    """Stores records in memory; threads may share it.

    Give `Producer(…, transport=broker.transport())` and look at `records`. Faults are switched by methods and last
    until they are switched back.
    """

    def __init__(self) -> None:
        """Make a broker without topics."""
        self._lock = threading.Lock()
        self._topics: dict[str, list[list[StoredRecord]]] = {}
        self._refusals: dict[str, DeliveryError] = {}
        self._twice: set[str] = set()
        self._away = False
        self._slow = False
        self._unanswered: deque[tuple[OnResult, DeliveryReport]] = deque()

    def create_topic(self, name: str, partitions: int = 1) -> str:
        """Make a topic and return its name; nothing happens when it exists."""
        with self._lock:
            self._topics.setdefault(name, [[] for _ in range(partitions)])
        return name

    def delete_topic(self, name: str) -> None:
        """Forget the topic and its records."""
        with self._lock:
            self._topics.pop(name, None)

    def records(self, topic: str) -> list[StoredRecord]:
        """Return the records of a topic by partition and offset; of an unknown topic there are none."""
        with self._lock:
            return [record for partition in self._topics.get(topic, []) for record in partition]

    def transport(self) -> FakeTransport:
        """Return a new connection to this broker, for one producer."""
        return FakeTransport(self)

    def go_away(self) -> None:
        """Answer nobody: neither connections nor records."""
        with self._lock:
            self._away = True

    def come_back(self) -> None:
        """Answer again; the records are still there."""
        with self._lock:
            self._away = False

    def be_slow(self) -> None:
        """Store records and keep the answers back."""
        with self._lock:
            self._slow = True

    def answer(self) -> None:
        """Give all answers that were kept back, in order, and answer at once from now on."""
        with self._lock:
            self._slow = False
            kept = list(self._unanswered)
            self._unanswered.clear()
        for on_result, report in kept:
            on_result(report)

    def refuse(self, topic: str, error: DeliveryError | None) -> None:
        """Answer the records of a topic with this error; None takes them again."""
        with self._lock:
            if error is None:
                self._refusals.pop(topic, None)
            else:
                self._refusals[topic] = error

    def duplicate(self, topic: str) -> None:
        """Store each record of the topic twice, as producers that are not idempotent can."""
        with self._lock:
            self._twice.add(topic)

    def _check_connection(self) -> None:
        if self._away:
            raise broker_unavailable(PLACE, "nothing listens there")

    def _store(self, record: OutgoingRecord) -> DeliveryResult:
        partitions = self._topics.get(record.topic)
        if partitions is None:
            raise unknown_topic(record.topic, PLACE, self._topics)
        refusal = self._refusals.get(record.topic)
        if refusal is not None:
            return refusal
        if len(record.value) > LARGEST_VALUE_BYTES:
            return too_large(len(record.value), "larger than the fake broker takes", record.topic, PLACE)
        number = partition_of(record.key, len(partitions))
        partition = partitions[number]
        offset = len(partition)
        for copy in range(2 if record.topic in self._twice else 1):
            partition.append(
                StoredRecord(
                    record.topic, number, offset + copy, record.timestamp_ms, record.key, record.value, record.headers
                )
            )
        return DeliveryReport(record.topic, number, offset, record.timestamp_ms)


class FakeTransport:
    """A `Transport` to a `FakeBroker`."""

    def __init__(self, broker: FakeBroker) -> None:
        """Make a connection that has not been opened."""
        self._broker = broker

    @property
    def place(self) -> str:
        """A name for messages."""
        return PLACE

    def connect(self) -> None:
        """Reach the broker.

        Raises:
            BrokerUnavailableError: It is away.
        """
        with self._broker._lock:
            self._broker._check_connection()

    def ready(self, topic: str) -> bool:
        """Return whether the broker is there and has the topic."""
        with self._broker._lock:
            return not self._broker._away and topic in self._broker._topics

    def send(self, record: OutgoingRecord, on_result: OnResult) -> None:
        """Store the record and answer, unless the broker is slow.

        Raises:
            BrokerUnavailableError: It is away.
            UnknownTopicError: It has no such topic.
        """
        with self._broker._lock:
            self._broker._check_connection()
            result = self._broker._store(record)
            if self._broker._slow and isinstance(result, DeliveryReport):
                self._broker._unanswered.append((on_result, result))
                return
        on_result(result)

    def close(self, timeout_seconds: float) -> None:
        """Do nothing: answers that were kept back stay back."""
