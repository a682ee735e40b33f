"""What becomes of an event after `send`: its delivery, and the sums over all of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from headrace_ingestion.errors import DeliveryError
from headrace_ingestion.transport import DeliveryReport, DeliveryResult, OnResult, OutgoingRecord

logger = logging.getLogger(__name__)


class Counters(NamedTuple):
    """What a producer has done so far.

    Attributes:
        sent: Events accepted by `send`.
        delivered: Those that the broker acknowledged.
        failed: Those that were given up, each with an error in its delivery.
        queued: Those that have no answer yet: sent = delivered + failed + queued.
        refused: Events that `send` refused because they break their contract; not among the sent.
        dropped: Those of the failed that made place for newer ones (`when_full="drop_oldest"`).
        spilled: Events that went to the spill folder instead: sent = delivered + failed + queued + spilled, where
            failed and queued also count events that came back from there.
        replayed: Events of the spill folder that the broker acknowledged, also those of earlier processes; not among
            the delivered.
    """

    sent: int
    delivered: int
    failed: int
    queued: int
    refused: int
    dropped: int = 0
    spilled: int = 0
    replayed: int = 0


class FlushResult(NamedTuple):
    """What became of the events that had no answer when `flush` was called.

    Attributes:
        delivered: Acknowledged by the broker.
        failed: Given up, each with an error in its delivery.
        pending: Still without an answer: the timeout came first.
        spilled: All that stands in the spill folder now, to be sent by this process or the next.
    """

    delivered: int
    failed: int
    pending: int
    spilled: int = 0


class Answerer(Protocol):
    """Keeps deliveries until they are answered."""

    def settle(self, delivery: Delivery, result: DeliveryResult) -> None:
        """Answer a delivery."""

    def settle_all(self, answers: Sequence[tuple[Delivery, DeliveryResult]]) -> None:
        """Answer several, in their order."""

    def wait(self, delivery: Delivery, timeout_seconds: float | None) -> bool:
        """Wait for the answer; return whether it is there."""


class Delivery:
    """The outcome of one event, now or later."""

    __slots__ = ("_answerer", "error", "event_id", "record", "report", "sent_at_seconds", "spool_number")

    def __init__(
        self,
        event_id: str,
        record: OutgoingRecord,
        sent_at_seconds: float,
        answerer: Answerer,
        spool_number: int | None = None,
    ) -> None:
        """Hold an event that has no answer yet; made by the producer, with its number when it comes from the disk."""
        self.event_id = event_id
        self.record = record
        self.sent_at_seconds = sent_at_seconds
        self.report: DeliveryReport | None = None
        self.error: DeliveryError | None = None
        self._answerer = answerer
        self.spool_number = spool_number

    @property
    def done(self) -> bool:
        """Whether there is a report or an error."""
        return self.report is not None or self.error is not None

    def settle(self, result: DeliveryResult) -> None:
        """Take the answer; done by what carries the event."""
        self._answerer.settle(self, result)

    __call__ = settle
    """A delivery is an `OnResult`."""

    def result(self, timeout_seconds: float | None = None) -> DeliveryReport:
        """Wait for the answer and return where the event stands.

        Args:
            timeout_seconds: How long to wait; None waits as long as the producer tries.

        Raises:
            DeliveryError: The event was given up; the class says why and whether trying again may help.
            TimeoutError: There is no answer yet.
        """
        if not self.done and not self._answerer.wait(self, timeout_seconds):
            raise TimeoutError(f"event {self.event_id} has no delivery report after {timeout_seconds} s")
        if self.error is not None:
            raise self.error
        if self.report is None:
            raise RuntimeError(f"event {self.event_id} was settled without a report or an error")
        return self.report


def answer_all(answers: Sequence[tuple[OnResult, DeliveryResult]]) -> None:
    """Give every answer in its order; deliveries of one producer get theirs together, which costs a fraction."""
    deliveries = [(on_result, result) for on_result, result in answers if type(on_result) is Delivery]
    if len(deliveries) == len(answers) and len({id(delivery._answerer) for delivery, _ in deliveries}) == 1:
        deliveries[0][0]._answerer.settle_all(deliveries)
        return
    for on_result, result in answers:
        try:
            on_result(result)
        except Exception:
            # One that cannot take its answer must not keep the others from theirs.
            logger.exception("an answer could not be given")
