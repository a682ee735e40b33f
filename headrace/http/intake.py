"""Events of requests → the broker, through one producer that all requests share; an answer for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace_ingestion.contract import Contract
from headrace_ingestion.delivery import Delivery
from headrace_ingestion.errors import DeliveryError, EventError
from headrace_ingestion.pii import PiiSecret
from headrace_ingestion.producer import Producer
from headrace_ingestion.settings import KafkaConnection

from headrace.http.bodies import Form, Item, read_items
from headrace.http.deliveries import Deliveries
from headrace.http.transforms import LeftOut, NotShaped, Transform, shaped
from headrace.settings.http import HttpSettings

QUEUE_EVENTS = 50_000
"""Events of all requests that may wait for the broker; beyond it requests are answered with 503 at once."""

_INLINE_BYTES = 16_384
_LARGE_AT_ONCE = 2
_GRACE_SECONDS = 5.0

Answer = dict[str, Any]
Sent = Delivery | EventError | DeliveryError | LeftOut | NotShaped
"""Where a record stands when it was handed to the producer; a `Delivery` is waited for."""


@dataclass
class Outcome:
    """What became of the records of one request.

    Attributes:
        event: Name of the event.
        records: An answer a record, in their order.
        accepted: How many the broker has acknowledged.
        refused: How many the contract refuses.
        failed: How many have no acknowledgement: they may stand on the topic all the same.
        left_out: How many the project's own function did not let in.
    """

    event: str
    records: list[Answer] = field(default_factory=list)
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    left_out: int = 0

    @property
    def status(self) -> int:
        """The HTTP status: 503 when one failed, 422 when all are refused, 207 when some are, else 200."""
        if self.failed:
            return 503
        if self.refused:
            return 207 if self.accepted or self.left_out else 422
        return 200

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as plain data."""
        counts = {"accepted": self.accepted, "refused": self.refused, "failed": self.failed}
        counts |= {"left_out": self.left_out} if self.left_out else {}
        return {"event": self.event, **counts, "records": self.records}


class Intake:
    """Takes events in.

    Args:
        contracts: The events by name.
        connection: The brokers.
        settings: The limits.
        pii_secret: What personal data is hashed with.
        transforms: Event → what makes of a record what is checked and sent.
    """

    def __init__(
        self,
        contracts: Mapping[str, Contract],
        connection: KafkaConnection,
        settings: HttpSettings,
        pii_secret: PiiSecret | None = None,
        transforms: Mapping[str, Transform] | None = None,
    ) -> None:
        self._transforms = transforms or {}
        self._settings = settings
        self._deliveries = Deliveries()
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self.place = connection.bootstrap_servers
        self._queue_max_events = max(QUEUE_EVENTS, settings.max_records)
        self._producer = Producer(
            list(contracts.values()),
            connection,
            queue_max_events=self._queue_max_events,
            when_full="raise",
            delivery_timeout_seconds=settings.wait_seconds,
            on_delivery=self._deliveries.answered,
            pii_secret=pii_secret,
        )

    async def take(self, contract: Contract, form: Form, body: bytes, idempotency_key: str | None) -> Outcome:
        """Check and send the records of a body, and return when the broker has answered for each.

        Args:
            contract: The event.
            form: How the records stand in the body.
            body: The unpacked body.
            idempotency_key: Makes the ids of records that have none of their own: `KEY:0`, `KEY:1`.

        Raises:
            BodyError: The body cannot be read.
            TooLargeError: It has too many records.
        """
        if len(body) <= _INLINE_BYTES:
            sent = self._send(contract, form, body, idempotency_key)
        else:
            # Reading it takes milliseconds in which no other request would be served, and many times its size.
            async with self._large:
                sent = await asyncio.to_thread(self._send, contract, form, body, idempotency_key)
        waiting = [answer for _, answer in sent if isinstance(answer, Delivery)]
        await self._deliveries.wait(waiting, self._settings.wait_seconds + _GRACE_SECONDS)
        outcome = Outcome(contract.name)
        for item, answer in sent:
            outcome.records.append(_answer(item, answer, outcome))
        return outcome

    @property
    def is_full(self) -> bool:
        """Whether the next event would be refused, because too many wait for the broker."""
        return self._producer.counters.queued >= self._queue_max_events

    async def close(self) -> None:
        """Send what waits, and end."""
        await asyncio.to_thread(self._producer.close)

    def _send(
        self, contract: Contract, form: Form, body: bytes, idempotency_key: str | None
    ) -> Sequence[tuple[Item, Sent]]:
        items = read_items(form, body, contract, self._settings.max_records)
        return [(item, self._send_one(contract, item, idempotency_key)) for item in items]

    def _send_one(self, contract: Contract, item: Item, idempotency_key: str | None) -> Sent:
        if item.fields is None:
            return _unreadable(contract, item)
        fields = item.fields
        if contract.name in self._transforms:
            made = shaped(self._transforms[contract.name], fields)
            if isinstance(made, (LeftOut, NotShaped)):
                return made
            fields = made
        event_id = None if "event_id" in contract.fields else _id_text(fields.pop("event_id", None))
        if event_id is None and idempotency_key is not None:
            event_id = f"{idempotency_key}:{item.index}"
        try:
            return self._producer.send(contract.name, fields, event_id=event_id)
        except (EventError, DeliveryError) as error:
            return error


def _unreadable(contract: Contract, item: Item) -> EventError:
    return EventError(
        f"event {contract.name!r} version {contract.version} is refused: {item.problem}",
        {"reason": "not_json", "contract": contract.place_of(None)},
        "send one JSON object a record",
        reason="not_json",
        detail=item.problem,
    )


def _id_text(given: Any) -> str | None:
    if given is None or isinstance(given, str):
        return given
    # What is neither text nor a whole number is no id; the contract's own check says so.
    return str(given) if type(given) is int else ""


def _answer(item: Item, answer: Sent, outcome: Outcome) -> Answer:
    place: Answer = {"index": item.index} if item.line is None else {"index": item.index, "line": item.line}
    if isinstance(answer, LeftOut):
        outcome.left_out += 1
        return {**place, "status": "left_out"}
    if isinstance(answer, NotShaped):
        outcome.refused += 1
        why = {"reason": "transform", "detail": answer.detail, "field": None}
        return {**place, "status": "refused", **why, "error": answer.detail}
    if isinstance(answer, EventError):
        outcome.refused += 1
        why = {"reason": answer.reason, "detail": answer.detail, "field": answer.field}
        return {**place, "status": "refused", **why, "error": str(answer)}
    if isinstance(answer, Delivery) and answer.report is not None:
        outcome.accepted += 1
        where = {"partition": answer.report.partition, "offset": answer.report.offset}
        return {**place, "status": "accepted", "event_id": answer.event_id, **where}
    outcome.failed += 1
    if isinstance(answer, DeliveryError):
        return {**place, "status": "failed", "event_id": None, "error": str(answer)}
    why_not = answer.error or "the broker has not answered in time"
    return {**place, "status": "failed", "event_id": answer.event_id, "error": str(why_not)}
