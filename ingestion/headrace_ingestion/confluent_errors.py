"""The one border where errors of confluent-kafka become those of headrace."""

from __future__ import annotations

from typing import Any

from headrace_ingestion.errors import (
    AccessDeniedError,
    BrokerRefusedError,
    BrokerUnavailableError,
    DeliveryError,
    ProducerClosedError,
)
from headrace_ingestion.kafka_errors import broker_unavailable, delivery_error, unknown_topic


def confluent_error(error: Any, place: str, topic: str | None = None, value_bytes: int | None = None) -> DeliveryError:
    """Return the error of confluent-kafka as ours.

    Args:
        error: Its `KafkaError`, or an exception that has none.
        place: The bootstrap servers.
        topic: Topic of the record, when it was about one.
        value_bytes: Size of the record's value.
    """
    from confluent_kafka import KafkaError
    from kafka import errors as kafka

    if not isinstance(error, KafkaError):
        return delivery_error(error if isinstance(error, Exception) else ValueError(error), place, topic, value_bytes)
    code, text = error.code(), error.str()
    if code > 0:
        # What a broker answers has the same numbers in every client.
        return delivery_error(kafka.for_code(code)(text), place, topic, value_bytes)
    where = {"topic": topic or "", "broker": place}
    if error.fatal():
        return BrokerRefusedError("the client has given up for good", {"answer": text, **where}, "a new Producer(…)")
    if code in (KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION) and topic is not None:
        return unknown_topic(topic, place)
    if code in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._DESTROY):
        return ProducerClosedError("the producer was closed before the broker answered", where, "flush before close")
    if code == KafkaError._SSL:
        return broker_unavailable(place, text)
    if code == KafkaError._AUTHENTICATION:
        return AccessDeniedError(
            "the broker refuses access", {"answer": text, **where}, "correct kafka.sasl_username and its rights"
        )
    if code in (
        KafkaError._MSG_TIMED_OUT, KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE, KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._QUEUE_FULL,
    ):  # fmt: skip
        return BrokerUnavailableError(
            f"no broker at {place} acknowledged the event in time",
            {"answer": text, "topic": topic or ""},
            "headrace status",
        )
    return BrokerRefusedError("the broker refuses the record", {"answer": text, **where}, "headrace doctor")
