"""One event, or JSON Lines from a pipe, to the broker; each with the place where it stands afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from headrace_ingestion.contract import Contract
from headrace_ingestion.delivery import Delivery
from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.producer import Producer

from headrace.events.errors import NotJsonError

AHEAD_EVENTS = 1_000
"""Events of a pipe that may wait for their answer while the next lines are read."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Where an acknowledged event stands.

    Attributes:
        event: Name of the event.
        event_id: Its id.
        topic: The topic.
        partition: The partition.
        offset: The place in it.
        timestamp_ms: Record timestamp, in milliseconds since 1970.
    """

    event: str
    event_id: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int

    def as_dict(self) -> dict[str, Any]:
        """Return the place as plain data."""
        return asdict(self)


def send_one(producer: Producer, contract: Contract, fields: Mapping[str, object], event_id: str | None) -> Sent:
    """Send one event and wait for its answer.

    Raises:
        EventError: It breaks its contract.
        DeliveryError: It could not be delivered.
    """
    return _answer(contract, producer.send(contract.name, fields, event_id=event_id))


def send_lines(producer: Producer, contract: Contract, lines: Iterable[bytes]) -> Iterator[Sent]:
    """Send each line and yield the answers in order. An `event_id` in a line is the event's id.

    The first line that cannot be sent ends it, after the answers of those before it.

    Raises:
        NotJsonError: A line is not a JSON object.
        EventError: An event breaks its contract.
        DeliveryError: An event could not be delivered.
    """
    waiting: deque[Delivery] = deque()
    try:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            fields = parse_object(line, contract, f"standard input line {number}")
            given = None if "event_id" in contract.fields else fields.pop("event_id", None)
            event_id = None if given is None else str(given)
            waiting.append(producer.send(contract.name, fields, event_id=event_id))
            while waiting and (waiting[0].done or len(waiting) > AHEAD_EVENTS):
                yield _answer(contract, waiting.popleft())
    except HeadraceError:
        for delivery in waiting:
            yield _answer(contract, delivery)
        raise
    for delivery in waiting:
        yield _answer(contract, delivery)


def parse_object(text: bytes | str, contract: Contract, where: str) -> dict[str, Any]:
    """Return the JSON object in `text`.

    Raises:
        NotJsonError: It is none.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _not_json(f"it is not JSON: {error}", contract, where) from error
    if not isinstance(value, dict):
        raise _not_json("it is JSON, and not an object", contract, where)
    return value


def _answer(contract: Contract, delivery: Delivery) -> Sent:
    # The producer gives up by itself; its error says why.
    report = delivery.result()
    return Sent(contract.name, delivery.event_id, report.topic, report.partition, report.offset, report.timestamp_ms)


def _not_json(why: str, contract: Contract, where: str) -> NotJsonError:
    example = ", ".join(f'"{name}": …' for name, field in contract.fields.items() if field.is_needed)
    return NotJsonError(
        f"the event {contract.name!r} cannot be read: {why}",
        {"expected": "one JSON object, in JSON Lines one a line", "where": where},
        f"headrace events send {contract.name} '{{{example}}}'",
    )
