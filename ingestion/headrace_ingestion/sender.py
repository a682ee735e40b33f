"""The thread that hands accepted events to the transport, so that `send` never waits for a broker."""

from __future__ import annotations

import logging
import threading
from collections import deque

from headrace_ingestion.clock import Clock
from headrace_ingestion.delivery import Delivery
from headrace_ingestion.errors import (
    BrokerUnavailableError,
    DeliveryError,
    ProducerClosedError,
    UnknownTopicError,
)
from headrace_ingestion.outbox import Outbox
from headrace_ingestion.spill import Spill
from headrace_ingestion.transport import Transport

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.25
"""Pause between two tries to reach a broker or to find a topic."""

IDLE_SECONDS = 60.0
"""Longest sleep of the thread when nothing waits; it is woken when something does."""

REPLAY_WAIT_SECONDS = 0.02
"""Pause between two looks at the disk while the queue has no space for what is there."""

TOPIC_WAIT_SECONDS = 5.0
"""How long a missing topic may take to appear: a topic just made is not known to every broker at once."""


class Sender:
    """Moves deliveries from the outbox to the transport, in order, and gives up those that waited too long."""

    def __init__(
        self,
        outbox: Outbox,
        transport: Transport,
        clock: Clock,
        delivery_timeout_seconds: float,
        spill: Spill | None = None,
    ) -> None:
        """Make a sender; `start` starts its thread."""
        self._spill = spill
        self._outbox = outbox
        self._transport = transport
        self._clock = clock
        self._timeout_seconds = delivery_timeout_seconds
        # Events of topics that the broker does not know (yet), apart from the others so that those go on.
        self._parked: dict[str, deque[Delivery]] = {}
        self._close_seconds = 0.0
        self._has_told = False
        self._thread = threading.Thread(target=self._run, name="headrace-sender", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, close_seconds: float) -> None:
        """End the thread: what has no answer after `close_seconds` fails with `ProducerClosedError`."""
        self._close_seconds = close_seconds
        self._outbox.close()
        # The client's own clean-up may take a little longer than what it was given.
        self._thread.join(close_seconds + 10)

    def _run(self) -> None:
        try:
            connected = False
            while not self._outbox.closing:
                connected = connected or self._connect()
                if connected:
                    self._retry_parked()
                    wait_seconds = RETRY_SECONDS if self._parked else IDLE_SECONDS
                    if self._spill is not None and self._spill.replay(self._clock.monotonic_seconds()):
                        wait_seconds = REPLAY_WAIT_SECONDS
                    self._hand_over(self._outbox.take(wait_seconds, clear=not self._parked))
        finally:
            # Also when the thread dies of an error that nobody foresaw: no event may wait for an answer for ever.
            self._outbox.close()
            try:
                self._transport.close(self._close_seconds)
            finally:
                for delivery in self._outbox.pending():
                    self._outbox.settle(delivery, _closed(delivery))
                if self._spill is not None:
                    self._spill.close()

    def _connect(self) -> bool:
        try:
            self._transport.connect()
            return True
        except BrokerUnavailableError as error:
            # Once where people see it: a wrong address is told before the time of the first event is over.
            logger.log(logging.INFO if self._has_told else logging.WARNING, "waiting for the broker: %s", error)
            self._has_told = True
            self._expire(error)
            self._outbox.pause(RETRY_SECONDS)
        except DeliveryError as error:
            # A refused login does not heal by itself: nothing that waits can be delivered.
            for delivery in self._outbox.take(0, clear=False):
                self._outbox.settle(delivery, error)
            self._outbox.pause(RETRY_SECONDS)
        return False

    def _hand_over(self, deliveries: list[Delivery]) -> None:
        rest = deque(deliveries)
        send, settle, parked = self._transport.send, self._outbox.settle, self._parked
        while rest:
            delivery = rest[0]
            record = delivery.record
            if parked and record.topic in parked:
                parked[record.topic].append(rest.popleft())
                continue
            try:
                send(record, delivery)
            except UnknownTopicError:
                parked[record.topic] = deque()
                continue
            except BrokerUnavailableError as error:
                self._outbox.give_back(rest)
                self._expire(error)
                self._outbox.pause(RETRY_SECONDS)
                return
            except DeliveryError as error:
                settle(delivery, error)
            rest.popleft()

    def _retry_parked(self) -> None:
        for topic in list(self._parked):
            waiting = self._parked.pop(topic)
            try:
                while waiting:
                    self._transport.send(waiting[0].record, waiting[0])
                    waiting.popleft()
            except (UnknownTopicError, BrokerUnavailableError) as error:
                limit = TOPIC_WAIT_SECONDS if isinstance(error, UnknownTopicError) else self._timeout_seconds
                while waiting and self._waited(waiting[0]) >= min(limit, self._timeout_seconds):
                    self._outbox.settle(waiting.popleft(), error)
            except DeliveryError as error:
                self._outbox.settle(waiting.popleft(), error)
            if waiting:
                self._parked[topic] = waiting

    def _expire(self, error: BrokerUnavailableError) -> None:
        if self._spill is not None:
            self._spill.expire(self._is_over, error)
            return
        for delivery in self._outbox.expire(self._is_over):
            self._outbox.settle(delivery, error)

    def _is_over(self, delivery: Delivery) -> bool:
        return self._waited(delivery) >= self._timeout_seconds

    def _waited(self, delivery: Delivery) -> float:
        return self._clock.monotonic_seconds() - delivery.sent_at_seconds


def _closed(delivery: Delivery) -> ProducerClosedError:
    return ProducerClosedError(
        f"event {delivery.event_id} for topic {delivery.record.topic!r} had no answer when the producer was closed",
        {"expected": "flush before close, or a longer timeout"},
        "producer.flush()",
    )
