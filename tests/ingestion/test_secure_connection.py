"""TLS and logins against a real broker, through both client libraries."""

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion import (
    AccessDeniedError,
    BrokerUnavailableError,
    Contract,
    KafkaConnection,
    Producer,
    SettingsError,
)
from pydantic import SecretStr

from headrace.flink import kafka_properties

pytestmark = pytest.mark.slow

CALL = {"subscriber_id": "s1", "duration_s": 1.0, "country": "NO"}
clients = pytest.mark.parametrize("transport", ["kafka-python", "confluent"])


@pytest.fixture
def secure(broker: Any) -> KafkaConnection:
    if broker.secure_connection is None:
        pytest.skip("the broker is a container, which has no listener with TLS")
    prefix = f"{broker.fresh_topic('secure')}."
    broker.create_topic(f"{prefix}events.call")
    connection: KafkaConnection = broker.secure_connection.model_copy(update={"topic_prefix": prefix})
    return connection


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try a connection for a minute: a refused login ends that, however long a busy broker takes to refuse it."""
    for module in ("kafka_transport", "confluent_transport"):
        monkeypatch.setattr(f"headrace_ingestion.{module}.CONNECT_WAIT_MS", 60_000)


def send(contract: Contract, connection: KafkaConnection, **changes: Any) -> int:
    changed = connection.model_copy(update=changes)
    with Producer(contract, changed, delivery_timeout_seconds=1.5) as producer:
        return producer.send("call", {**CALL, "started_at": datetime.now(timezone.utc)}).result(30).offset


@clients
def test_an_event_is_sent_over_tls_by_who_logs_in(
    call_contract: Contract, secure: KafkaConnection, transport: str
) -> None:
    assert send(call_contract, secure, transport=transport) == 0


@clients
@pytest.mark.usefixtures("patience")
def test_a_wrong_password_is_refused_and_never_shown(
    call_contract: Contract, secure: KafkaConnection, transport: str
) -> None:
    with pytest.raises(AccessDeniedError, match="the broker refuses access") as caught:
        send(call_contract, secure, transport=transport, sasl_password=SecretStr("wr0ng"))
    assert "wr0ng" not in str(caught.value)


@clients
def test_a_broker_that_is_not_trusted_gets_no_event_and_says_why(
    call_contract: Contract, secure: KafkaConnection, transport: str
) -> None:
    with pytest.raises(BrokerUnavailableError, match="no broker answers at") as caught:
        send(call_contract, secure, transport=transport, ssl_cafile=None)
    assert "certificate" in str(caught.value).lower()


def test_a_file_that_is_not_there_is_named(call_contract: Contract, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    connection = KafkaConnection(bootstrap_servers="a:9093", security_protocol="SSL", ssl_cafile="gone.pem")
    with pytest.raises(SettingsError) as caught:
        Producer(call_contract, connection)
    assert str(caught.value) == (
        f"ssl_cafile is gone.pem, and there is no such file\n  looked in:  {tmp_path}\n  try:        ls -l gone.pem"
    )


def test_the_job_gets_the_same_login_and_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    connection = KafkaConnection(
        bootstrap_servers="a:9093",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-256",
        sasl_username='a"b',
        sasl_password=SecretStr("s3\\cret"),
        ssl_cafile="ca.pem",
        ssl_certfile="/etc/client.pem",
    )
    package = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"
    assert kafka_properties(connection) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.jaas.config": f'{package}.scram.ScramLoginModule required username="a\\"b" password="s3\\\\cret";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(tmp_path / "ca.pem"),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": "/etc/client.pem",
    }
