"""What a producer asks of the thing that carries records to a broker. Knows no client library."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

from headrace_ingestion.errors import DeliveryError


class OutgoingRecord(NamedTuple):
    """A record on its way to a topic."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    timestamp_ms: int


class DeliveryReport(NamedTuple):
    """Where an acknowledged record stands."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


DeliveryResult: TypeAlias = DeliveryReport | DeliveryError
OnResult: TypeAlias = Callable[[DeliveryResult], None]
"""Called once per record, from any thread, in the order of the records of a partition."""


class Transport(Protocol):
    """Carries records. `connect` and `close` are called from one thread, `ready` and `send` from any."""

    @property
    def place(self) -> str:
        """Where it carries them to, for messages: `localhost:9092`."""

    def connect(self) -> None:
        """Reach the broker; called again after a failure, and without harm when already connected.

        Raises:
            BrokerUnavailableError: No broker answers.
            AccessDeniedError: A broker answers and refuses the login.
        """

    def ready(self, topic: str) -> bool:
        """Return whether `send` would take a record of this topic now, without waiting for a broker."""

    def send(self, record: OutgoingRecord, on_result: OnResult) -> None:
        """Take the record and call `on_result` when the broker has answered or will not.

        Raises:
            BrokerUnavailableError: It cannot be taken now; the record is still the caller's.
            UnknownTopicError: The broker has no such topic, now; the record is still the caller's.
            DeliveryError: It never can be taken.
        """

    def close(self, timeout_seconds: float) -> None:
        """Let go of the broker; records without an answer by then are answered with an error."""
