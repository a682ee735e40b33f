"""The plain clients that the SDK is measured beside, with the settings that it gives them."""

from collections.abc import Callable
from typing import Any, Protocol

from headrace_ingestion.kafka_transport import BATCH_BYTES, LINGER_MS
from headrace_ingestion.settings import KafkaConnection

from headrace.bench.workload import Message

_FLUSH_SECONDS = 300
_SERVED_EVERY = 1_000


class Send(Protocol):
    """Gives a record to the client."""

    def __call__(self, record: Message, /) -> None: ...


Finish = Callable[[bool], int]
"""Waits for all answers, closes the client if told to, and returns how many records were acknowledged so far."""


def open_kafka_python(connection: KafkaConnection, topic: str) -> tuple[Send, Finish]:
    """Return what sends to the topic by kafka-python, and what ends it."""
    from kafka import KafkaProducer

    producer = KafkaProducer(
        **connection.client_options(),
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=LINGER_MS,
        batch_size=BATCH_BYTES,
        metrics_enabled=False,
    )
    futures: list[Any] = []

    def send(record: Message) -> None:
        key, value, headers, timestamp_ms = record
        futures.append(producer.send(topic, value, key, headers, timestamp_ms=timestamp_ms))

    def finish(over: bool) -> int:
        producer.flush(_FLUSH_SECONDS)
        acknowledged: int = sum(future.succeeded() for future in futures)
        if over:
            producer.close()
        return acknowledged

    return send, finish


def open_confluent(connection: KafkaConnection, topic: str) -> tuple[Send, Finish]:
    """Return what sends to the topic by confluent-kafka, and what ends it."""
    from confluent_kafka import Producer

    acknowledged = 0

    def reported(error: object, message: object) -> None:
        nonlocal acknowledged
        acknowledged += error is None

    producer = Producer(
        {
            **connection.confluent_options(),
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": LINGER_MS,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
            "log_level": 3,
        }
    )
    sent = 0

    def send(record: Message) -> None:
        nonlocal sent
        key, value, headers, timestamp_ms = record
        producer.produce(topic, value, key, timestamp=timestamp_ms, headers=headers, on_delivery=reported)
        sent += 1
        if sent % _SERVED_EVERY == 0:
            producer.poll(0)

    def finish(over: bool) -> int:
        producer.flush(_FLUSH_SECONDS)
        return acknowledged

    return send, finish
