"""The border to kafka-python: every error of the client becomes one of headrace."""

import kafka.errors
import pytest
from headrace_ingestion import (
    AccessDeniedError,
    BrokerRefusedError,
    BrokerUnavailableError,
    DeliveryError,
    HeadraceError,
    ProducerClosedError,
    RecordTooLargeError,
    UnknownTopicError,
)
from headrace_ingestion.kafka_errors import broker_unavailable, delivery_error, unknown_topic

ALL = sorted(
    {
        kind
        for kind in vars(kafka.errors).values()
        if isinstance(kind, type) and issubclass(kind, kafka.errors.KafkaError) and kind.__module__ == "kafka.errors"
    },
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", ALL, ids=[kind.__name__ for kind in ALL])
def test_every_error_of_the_client_becomes_a_delivery_error(kind: type[Exception]) -> None:
    # Without their constructors: some demand what only a consumer has.
    error = delivery_error(kind.__new__(kind), "localhost:9092", "events.call", 10)
    assert isinstance(error, DeliveryError)
    assert str(error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (kafka.errors.KafkaTimeoutError(), BrokerUnavailableError),
        (kafka.errors.NotLeaderForPartitionError(), BrokerUnavailableError),
        (kafka.errors.NotEnoughReplicasError(), BrokerUnavailableError),
        (kafka.errors.UnknownTopicOrPartitionError(), UnknownTopicError),
        (kafka.errors.MessageSizeTooLargeError(), RecordTooLargeError),
        (kafka.errors.RecordListTooLargeError(), RecordTooLargeError),
        (kafka.errors.TopicAuthorizationFailedError(), AccessDeniedError),
        (kafka.errors.ClusterAuthorizationFailedError(), AccessDeniedError),
        (kafka.errors.SaslAuthenticationFailedError(), AccessDeniedError),
        (kafka.errors.IllegalStateError(), ProducerClosedError),
        (kafka.errors.InvalidTopicError(), BrokerRefusedError),
        (ValueError("Topic name is illegal"), BrokerRefusedError),
    ],
)
def test_the_class_says_whether_trying_again_may_help(error: Exception, expected: type[HeadraceError]) -> None:
    assert type(delivery_error(error, "localhost:9092", "events.call", 10)) is expected


def test_a_broker_that_is_away_is_named_with_what_to_check() -> None:
    assert str(broker_unavailable("localhost:9092", "nothing listens there")) == (
        "no broker answers at localhost:9092\n"
        "  answer:  nothing listens there\n"
        "  try:     headrace status, or correct kafka.bootstrap_servers"
    )


def test_a_missing_topic_names_those_that_exist() -> None:
    assert str(unknown_topic("events.cal", "localhost:9092", ["events.call", "alerts"])) == (
        "the topic 'events.cal' does not exist\n"
        "  topics:   alerts, events.call\n"
        "  closest:  events.call\n"
        "  broker:   localhost:9092\n"
        "  try:      headrace up (it makes the topics of the project's contracts)"
    )


def test_of_many_topics_the_first_twenty_are_named() -> None:
    message = str(unknown_topic("x", "localhost:9092", [f"t{number:02}" for number in range(25)]))
    assert "t18, t19 and 5 more" in message
