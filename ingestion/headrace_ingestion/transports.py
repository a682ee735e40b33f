"""Which of the two client libraries carries the records of a producer."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from headrace_ingestion.errors import SettingsError
from headrace_ingestion.settings import KafkaConnection
from headrace_ingestion.transport import Transport


def make_transport(connection: KafkaConnection, delivery_timeout_seconds: float) -> Transport:
    """Return a transport of the kind that `connection.transport` names; it has not connected yet.

    Args:
        connection: How to reach Kafka.
        delivery_timeout_seconds: How long a record may be without an answer.

    Raises:
        SettingsError: confluent-kafka is asked for and not installed, or a file of certificates is not there.
    """
    for name in ("ssl_cafile", "ssl_certfile"):
        path = getattr(connection, name)
        if path is not None and not Path(path).is_file():
            raise SettingsError(
                f"{name} is {path}, and there is no such file", {"looked in": str(Path.cwd())}, f"ls -l {path}"
            )
    installed = find_spec("confluent_kafka") is not None
    if connection.transport == "confluent" and not installed:
        raise SettingsError(
            "transport is 'confluent', and confluent-kafka is not installed",
            {"expected": "the extra 'fast', or transport 'auto' or 'kafka-python'"},
            "pip install 'headrace-ingestion[fast]'",
        )
    if connection.transport == "confluent" or (connection.transport == "auto" and installed):
        from headrace_ingestion.confluent_transport import ConfluentTransport

        return ConfluentTransport(connection, delivery_timeout_seconds)
    from headrace_ingestion.kafka_transport import KafkaTransport

    return KafkaTransport(connection, delivery_timeout_seconds)
