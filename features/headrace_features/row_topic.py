"""The topic of a view's rows, for rows that do not come from the job."""

from __future__ import annotations

from types import TracebackType

from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.settings import KafkaConnection
from kafka import KafkaProducer
from kafka.errors import KafkaError

from headrace_features.view import View

_TIMEOUT_SECONDS = 60
_MOST_PENDING = 10_000


class RowTopicError(HeadraceError):
    """The broker has not stored a row."""


class RowTopic:
    """Writes records to the topic of a view; a context manager.

    Args:
        connection: Where the brokers are.
        view: The view.

    Raises:
        RowTopicError: No broker answers.
    """

    def __init__(self, connection: KafkaConnection, view: View) -> None:
        self._topic = view.topic(connection.topic_prefix)
        self._servers = connection.bootstrap_servers
        self._pending: list[object] = []
        try:
            self._producer = KafkaProducer(
                **connection.client_options(),
                client_id="headrace-repair",
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                linger_ms=20,
                delivery_timeout_ms=_TIMEOUT_SECONDS * 1000,
                max_block_ms=_TIMEOUT_SECONDS * 1000,
                metrics_enabled=False,
            )
        except KafkaError as error:
            raise self._failed(error) from error

    def __enter__(self) -> RowTopic:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.close()

    def send(self, key: bytes, value: bytes) -> None:
        """Hand over one record; waits for those before it when many are on their way.

        Raises:
            RowTopicError: One of those is not stored.
        """
        try:
            self._pending.append(self._producer.send(self._topic, value, key=key))
        except KafkaError as error:
            raise self._failed(error) from error
        if len(self._pending) >= _MOST_PENDING:
            self.flush()

    def flush(self) -> None:
        """Return when all records are stored.

        Raises:
            RowTopicError: One of them is not.
        """
        try:
            self._producer.flush(_TIMEOUT_SECONDS)
            for sent in self._pending:
                sent.get(0)  # type: ignore[attr-defined]
        except KafkaError as error:
            raise self._failed(error) from error
        self._pending.clear()

    def _failed(self, error: KafkaError) -> RowTopicError:
        return RowTopicError(
            f"rows could not be written to {self._topic}: {error}",
            {"brokers": str(self._servers)},
            "headrace status",
        )
