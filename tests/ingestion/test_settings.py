"""The connection to Kafka: settings, environment, and what the client gets."""

from typing import Any

import pytest
from headrace_ingestion import KafkaConnection, SettingsError
from pydantic import ValidationError

LOGIN = {
    "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "a:9092, b:9093",
    "HEADRACE_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
    "HEADRACE_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
    "HEADRACE_KAFKA__SASL_USERNAME": "sender",
    "HEADRACE_KAFKA__SASL_PASSWORD": "s3cret",
    "HEADRACE_KAFKA__SSL_CAFILE": "ca.pem",
    "HEADRACE_KAFKA__TOPIC_PREFIX": "team.",
    "HEADRACE_KAFKA__PARTITIONS": "4",
    "HOME": "elsewhere",
}


def error_of(**changes: str) -> str:
    environment = LOGIN | {f"HEADRACE_KAFKA__{name}": value for name, value in changes.items()}
    with pytest.raises(SettingsError) as caught:
        KafkaConnection.from_environment({name: value for name, value in environment.items() if value})
    assert "s3cret" not in str(caught.value)
    return str(caught.value)


def test_the_environment_describes_a_connection() -> None:
    connection = KafkaConnection.from_environment(LOGIN)
    assert connection.topic_prefix == "team."
    assert connection.client_options() == {
        "bootstrap_servers": ["a:9092", "b:9093"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "sender",
        "sasl_plain_password": "s3cret",
        "ssl_cafile": "ca.pem",
    }


def test_the_password_is_never_shown() -> None:
    connection = KafkaConnection.from_environment(LOGIN)
    assert "s3cret" not in repr(connection) + str(connection) + connection.model_dump_json()


def test_a_connection_without_login_is_plain() -> None:
    assert KafkaConnection(bootstrap_servers="localhost:9092").client_options() == {
        "bootstrap_servers": ["localhost:9092"],
        "security_protocol": "PLAINTEXT",
    }


def test_no_bootstrap_servers_is_an_error_with_the_command() -> None:
    with pytest.raises(SettingsError) as caught:
        KafkaConnection.from_environment({"HEADRACE_KAFKA__BOOTSTRAP_SERVER": "a:9092"})
    assert str(caught.value) == (
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS is not set\n"
        "  given:  HEADRACE_KAFKA__BOOTSTRAP_SERVER\n"
        "  try:    export HEADRACE_KAFKA__BOOTSTRAP_SERVERS=localhost:9092"
    )


def test_a_server_without_port_is_refused() -> None:
    assert error_of(BOOTSTRAP_SERVERS="localhost") == (
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS: 'localhost' is not host:port\n"
        "  from:      the environment\n"
        "  expected:  host:port, several with commas\n"
        "  try:       localhost:9092"
    )


def test_an_unknown_protocol_names_the_known_ones() -> None:
    assert error_of(SECURITY_PROTOCOL="TLS") == (
        "HEADRACE_KAFKA__SECURITY_PROTOCOL is wrong\n"
        "  from:      the environment\n"
        "  expected:  'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'\n"
        "  try:       export HEADRACE_KAFKA__SECURITY_PROTOCOL=…"
    )


def test_half_a_login_is_refused() -> None:
    assert "security_protocol SASL_SSL lacks sasl_username" in error_of(SASL_USERNAME="")
    assert "sasl_mechanism is set, and security_protocol is PLAINTEXT" in error_of(SECURITY_PROTOCOL="PLAINTEXT")


def test_certificates_without_tls_are_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        KafkaConnection.from_environment(
            {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "a:9092", "HEADRACE_KAFKA__SSL_CERTFILE": "client.pem"}
        )
    assert "ssl_certfile is set, and security_protocol is PLAINTEXT" in str(caught.value)
    assert str(caught.value).endswith("  try:       security_protocol: SSL")


def test_a_connection_is_frozen_and_closed() -> None:
    with pytest.raises(ValidationError):
        KafkaConnection.model_validate({"bootstrap_servers": "a:1", "bootstrap": "b"})
    connection: Any = KafkaConnection(bootstrap_servers="a:1")
    with pytest.raises(ValidationError, match="frozen"):
        connection.topic_prefix = "x"
