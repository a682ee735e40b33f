"""The one border where errors of kafka-python become those of headrace."""

from __future__ import annotations

from collections.abc import Iterable

from headrace_ingestion.errors import (
    AccessDeniedError,
    BrokerRefusedError,
    BrokerUnavailableError,
    DeliveryError,
    ProducerClosedError,
    RecordTooLargeError,
    UnknownTopicError,
    closest,
)

_SHOWN_TOPICS = 20


def broker_unavailable(place: str, answer: str) -> BrokerUnavailableError:
    """Return the error of a broker that does not answer."""
    return BrokerUnavailableError(
        f"no broker answers at {place}", {"answer": answer}, "headrace status, or correct kafka.bootstrap_servers"
    )


def unknown_topic(topic: str, place: str, known: Iterable[str] = ()) -> UnknownTopicError:
    """Return the error of a topic that the broker does not have."""
    names = sorted(known)
    shown = ", ".join(names[:_SHOWN_TOPICS]) + (
        f" and {len(names) - _SHOWN_TOPICS} more" if len(names) > _SHOWN_TOPICS else ""
    )
    near = closest(topic, names)
    return UnknownTopicError(
        f"the topic {topic!r} does not exist",
        {"topics": shown or "none", "closest": near or "", "broker": place},
        "headrace up (it makes the topics of the project's contracts)",
    )


def too_large(value_bytes: int | None, answer: str, topic: str | None, place: str) -> RecordTooLargeError:
    """Return the error of a record that the broker does not take for its size."""
    size = f" of {value_bytes} bytes" if value_bytes is not None else ""
    return RecordTooLargeError(
        f"a record{size} is too large for the broker",
        {"answer": answer, "topic": topic or "", "broker": place},
        "shorten the event (max_length in the contract refuses it earlier)",
    )


def delivery_error(
    error: BaseException, place: str, topic: str | None = None, value_bytes: int | None = None
) -> DeliveryError:
    """Return the error of kafka-python as ours.

    Args:
        error: What the client raised or answered.
        place: The bootstrap servers.
        topic: Topic of the record, when it was about one.
        value_bytes: Size of the record's value.
    """
    from kafka import errors as kafka

    where = {"topic": topic or "", "broker": place}
    text = str(error)
    if isinstance(error, (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError)):
        return too_large(value_bytes, text, topic, place)
    if isinstance(
        error, (kafka.AuthorizationError, kafka.SaslAuthenticationFailedError, kafka.UnsupportedSaslMechanismError)
    ):
        return AccessDeniedError(
            "the broker refuses access", {"answer": text, **where}, "correct kafka.sasl_username and its rights"
        )
    if isinstance(error, kafka.UnknownTopicOrPartitionError) and topic is not None:
        return unknown_topic(topic, place)
    if isinstance(error, kafka.IllegalStateError):
        return ProducerClosedError("the producer was closed before the broker answered", where, "flush before close")
    if isinstance(error, kafka.RetriableError):
        return BrokerUnavailableError(
            f"no broker at {place} acknowledged the event in time",
            {"answer": text, "topic": topic or ""},
            "headrace status",
        )
    return BrokerRefusedError(
        "the broker refuses the record", {"answer": text or type(error).__name__, **where}, "headrace doctor"
    )
