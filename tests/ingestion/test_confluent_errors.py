"""The border to confluent-kafka: every error of the client becomes one of headrace."""

import pytest
from confluent_kafka import KafkaError
from headrace_ingestion import (
    AccessDeniedError,
    BrokerRefusedError,
    BrokerUnavailableError,
    DeliveryError,
    HeadraceError,
    KafkaConnection,
    Producer,
    ProducerClosedError,
    RecordTooLargeError,
    SettingsError,
    UnknownTopicError,
)
from headrace_ingestion.confluent_errors import confluent_error
from headrace_ingestion.confluent_transport import ConfluentTransport
from headrace_ingestion.kafka_transport import KafkaTransport
from headrace_ingestion.transports import make_transport

CODES = {name: code for name, code in vars(KafkaError).items() if isinstance(code, int) and code != 0}


@pytest.mark.parametrize("name", sorted(CODES))
def test_every_error_of_the_client_becomes_a_delivery_error(name: str) -> None:
    error = confluent_error(KafkaError(CODES[name]), "localhost:9092", "events.call", 10)
    assert isinstance(error, DeliveryError)
    assert str(error)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_MSG_TIMED_OUT", BrokerUnavailableError),
        ("_TRANSPORT", BrokerUnavailableError),
        ("NOT_LEADER_FOR_PARTITION", BrokerUnavailableError),
        ("_UNKNOWN_TOPIC", UnknownTopicError),
        ("UNKNOWN_TOPIC_OR_PART", UnknownTopicError),
        ("MSG_SIZE_TOO_LARGE", RecordTooLargeError),
        ("_AUTHENTICATION", AccessDeniedError),
        ("TOPIC_AUTHORIZATION_FAILED", AccessDeniedError),
        ("_PURGE_INFLIGHT", ProducerClosedError),
        ("_INVALID_ARG", BrokerRefusedError),
    ],
)
def test_the_class_says_whether_trying_again_may_help(name: str, expected: type[HeadraceError]) -> None:
    assert type(confluent_error(KafkaError(CODES[name]), "localhost:9092", "events.call", 10)) is expected


def test_a_client_that_gave_up_for_good_asks_for_a_new_producer() -> None:
    error = confluent_error(KafkaError(KafkaError._FATAL, "sequence lost", fatal=True), "localhost:9092", "events.call")
    assert str(error) == (
        "the client has given up for good\n"
        "  answer:  sequence lost\n"
        "  topic:   events.call\n"
        "  broker:  localhost:9092\n"
        "  try:     a new Producer(…)"
    )


def test_the_setting_chooses_the_client() -> None:
    kinds = {"kafka-python": KafkaTransport, "confluent": ConfluentTransport, "auto": ConfluentTransport}
    for name, kind in kinds.items():
        connection = KafkaConnection.from_environment(
            {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "localhost:9092", "HEADRACE_KAFKA__TRANSPORT": name}
        )
        assert type(make_transport(connection, 1.0)) is kind


def test_a_client_that_is_not_installed_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headrace_ingestion.transports.find_spec", lambda name: None)
    connection = KafkaConnection(bootstrap_servers="localhost:9092", transport="confluent")
    with pytest.raises(SettingsError) as caught:
        Producer([], connection)
    assert str(caught.value) == (
        "transport is 'confluent', and confluent-kafka is not installed\n"
        "  expected:  the extra 'fast', or transport 'auto' or 'kafka-python'\n"
        "  try:       pip install 'headrace-ingestion[fast]'"
    )
    automatic = connection.model_copy(update={"transport": "auto"})
    assert type(make_transport(automatic, 1.0)) is KafkaTransport


def test_the_login_reaches_the_client_under_its_names() -> None:
    connection = KafkaConnection.model_validate(
        {
            "bootstrap_servers": "a:9092, b:9093",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": "sender",
            "sasl_password": "s3cret",
            "ssl_cafile": "ca.pem",
        }
    )
    assert connection.confluent_options() == {
        "bootstrap.servers": "a:9092, b:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "sender",
        "sasl.password": "s3cret",
        "ssl.ca.location": "ca.pem",
    }
