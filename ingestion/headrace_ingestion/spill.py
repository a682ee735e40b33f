"""What happens to events that find no broker when a producer has a folder to spill to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from headrace_ingestion.delivery import Delivery
from headrace_ingestion.errors import (
    AccessDeniedError,
    BrokerUnavailableError,
    EventSpilledError,
    ProducerClosedError,
)
from headrace_ingestion.headers import EVENT_ID
from headrace_ingestion.outbox import Outbox, Put
from headrace_ingestion.spool import Spool, SpoolFullError
from headrace_ingestion.transport import DeliveryReport, DeliveryResult

REPLAY_EVENTS = 1_000
"""Most events that are read from disk at a time."""

PAUSE_SECONDS = 0.5
"""Time between two tries to send what is on disk."""

_SPILLS = (BrokerUnavailableError, ProducerClosedError)
"""Errors of the moment: the event goes to the disk."""

_STAYS = (*_SPILLS, AccessDeniedError)
"""Errors that say nothing against an event that is on disk: it stays there."""


class Refused(NamedTuple):
    """Why an event could not go to the disk."""

    answer: str


class Spill:
    """Keeps the order of a queue in memory and a spool behind it.

    As long as the spool has records to read, every new event goes behind them. They come back through the queue, when
    nothing waits in it.
    """

    def __init__(self, spool: Spool, outbox: Outbox, after_seconds: float) -> None:
        """Make one that spills events that found the queue full for that long."""
        self._spool = spool
        self._outbox = outbox
        self._after_seconds = after_seconds
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._paused_until = 0.0
        self._closed = False
        self.spilled = self.replayed = 0

    def put(self, delivery: Delivery, block_seconds: float, ready: bool) -> Put | Refused:
        """Add a delivery to the queue, or to the disk when the queue stays full or there is something on the disk.

        Args:
            delivery: It has no answer yet.
            block_seconds: Longest wait for space on the disk.
            ready: As in `Outbox.put`.
        """
        with self._lock:
            if not self._spool.active:
                put = self._outbox.put(delivery, 0.0, ready)
                if put is not Put.FULL:
                    return put
        self._outbox.await_space(0.0 if self._spool.active else self._after_seconds)
        deadline = time.monotonic() + block_seconds
        with self._lock:
            while True:
                if not self._spool.active:
                    put = self._outbox.put(delivery, 0.0, ready)
                    if put is not Put.FULL:
                        return put
                    self.spill_waiting()
                if self._outbox.closing:
                    return Put.CLOSED
                try:
                    self._spool.append(delivery.record)
                except SpoolFullError as full:
                    if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                        return Refused(str(full))
                else:
                    self._outbox.answer_outside(delivery, self._note(delivery))
                    self._outbox.wake()
                    return Put.SPILLED

    def spill_waiting(self) -> None:
        """Move all that waits in memory to the disk, in order."""
        with self._lock:
            waiting = self._outbox.take_waiting()
            error = BrokerUnavailableError("the queue is full", {}, "headrace status")
            for delivery in waiting:
                self._outbox.settle(delivery, error)

    def settled(self, delivery: Delivery, result: DeliveryResult) -> DeliveryResult:
        """Return the answer of a delivery: one that says nothing against the event is changed, for it is on disk."""
        with self._lock:
            if self._closed:
                return result
            if delivery.spool_number is not None:
                stays = isinstance(result, _STAYS)
                if stays:
                    self._paused_until = time.monotonic() + PAUSE_SECONDS
                self.replayed += isinstance(result, DeliveryReport)
                self._spool.answer(delivery.spool_number, keep=stays)
                self._changed.notify_all()
                return _spilled(delivery, self._spool) if stays else result
            if not isinstance(result, _SPILLS):
                return result
            try:
                self._spool.append(delivery.record)
            except SpoolFullError:
                return result
            return self._note(delivery)

    def expire(self, is_over: Callable[[Delivery], bool], error: BrokerUnavailableError) -> None:
        """Move what waits in memory to the disk when the oldest has waited too long."""
        with self._lock:
            expired = self._outbox.expire(is_over)
            for delivery in expired:
                self._outbox.settle(delivery, error)
            if expired:
                # Or newer events would overtake what waits.
                self.spill_waiting()

    def _note(self, delivery: Delivery) -> EventSpilledError:
        self.spilled += 1
        return _spilled(delivery, self._spool)

    def replay(self, now_seconds: float) -> bool:
        """Put the next events of the disk into the queue when nothing waits there; return whether some are left.

        Args:
            now_seconds: From here on they have the delivery timeout.
        """
        with self._lock:
            room = self._outbox.room_behind_nothing() if time.monotonic() >= self._paused_until else 0
            for number, record in self._spool.read(min(room, REPLAY_EVENTS)):
                event_id = dict(record.headers)[EVENT_ID].decode()
                self._outbox.put_again(Delivery(event_id, record, now_seconds, self._outbox, number))
            return self._spool.active

    def await_empty(self, timeout_seconds: float | None) -> int:
        """Wait until the broker has all that is on disk, or the time is over; return how many it has not."""
        with self._lock:
            self._changed.wait_for(lambda: self._spool.records == 0 or self._outbox.closing, timeout_seconds)
            return self._spool.records

    @property
    def records(self) -> int:
        """Number of events on disk."""
        return self._spool.records

    def close(self) -> None:
        """Leave the folder to the next process."""
        with self._lock:
            self._closed = True
            self._spool.close()
            self._changed.notify_all()


def _spilled(delivery: Delivery, spool: Spool) -> EventSpilledError:
    return EventSpilledError(
        f"event {delivery.event_id} stands on disk; it is sent when a broker answers, by this process or the next",
        {"folder": str(spool.folder)},
        "headrace status",
    )
