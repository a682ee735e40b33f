"""Records to a real broker by confluent-kafka, the client in C: with the same promises as by kafka-python."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from headrace_ingestion.confluent_errors import confluent_error
from headrace_ingestion.kafka_errors import broker_unavailable, unknown_topic
from headrace_ingestion.kafka_transport import (
    CONNECT_WAIT_MS,
    LINGER_MS,
    METADATA_WAIT_MS,
    PARTITIONS_KNOWN_SECONDS,
    accepts,
)
from headrace_ingestion.settings import KafkaConnection
from headrace_ingestion.transport import DeliveryReport, OnResult, OutgoingRecord

if TYPE_CHECKING:
    from confluent_kafka import Producer

_SERVE_SECONDS = 0.002
"""How often threads that send serve the answers; when none does, a thread of the transport does."""
_POLL_SECONDS = 0.02
_LARGEST_QUEUE = 10_000_000
"""Records that the client may hold: more than any queue of a producer, which is what bounds them."""


class ConfluentTransport:
    """A `Transport` over one `confluent_kafka.Producer`.

    Partitions are those of `partition_of`: the client has the same hash. A record timestamp of 0 (1970-01-01T00:00Z)
    becomes the time of sending: to this client it means that there is none.
    """

    def __init__(self, connection: KafkaConnection, delivery_timeout_seconds: float) -> None:
        """Make a transport that has not connected yet."""
        self._connection = connection
        self._timeout_ms = max(round(delivery_timeout_seconds * 1000), LINGER_MS + 1)
        self._producer: Producer | None = None
        self._client_errors: tuple[type[Exception], ...] = ()
        # Topic → until when to believe that it exists.
        self._topics: dict[str, float] = {}
        self._refusal: Any = None
        self._serve_at = 0.0
        self._closing = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="headrace-answers", daemon=True)

    @property
    def place(self) -> str:
        """The bootstrap servers."""
        return self._connection.bootstrap_servers

    def connect(self) -> None:
        """Reach a broker.

        Raises:
            BrokerUnavailableError: None answers.
            DeliveryError: One answers and refuses the login, or a file of the connection cannot be read.
        """
        if self._closing.is_set() or self._poller.is_alive():
            return
        if not any(accepts(server) for server in self.place.split(",")):
            raise broker_unavailable(self.place, "nothing listens there")
        from confluent_kafka import KafkaException, Producer

        # A key of the wrong type, or a topic name that Kafka does not allow.
        self._client_errors = (KafkaException, ValueError, TypeError)
        try:
            if self._producer is None:
                self._producer = Producer(self._options())
            self._await_broker(self._producer)
        except KafkaException as error:
            raise self._why_no_connection(error) from error
        self._poller.start()

    def _await_broker(self, producer: Producer) -> None:
        """Wait for an answer in longer and longer steps: a refusal is told between them, and ends the wait."""
        from confluent_kafka import KafkaException

        end = time.monotonic() + CONNECT_WAIT_MS / 1000
        step_seconds = 0.25
        while True:
            left_seconds = end - time.monotonic()
            try:
                producer.list_topics(timeout=max(min(step_seconds, left_seconds), 0.001))
                return
            except KafkaException:
                producer.poll(0)
                if self._refusal is not None or left_seconds <= step_seconds:
                    raise
            step_seconds *= 2

    def _options(self) -> dict[str, Any]:
        return {
            **self._connection.confluent_options(),
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": LINGER_MS,
            "message.timeout.ms": self._timeout_ms,
            "queue.buffering.max.messages": _LARGEST_QUEUE,
            # The partitions that every other client of the topic would choose.
            "partitioner": "murmur2_random",
            "allow.auto.create.topics": False,
            # A broker that comes back is found within a second, not within ten.
            "reconnect.backoff.max.ms": 1_000,
            # What goes wrong is told by errors, not on standard error.
            "log_level": 0,
            "error_cb": self._note_error,
        }

    def _note_error(self, error: Any) -> None:
        from confluent_kafka import KafkaError

        if error.code() in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL):
            self._refusal = error

    def _why_no_connection(self, error: Any) -> Exception:
        """Return the refused login or certificate behind an answer that did not come, if it was one."""
        # The client tells it once, and goes on trying.
        if self._producer is not None:
            self._producer.poll(0)
        return confluent_error(self._refusal or error.args[0], self.place)

    def ready(self, topic: str) -> bool:
        """Return whether the topic is known; then the client takes its records without waiting."""
        return time.monotonic() < self._topics.get(topic, 0.0)

    def send(self, record: OutgoingRecord, on_result: OnResult) -> None:
        """Take the record.

        Raises:
            BrokerUnavailableError: Its topic is not known and no broker answers, or the client has no memory left.
            UnknownTopicError: The broker has no such topic.
            DeliveryError: The record can never be taken.
        """
        producer: Any = self._producer
        topic, key, value, headers, timestamp_ms = record
        now = time.monotonic()
        try:
            if now >= self._topics.get(topic, 0.0):
                self._find_topic(topic)
            answer = _Answer(on_result, self, topic, len(value))
            producer.produce(topic, value, key, on_delivery=answer, timestamp=timestamp_ms, headers=headers)
        except BufferError as error:
            raise broker_unavailable(self.place, "the client's memory is full of records without an answer") from error
        except self._client_errors as error:
            raise confluent_error(error.args[0] if error.args else error, self.place, topic, len(value)) from error
        if now >= self._serve_at:
            # The client takes the interpreter's lock for each answer by itself: a thread that has to wait for it beside
            # one that sends gets it two hundred times a second. Here nobody waits.
            self._serve_at = now + _SERVE_SECONDS
            producer.poll(0)

    def _find_topic(self, topic: str) -> None:
        producer: Any = self._producer
        found = producer.list_topics(topic, timeout=METADATA_WAIT_MS / 1000).topics.get(topic)
        if found is None or found.error is not None or not found.partitions:
            known = producer.list_topics(timeout=CONNECT_WAIT_MS / 1000).topics
            if found is not None and found.error is not None and topic in known:
                raise confluent_error(found.error, self.place, topic)
            raise unknown_topic(topic, self.place, (name for name in known if not name.startswith("__")))
        self._topics[topic] = time.monotonic() + PARTITIONS_KNOWN_SECONDS

    def _poll(self) -> None:
        producer: Any = self._producer
        while not self._closing.is_set():
            if time.monotonic() < self._serve_at + _SERVE_SECONDS:
                self._closing.wait(_SERVE_SECONDS)
            else:
                producer.poll(_POLL_SECONDS)

    def close(self, timeout_seconds: float) -> None:
        """Let go of the broker; records without an answer by then are answered with an error."""
        self._closing.set()
        if self._producer is None:
            return
        self._producer.flush(timeout_seconds)
        self._producer.purge()
        self._producer.flush(1)
        if self._poller.is_alive():
            self._poller.join()
        self._producer = None


class _Answer:
    """Turns the client's answer for one record into ours."""

    __slots__ = ("_on_result", "_topic", "_transport", "_value_bytes")

    def __init__(self, on_result: OnResult, transport: ConfluentTransport, topic: str, value_bytes: int) -> None:
        self._on_result = on_result
        self._transport = transport
        self._topic = topic
        self._value_bytes = value_bytes

    def __call__(self, error: Any, message: Any) -> None:
        if error is None:
            report = DeliveryReport(self._topic, message.partition(), message.offset(), message.timestamp()[1])
            self._on_result(report)
        else:
            self._on_result(confluent_error(error, self._transport.place, self._topic, self._value_bytes))
