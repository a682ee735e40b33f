"""Records to a real broker, by kafka-python: idempotent, acknowledged by all in-sync replicas, compressed with lz4."""

from __future__ import annotations

import logging
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace_ingestion.errors import (
    AccessDeniedError,
    BrokerUnavailableError,
    DeliveryError,
    UnknownTopicError,
)
from headrace_ingestion.kafka_errors import broker_unavailable, delivery_error, unknown_topic
from headrace_ingestion.partitioning import partition_of
from headrace_ingestion.settings import KafkaConnection
from headrace_ingestion.transport import DeliveryReport, OnResult, OutgoingRecord

if TYPE_CHECKING:
    from kafka import KafkaProducer, TopicPartition

    from headrace_ingestion.kafka_batches import Batches

_CLIENT_LOG = logging.getLogger("kafka.net.manager")
LINGER_MS = 5
BATCH_BYTES = 131_072
METADATA_WAIT_MS = 500
CONNECT_WAIT_MS = 3_000
PROBE_SECONDS = 1.0
FORCED_CLOSE_SECONDS = 5.0
"""How long the client's thread may take to answer what it has with an error."""
PARTITIONS_KNOWN_SECONDS = 30.0
"""How long a partition count is believed: a topic that grows gets its keys moved within this time."""


class KafkaTransport:
    """A `Transport` over one `KafkaProducer`."""

    def __init__(self, connection: KafkaConnection, delivery_timeout_seconds: float) -> None:
        """Make a transport that has not connected yet."""
        self._connection = connection
        self._timeout_ms = round(delivery_timeout_seconds * 1000)
        self._producer: KafkaProducer | None = None
        self._client_errors: tuple[type[Exception], ...] = ()
        self._batches: Batches | None = None
        # Topic → its partitions as the client names them, and until when to believe it.
        self._partitions: dict[str, tuple[list[TopicPartition], float]] = {}

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
        if self._producer is not None:
            return
        # The client waits long for a port that nobody listens on, and leaves its sockets behind.
        if not any(accepts(server) for server in self.place.split(",")):
            raise broker_unavailable(self.place, "nothing listens there")
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        # ValueError: a topic name that Kafka does not allow.
        self._client_errors = (KafkaError, ValueError)
        clients: list[Any] = []
        failures = _Failures()
        _CLIENT_LOG.addHandler(failures)
        try:
            self._producer = KafkaProducer(
                **self._connection.client_options(),
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                linger_ms=LINGER_MS,
                batch_size=BATCH_BYTES,
                # The client demands: delivery timeout >= request timeout + linger.
                delivery_timeout_ms=self._timeout_ms,
                request_timeout_ms=min(30_000, self._timeout_ms - LINGER_MS),
                max_block_ms=METADATA_WAIT_MS,
                bootstrap_timeout_ms=CONNECT_WAIT_MS,
                # A broker that comes back is found within a second, not within thirty.
                reconnect_backoff_max_ms=1_000,
                metrics_enabled=False,
                kafka_client=partial(_kept_client, clients),
            )
        except (KafkaError, OSError) as error:
            # A producer that fails in its constructor leaves its sockets open.
            for client in clients:
                client.close()
            if isinstance(error, OSError):
                raise broker_unavailable(self.place, str(error)) from error
            raise self._why_no_connection(error, failures.last) from error
        finally:
            _CLIENT_LOG.removeHandler(failures)
        # At exit the client would close itself first, at once, under the feet of a producer that flushes.
        self._producer._unregister_cleanup()
        self._batches = self._make_batches(self._producer)

    def _make_batches(self, producer: KafkaProducer) -> Batches | None:
        from headrace_ingestion.kafka_batches import Batches, client_is_known

        return Batches(producer, BATCH_BYTES, self._refused) if client_is_known() else None

    def _refused(self, error: BaseException, record: OutgoingRecord) -> DeliveryError:
        return delivery_error(error, self.place, record.topic, len(record.value))

    def _why_no_connection(self, error: Exception, last: BaseException | None) -> DeliveryError:
        if last is None:
            return delivery_error(error, self.place)
        reason = delivery_error(last, self.place)
        return reason if isinstance(reason, AccessDeniedError) else broker_unavailable(self.place, str(last))

    def ready(self, topic: str) -> bool:
        """Return whether the partitions of the topic are known; then the client takes its records without waiting."""
        known = self._partitions.get(topic)
        return known is not None and time.monotonic() < known[1]

    def send(self, record: OutgoingRecord, on_result: OnResult) -> None:
        """Take the record.

        Raises:
            BrokerUnavailableError: The partitions of its topic are not known, and no broker answers.
            UnknownTopicError: The broker has no such topic.
            DeliveryError: The record can never be taken.
        """
        known = self._partitions.get(record.topic)
        try:
            if known is None or time.monotonic() >= known[1]:
                known = self._find_partitions(record.topic)
            partition = known[0][partition_of(record.key, len(known[0]))]
            if self._batches is None or not self._batches.add(partition, record, on_result):
                self._send_alone(partition, record, on_result)
        except self._client_errors as error:
            raise self._refused(error, record) from error

    def _send_alone(self, partition: TopicPartition, record: OutgoingRecord, on_result: OnResult) -> None:
        """Send by the client's own way: what is large, or everything, by a client whose inside is not known."""
        producer: Any = self._producer
        topic, key, value, headers, timestamp_ms = record
        future = producer.send(topic, value, key, headers, partition.partition, timestamp_ms)
        answer = _Answer(on_result, self, record)
        future.add_callback(answer.stored)
        future.add_errback(answer.refused)

    def close(self, timeout_seconds: float) -> None:
        """Let go of the broker; records without an answer by then are answered with an error."""
        if self._producer is None:
            return
        from kafka.errors import KafkaTimeoutError

        try:
            self._producer.close(timeout_seconds)
        except KafkaTimeoutError:
            # The client waits for its answers first, and gives up before it has ended anything: its thread would go on.
            thread: Any = self._producer._sender
            thread.force_close()
            thread.join(FORCED_CLOSE_SECONDS)

    def _find_partitions(self, topic: str) -> tuple[list[TopicPartition], float]:
        """Ask the client, which may wait for its broker."""
        from kafka import TopicPartition
        from kafka.errors import KafkaTimeoutError

        producer: Any = self._producer
        try:
            count = len(producer.partitions_for(topic))
        except KafkaTimeoutError as error:
            raise self._why_no_partitions(topic) from error
        partitions = [TopicPartition(topic, number) for number in range(count)]
        found = self._partitions[topic] = (partitions, time.monotonic() + PARTITIONS_KNOWN_SECONDS)
        return found

    def _why_no_partitions(self, topic: str) -> BrokerUnavailableError | UnknownTopicError:
        """Ask a broker directly: the producer does not tell a missing topic from a missing broker."""
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        if not any(accepts(server) for server in self.place.split(",")):
            return broker_unavailable(self.place, "nothing listens there")
        try:
            admin = KafkaAdminClient(**self._connection.client_options(), bootstrap_timeout_ms=CONNECT_WAIT_MS)
            try:
                known = [found["name"] for found in admin.describe_topics() if not found["is_internal"]]
            finally:
                admin.close()
        except KafkaError as error:
            return broker_unavailable(self.place, str(error))
        return unknown_topic(topic, self.place, known)


def _kept_client(kept: list[Any], **options: Any) -> Any:
    from kafka import KafkaProducer

    client = KafkaProducer.DEFAULT_CONFIG["kafka_client"](**options)
    kept.append(client)
    return client


class _Failures(logging.Handler):
    """Keeps why the last connection failed: the client tells its log, and its caller only that none was made."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        from kafka.errors import KafkaTimeoutError, SaslAuthenticationFailedError

        for value in record.args if isinstance(record.args, tuple) else ():
            # A refused login is followed by lost connections, and all of them by a time-out.
            refused = isinstance(self.last, SaslAuthenticationFailedError)
            if isinstance(value, BaseException) and not refused and not isinstance(value, KafkaTimeoutError):
                self.last = value
                if isinstance(value, SaslAuthenticationFailedError) and record.levelno == logging.WARNING:
                    # Told where the client would try again until its time is over, which changes nothing: end that.
                    raise value


class _Answer:
    """Turns the client's answer for one record into ours; one small object a record, where closures would be nine."""

    __slots__ = ("_on_result", "_record", "_transport")

    def __init__(self, on_result: OnResult, transport: KafkaTransport, record: OutgoingRecord) -> None:
        self._on_result = on_result
        self._transport = transport
        self._record = record

    def stored(self, place: Any) -> None:
        # The client's RecordMetadata: topic, partition, both, offset, timestamp.
        self._on_result(DeliveryReport(place[0], place[1], place[3], place[4]))

    def refused(self, error: BaseException) -> None:
        self._on_result(self._transport._refused(error, self._record))


def accepts(server: str) -> bool:
    """Return whether something listens at `host:port`."""
    host, _, port = server.strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS):
            return True
    except OSError:
        return False
