"""The newest records of an event's topic, or all from its beginning, as they stand there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from headrace_ingestion.codec import compile_parser
from headrace_ingestion.contract import Contract
from headrace_ingestion.fields import Field
from headrace_ingestion.kafka_errors import delivery_error, unknown_topic
from headrace_ingestion.records import Refused
from headrace_ingestion.settings import KafkaConnection
from headrace_ingestion.timestamps import format_timestamp

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition

From = Literal["earliest", "latest"]

_Keep = Callable[[list[Any]], list[Any]]

_POLL_MS = 500
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class TailedEvent:
    """One record.

    Attributes:
        partition: Its partition.
        offset: Its place there.
        record_timestamp: Its timestamp, as text; None when it has none.
        event_id: The event's id; None when the record is refused.
        key: The record's key, as text.
        fields: Field → value, timestamps as text; None when the record is refused.
        reason: Why the contract refuses it; None when it does not.
        detail: What is wrong with it.
        value: The first characters of a refused record.
    """

    partition: int
    offset: int
    record_timestamp: str | None
    event_id: str | None
    key: str | None
    fields: dict[str, Any] | None
    reason: str | None = None
    detail: str | None = None
    value: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what is known of the record as plain data."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def tail(
    connection: KafkaConnection,
    contract: Contract,
    *,
    start: From = "latest",
    count: int | None = 10,
    follow: bool = False,
    wait_seconds: float = 10.0,
    where: str | None = None,
) -> Iterator[TailedEvent]:
    """Yield records of the event's topic, in the order of their timestamps as far as they stand there already.

    Args:
        connection: The brokers.
        contract: The event.
        start: `latest`: the last `count` records; `earliest`: the first.
        count: How many; None: all. With `follow` and `latest`, how many before the new ones.
        follow: Go on with what comes, without an end.
        wait_seconds: How long a broker may take to answer.
        where: A SQL expression; records for which it is true are shown, and counted. Its columns are those of the
            event's table in the lake, and `_reason`; the fields of a refused record are null.

    Raises:
        ExpressionError: The expression is wrong.
        DeliveryError: No broker answers, or there is no such topic.
    """
    from kafka import KafkaConsumer
    from kafka.errors import KafkaError

    topic = contract.topic(connection.topic_prefix)
    show = _Shown(contract)
    keep: _Keep = list if where is None else _Matching(contract, show, where)
    consumer = None
    try:
        consumer = KafkaConsumer(
            **connection.client_options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=round(wait_seconds * 1000),
            allow_auto_create_topics=False,
        )
        places = _places(consumer, topic, connection)
        ends = consumer.end_offsets(places)
        # How far back the last records that match lie, nobody knows before.
        _seek(consumer, places, ends, start, count if where is None else None)
        stored = _stored(consumer, ends, keep)
        ordered = sorted(stored, key=lambda record: (record.timestamp, record.partition, record.offset))
        if count is not None:
            ordered = ordered[-count:] if start == "latest" else ordered[:count]
        yield from map(show, ordered)
        left = None if count is None or start == "latest" else count - len(ordered)
        while follow and (left is None or left > 0):
            for records in consumer.poll(timeout_ms=_POLL_MS).values():
                kept = keep(records)[:left]
                yield from map(show, kept)
                left = None if left is None else left - len(kept)
    except KafkaError as error:
        raise delivery_error(error, connection.bootstrap_servers, topic) from error
    finally:
        if consumer is not None:
            consumer.close()


def _places(consumer: KafkaConsumer, topic: str, connection: KafkaConnection) -> list[TopicPartition]:
    from kafka import TopicPartition

    partitions = consumer.partitions_for_topic(topic)
    if not partitions:
        known = [name for name in consumer.topics() if not name.startswith("_")]
        raise unknown_topic(topic, connection.bootstrap_servers, known)
    places = [TopicPartition(topic, partition) for partition in sorted(partitions)]
    consumer.assign(places)
    return places


def _seek(consumer: KafkaConsumer, places: list[Any], ends: dict[Any, int], start: From, count: int | None) -> None:
    begins = consumer.beginning_offsets(places)
    for place in places:
        # The last records of all are among the last of each partition.
        from_end = ends[place] - count if start == "latest" and count is not None else begins[place]
        consumer.seek(place, max(begins[place], from_end))


def _stored(consumer: KafkaConsumer, ends: dict[Any, int], keep: _Keep) -> list[Any]:
    """Return the records up to the ends that are to be kept; the consumer then stands there or beyond."""
    found: list[Any] = []
    while any(consumer.position(place) < end for place, end in ends.items()):
        for records in consumer.poll(timeout_ms=_POLL_MS).values():
            found += keep(records)
    return found


class _Shown:
    """Makes of a record what is shown."""

    def __init__(self, contract: Contract) -> None:
        self._parse = compile_parser(contract)
        self._fields = contract.fields

    def __call__(self, record: Any) -> TailedEvent:
        at = format_timestamp(record.timestamp) if record.timestamp >= 0 else None
        key = None if record.key is None else record.key.decode(errors="replace")
        parsed = self._parse(record)
        if isinstance(parsed, Refused):
            value = (record.value or b"").decode(errors="replace")[:_SHOWN_CHARACTERS]
            return TailedEvent(record.partition, record.offset, at, None, key, None, *parsed, value)
        fields = {name: _as_text(self._fields[name], value) for name, value in parsed.fields.items()}
        return TailedEvent(record.partition, record.offset, at, parsed.event_id, key, fields)


class _Matching:
    """Picks the records for which an expression is true."""

    def __init__(self, contract: Contract, show: _Shown, where: str) -> None:
        from headrace_lake.schemas import arrow_schema
        from headrace_lake.tables import events_table
        from headrace_lake.views import sql_type

        from headrace.events.locked_sql import Condition

        hidden = ("_contract", "_trace")
        schema = arrow_schema(events_table(contract))
        columns = {column.name: sql_type(column.type) for column in schema if column.name not in hidden}
        self._condition = Condition(where, {**columns, "_reason": "VARCHAR"})
        self._names = list(contract.fields)
        self._show = show

    def __call__(self, records: list[Any]) -> list[Any]:
        rows = [self._row(self._show(record)) for record in records]
        return [record for record, holds in zip(records, self._condition.holds(rows), strict=True) if holds]

    def _row(self, event: TailedEvent) -> list[Any]:
        fields = event.fields or {}
        values = [fields.get(name) for name in self._names]
        place = [event.partition, event.offset, event.key, event.record_timestamp]
        return [event.event_id, *values, *place, event.reason]


def _as_text(field: Field, value: Any) -> Any:
    """Return a value with its timestamps as text."""
    if value is None:
        return None
    if field.type == "timestamp":
        return format_timestamp(value)
    if field.type == "list":
        return [_as_text(field.inner["[]"], one) for one in value]
    if field.type == "map":
        return {key: _as_text(field.inner["{}"], one) for key, one in value.items()}
    if field.type == "object":
        return {name: _as_text(field.inner[f".{name}"], one) for name, one in value.items()}
    return value
