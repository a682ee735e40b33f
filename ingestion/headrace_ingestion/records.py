"""What goes in and comes out of the codec: records of a topic, parsed events, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from headrace_ingestion.errors import Reason

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
"""Headers of a record, in its order; of a name that stands twice the last counts, one without a value is absent."""


class Record(Protocol):
    """A record as read from a topic; kafka-python's `ConsumerRecord` is one as it is."""

    @property
    def topic(self) -> str:
        """Name of the topic."""

    @property
    def partition(self) -> int:
        """Partition of the topic."""

    @property
    def offset(self) -> int:
        """Place in the partition."""

    @property
    def timestamp(self) -> int:
        """Record timestamp in milliseconds since 1970; -1 when the record has none."""

    @property
    def key(self) -> bytes | None:
        """Key as sent."""

    @property
    def value(self) -> bytes | None:
        """Value as sent."""

    @property
    def headers(self) -> Headers:
        """Headers as sent."""


class StoredRecord(NamedTuple):
    """A record at its place in a topic; a `Record`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Encoded(NamedTuple):
    """An event that its contract accepts, ready to be sent.

    Attributes:
        value: The JSON object.
        key: The Kafka key.
        event_time_ms: The event time in milliseconds since 1970.
    """

    value: bytes
    key: bytes
    event_time_ms: int


class Parsed(NamedTuple):
    """A record that its contract accepts.

    Attributes:
        fields: Every field of the contract in its order; None where absent. Timestamps are milliseconds since 1970.
        event_id: From the header, or made of the record's place.
        contract: Name and version from the header, or those of the running contract.
        trace: The W3C trace context, or None.
        key: The Kafka key.
        event_time_ms: The event time in milliseconds since 1970.
    """

    fields: dict[str, Any]
    event_id: str
    contract: str
    trace: str | None
    key: str
    event_time_ms: int


class Refused(NamedTuple):
    """A record that its contract refuses; the two parts of a dead letter that say why."""

    reason: Reason
    detail: str
