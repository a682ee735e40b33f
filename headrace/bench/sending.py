"""Fills the topic of a workload, as fast as the installed client can."""

import importlib.util
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from headrace_ingestion.settings import KafkaConnection

from headrace.bench.errors import BenchError
from headrace.bench.workload import Message

_LOG = logging.getLogger(__name__)
_FLUSH_SECONDS = 300
_SERVED_EVERY = 10_000


def fill(connection: KafkaConnection, topic: str, messages: Iterable[Message]) -> int:
    """Produce the messages and return how many were acknowledged: all of them.

    Uses confluent-kafka where it is installed (the dependency group `bench`), which is ten times faster.

    Raises:
        BenchError: The broker did not acknowledge every one.
    """
    has_confluent = importlib.util.find_spec("confluent_kafka") is not None
    open_sender = _confluent if has_confluent else _kafka_python
    send, finish = open_sender(connection, topic)
    count = 0
    for count, message in enumerate(messages, start=1):  # noqa: B007 - counts what was sent
        send(message)
    acknowledged = finish()
    if acknowledged != count:
        raise BenchError(
            f"{count - acknowledged} of {count} events did not reach {topic}",
            {"brokers": connection.bootstrap_servers},
            "fewer events, or a look at free disk space",
        )
    return count


class _Send(Protocol):
    def __call__(self, message: Message, /) -> None: ...


def _confluent(connection: KafkaConnection, topic: str) -> tuple[_Send, Callable[[], int]]:
    from confluent_kafka import Producer

    producer = Producer(
        {
            "bootstrap.servers": connection.bootstrap_servers,
            "log_level": 3,
            # Without it a retry overtakes what was sent before it, and events of a key change places.
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": 200_000,
            # The partitions that every other client would choose.
            "partitioner": "murmur2_random",
        }
    )
    acknowledged = 0
    sent = 0

    def reported(error: object, message: object) -> None:
        nonlocal acknowledged
        if error is None:
            acknowledged += 1
        else:
            _LOG.warning("not delivered: %s", error)

    def send(message: Message) -> None:
        nonlocal sent
        key, value, headers, timestamp_ms = message
        sent += 1
        if sent % _SERVED_EVERY == 0:
            producer.poll(0)
        while True:
            try:
                producer.produce(topic, value, key, timestamp=timestamp_ms, headers=headers, on_delivery=reported)
            except BufferError:
                producer.poll(0.1)
            else:
                return

    def finish() -> int:
        producer.flush(_FLUSH_SECONDS)
        return acknowledged

    return send, finish


def _kafka_python(connection: KafkaConnection, topic: str) -> tuple[_Send, Callable[[], int]]:
    from kafka import KafkaProducer

    producer = KafkaProducer(
        **connection.client_options(),
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=20,
        batch_size=131_072,
    )
    futures = []

    def send(message: Message) -> None:
        key, value, headers, timestamp_ms = message
        futures.append(producer.send(topic, value, key, headers, timestamp_ms=timestamp_ms))

    def finish() -> int:
        producer.flush(_FLUSH_SECONDS)
        producer.close()
        return sum(future.succeeded() for future in futures)

    return send, finish
