"""The events that a producer has accepted and nobody has answered: bounded, ordered, shared by threads."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import TypeAlias

from headrace_ingestion.delivery import Counters, Delivery, FlushResult
from headrace_ingestion.errors import DeliveryError, EventDroppedError, EventSpilledError
from headrace_ingestion.transport import DeliveryResult

logger = logging.getLogger(__name__)


class Put(Enum):
    """What became of a delivery that was put into the outbox."""

    QUEUED = "the sender hands it over"
    YOURS = "the caller hands it over, now"
    FULL = "there was no space"
    CLOSED = "the outbox takes no more"
    SPILLED = "it went to the disk"


OnSettled: TypeAlias = Callable[[Delivery, DeliveryResult], DeliveryResult]
"""Called with each answer before it counts; what it returns does."""


class Outbox:
    """Holds at most `max_events` deliveries without an answer, handed over to the client or not."""

    def __init__(
        self,
        max_events: int,
        on_delivery: Callable[[Delivery], None] | None = None,
        *,
        client_max_events: int | None = None,
    ) -> None:
        """Make an empty one.

        Args:
            max_events: Most deliveries without an answer.
            on_delivery: Called for each answer, from the thread that brings it.
            client_max_events: Most of them that are handed over at a time; all by default. What waits here can still be
                dropped, what the client has cannot.
        """
        lock = threading.Lock()
        self._max_events = max_events
        self._client_max_events = client_max_events or max_events
        self._takes_all = client_max_events is None
        # Who found it full waits until an eighth is free: waking for every single place would cost a change of threads
        # per event.
        self._low_water = max_events - max(1, max_events // 8)
        self._on_delivery = on_delivery
        self._lock = lock
        self._settled = threading.Condition(lock)
        self._watchers = 0
        self._work = threading.Condition(lock)
        self._space = threading.Condition(lock)
        self._waiting: deque[Delivery] = deque()
        # A dictionary for its order: a flush waits for those that were pending when it was called.
        self._pending: dict[Delivery, None] = {}
        self._blocked = 0
        self._clear = False
        self._closing = False
        self._starved = False
        self.on_settled: OnSettled | None = None
        self._sent = self._delivered = self._failed = self._dropped = 0

    def put(self, delivery: Delivery, block_seconds: float, ready: bool) -> Put:
        """Add a delivery, waiting for space that long.

        Args:
            delivery: It has no answer yet.
            block_seconds: Longest wait for space.
            ready: Whether the transport would take it now. If nothing waits before it either, the caller hands it over
                itself: a change of threads for each event would cost as much as the rest of sending it.
        """
        with self._lock:
            if len(self._pending) >= self._max_events and not self._wait_for_space(block_seconds):
                return Put.FULL
            if self._closing:
                return Put.CLOSED
            self._pending[delivery] = None
            self._sent += 1
            if ready and self._clear and (self._takes_all or self._client_room() >= 0):
                return Put.YOURS
            self._queue(delivery)
            return Put.QUEUED

    def _client_room(self) -> int:
        """Return how many more deliveries the client may have."""
        return self._client_max_events - (len(self._pending) - len(self._waiting))

    def put_again(self, delivery: Delivery) -> None:
        """Add a delivery that comes from the disk; it was counted when it was sent."""
        with self._lock:
            self._pending[delivery] = None
            self._queue(delivery)

    def room_behind_nothing(self) -> int:
        """Return how many deliveries have space, or 0 as long as one waits to be handed over."""
        with self._lock:
            return 0 if self._waiting else self._max_events - len(self._pending)

    def await_space(self, seconds: float) -> None:
        """Wait for space that long."""
        with self._lock:
            if len(self._pending) >= self._max_events:
                self._wait_for_space(seconds)

    def take_waiting(self) -> list[Delivery]:
        """Take out and return all that wait to be handed over."""
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
            return waiting

    def wake(self) -> None:
        """Let the sender look around."""
        with self._lock:
            self._work.notify()

    def answer_outside(self, delivery: Delivery, error: DeliveryError) -> None:
        """Answer a delivery that never was in the outbox, and count it as sent."""
        with self._lock:
            self._sent += 1
            self._pending[delivery] = None
        self._answer(delivery, error)

    def take_oldest(self) -> Delivery | None:
        """Take out and return the delivery that has waited longest, or None when the client has them all."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def queue(self, delivery: Delivery) -> None:
        """Let the sender hand over a delivery that its caller could not."""
        with self._lock:
            self._queue(delivery)

    def _queue(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self._clear = False
        # A sender that waits for answers of the client is woken by those.
        if not self._starved:
            self._work.notify()

    def _wait_for_space(self, block_seconds: float) -> bool:
        if block_seconds <= 0:
            return False
        self._blocked += 1
        try:
            self._space.wait_for(lambda: self._closing or len(self._pending) <= self._low_water, block_seconds)
            return self._closing or len(self._pending) < self._max_events
        finally:
            self._blocked -= 1

    def take(self, timeout_seconds: float, *, clear: bool) -> list[Delivery]:
        """Return the deliveries that wait and that the client may have, in order; waits that long for the first.

        Args:
            timeout_seconds: Longest wait.
            clear: Nothing taken before is left: while nothing waits, callers may hand over by themselves.
        """
        with self._lock:
            if (not self._waiting or self._client_room() <= 0) and not self._closing:
                self._clear = clear and not self._waiting
                self._starved = bool(self._waiting)
                self._work.wait(timeout_seconds)
                self._clear = self._starved = False
            room = self._client_room()
            if len(self._waiting) > room:
                return [self._waiting.popleft() for _ in range(room)]
            taken = list(self._waiting)
            self._waiting.clear()
            return taken

    def give_back(self, deliveries: Iterable[Delivery]) -> None:
        """Put deliveries that could not be handed over before all others."""
        with self._lock:
            self._waiting.extendleft(reversed(list(deliveries)))

    def pause(self, seconds: float) -> None:
        """Wait, unless the outbox is closed meanwhile."""
        with self._lock:
            if not self._closing:
                self._work.wait_for(lambda: self._closing, seconds)

    def settle(self, delivery: Delivery, result: DeliveryResult) -> None:
        """Answer a delivery, and tell the callback before any flush sees it; does nothing when it has its answer."""
        if self.on_settled is not None and not delivery.done:
            result = self.on_settled(delivery, result)
        self._answer(delivery, result)

    def settle_all(self, answers: Sequence[tuple[Delivery, DeliveryResult]]) -> None:
        """Answer several in their order, as `settle` does each, with the lock taken once or twice for all of them."""
        if self.on_settled is not None:
            for delivery, result in answers:
                try:
                    self.settle(delivery, result)
                except Exception:
                    # A disk that fails under one must not keep the others from their answers.
                    logger.exception("the answer of event %s could not be given", delivery.event_id)
            return
        with self._lock:
            settled = [delivery for delivery, result in answers if self._note_result(delivery, result)]
            if self._on_delivery is None:
                self._count(settled)
                return
        for delivery in settled:
            self._tell(self._on_delivery, delivery)
        with self._lock:
            self._count(settled)

    def _answer(self, delivery: Delivery, result: DeliveryResult) -> None:
        with self._lock:
            if not self._note_result(delivery, result):
                return
            # Of an event that stays on the disk, the callback was told when it went there.
            stays = delivery.spool_number is not None and isinstance(result, EventSpilledError)
            if self._on_delivery is None or stays:
                self._count([delivery])
                return
        self._tell(self._on_delivery, delivery)
        with self._lock:
            self._count([delivery])

    @staticmethod
    def _note_result(delivery: Delivery, result: DeliveryResult) -> bool:
        if delivery.done:
            return False
        if isinstance(result, DeliveryError):
            delivery.error = result
        else:
            delivery.report = result
        return True

    @staticmethod
    def _tell(on_delivery: Callable[[Delivery], None], delivery: Delivery) -> None:
        try:
            on_delivery(delivery)
        except Exception:
            # The callback is the application's: its failure must not stop the delivery of other events.
            logger.exception("on_delivery failed for event %s", delivery.event_id)

    def _count(self, settled: Sequence[Delivery]) -> None:
        for delivery in settled:
            del self._pending[delivery]
            if delivery.error is None:
                self._delivered += delivery.spool_number is None
            elif not isinstance(delivery.error, EventSpilledError):
                self._failed += 1
                self._dropped += isinstance(delivery.error, EventDroppedError)
        if self._starved and self._client_room() > self._client_max_events // 2:
            self._work.notify()
        if self._blocked and len(self._pending) <= self._low_water:
            self._space.notify_all()
        if self._watchers:
            self._settled.notify_all()

    def flush(self, timeout_seconds: float | None) -> FlushResult:
        """Wait until everything that is pending now has its answer, or the time is over."""
        with self._lock:
            mine = list(self._pending)
            self._watch(lambda: all(delivery not in self._pending for delivery in reversed(mine)), timeout_seconds)
            answered = [delivery for delivery in mine if delivery not in self._pending]
            delivered = sum(delivery.report is not None for delivery in answered)
            spilled = sum(isinstance(delivery.error, EventSpilledError) for delivery in answered)
            return FlushResult(delivered, len(answered) - delivered - spilled, len(mine) - len(answered))

    def wait(self, delivery: Delivery, timeout_seconds: float | None) -> bool:
        """Wait for the answer of one delivery; return whether it is there."""
        with self._lock:
            return self._watch(lambda: delivery not in self._pending, timeout_seconds)

    def _watch(self, is_over: Callable[[], bool], timeout_seconds: float | None) -> bool:
        self._watchers += 1
        try:
            return self._settled.wait_for(is_over, timeout_seconds)
        finally:
            self._watchers -= 1

    def pending(self) -> list[Delivery]:
        """Return the deliveries without an answer, oldest first."""
        with self._lock:
            return list(self._pending)

    def close(self) -> None:
        """Take no more, and end every wait in `put`, `take` and `pause`."""
        with self._lock:
            self._closing = True
            self._work.notify_all()
            self._space.notify_all()

    @property
    def closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing

    @property
    def full(self) -> bool:
        """Whether there is no space."""
        return len(self._pending) >= self._max_events

    def counters(self, refused: int) -> Counters:
        """Return a consistent snapshot."""
        with self._lock:
            return Counters(self._sent, self._delivered, self._failed, len(self._pending), refused, self._dropped)

    def expire(self, is_over: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take out and return the oldest of those that wait, as long as `is_over` says so."""
        expired = []
        with self._lock:
            while self._waiting and is_over(self._waiting[0]):
                expired.append(self._waiting.popleft())
        return expired
