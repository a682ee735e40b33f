"""The producer: checks an event against its contract, and answers for its delivery."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal

from headrace_ingestion.clock import Clock, SystemClock
from headrace_ingestion.codec import from_the_future, record_time, wrong_event_id, wrong_trace
from headrace_ingestion.contract import Contract
from headrace_ingestion.delivery import Counters, Delivery, FlushResult
from headrace_ingestion.errors import (
    BrokerUnavailableError,
    DeliveryError,
    EventDroppedError,
    EventError,
    ProducerClosedError,
    QueueFullError,
    SettingsError,
    UnknownEventError,
    UnknownTopicError,
    closest,
)
from headrace_ingestion.headers import EVENT_ID, TRACEPARENT, is_event_id, is_traceparent
from headrace_ingestion.ids import EventIds, new_traceparent, traceparent_of
from headrace_ingestion.known_events import KnownEvent, known_events
from headrace_ingestion.metrics import MetricsReporter
from headrace_ingestion.outbox import Outbox, Put
from headrace_ingestion.pii import PiiSecret
from headrace_ingestion.records import Encoded
from headrace_ingestion.sender import Sender
from headrace_ingestion.settings import KafkaConnection
from headrace_ingestion.spill import Refused, Spill
from headrace_ingestion.spool import Spool
from headrace_ingestion.tracing import current_traceparent
from headrace_ingestion.transport import OutgoingRecord, Transport
from headrace_ingestion.transports import make_transport

logger = logging.getLogger(__name__)

_DEFAULTS = {
    "queue_max_events": 10_000,
    "delivery_timeout_seconds": 120,
    "spill_max_bytes": 1 << 30,
    "metrics_seconds": 10,
}

WhenFull = Literal["block", "drop_oldest", "raise"]

EXIT_SECONDS = 10.0
"""Longest wait for answers when the interpreter exits with a producer that was not closed."""


class Producer:
    """Sends the events of one or more contracts; threads may share it, processes may not.

    `send` checks and encodes in the caller's thread and never waits for a broker: while the client knows the topic it
    takes the event at once; otherwise the event waits in a bounded queue, up to the delivery timeout, for an own thread
    to hand it over.
    After a fork, the child makes a producer of its own: the parent's raises `ProducerClosedError` there.
    A producer that was not closed is closed when the interpreter exits, which then waits up to 10 seconds for answers.
    """

    def __init__(
        self,
        contracts: Contract | Iterable[Contract] | Path,
        connection: KafkaConnection | None = None,
        *,
        queue_max_events: int = 10_000,
        when_full: WhenFull = "block",
        block_seconds: float = 60.0,
        delivery_timeout_seconds: float = 120.0,
        on_delivery: Callable[[Delivery], None] | None = None,
        spill_folder: Path | None = None,
        spill_max_bytes: int = 1 << 30,
        spill_after_seconds: float = 1.0,
        spill_fsync: bool = False,
        on_metrics: Callable[[Counters], None] | None = None,
        metrics_seconds: float = 10.0,
        clock: Clock | None = None,
        ids: Callable[[], str] | None = None,
        transport: Transport | None = None,
        pii_secret: PiiSecret | None = None,
    ) -> None:
        """Start a producer.

        Args:
            contracts: A contract, several, or the folder or file that declares them.
            connection: How to reach Kafka, and by which client library; None reads `HEADRACE_KAFKA__…` from the
                environment.
            queue_max_events: Most events without an answer, whether waiting here or with the client.
            when_full: `block` waits for space up to `block_seconds`, `raise` does not wait; then `QueueFullError`.
                `drop_oldest` takes the event, and the one that has waited longest for a broker fails with
                `EventDroppedError`; the client then has at most half of the queue, for what it has cannot be dropped.
            block_seconds: Longest wait for space.
            delivery_timeout_seconds: An event that waits this long for a broker, or has been with the client this long
                without an answer, fails with `BrokerUnavailableError`.
            on_delivery: Called once per event with its delivery, from an inner thread or one that calls `send`; must
                be quick, must not send, and must not want a lock that is held around `send`.
                An event that was spilled has a second delivery, when it is sent from the disk.
            spill_folder: Where events go that find no broker and no space; they are sent in order when one answers, by
                this process or the next. One producer a folder.
            spill_max_bytes: Most that stands there; then `when_full` says what happens.
            spill_after_seconds: How long the queue must have been full.
            spill_fsync: Each event is on the disk before `send` returns, for the case of a loss of power.
            on_metrics: Called every `metrics_seconds` with the counters, and when the producer is closed, from a thread
                of its own; see `headrace_ingestion.metrics`.
            metrics_seconds: Time between two calls.
            clock: Source of timestamps and deadlines.
            ids: Source of event ids; UUIDv7 by default.
            transport: Carries the records instead of Kafka; see `headrace_ingestion.testing`.
            pii_secret: What fields with `pii: hash` are hashed with; None reads `HEADRACE_PII__SECRET`, where one is.

        Raises:
            DeclarationError: A contract is wrong, or there is none.
            SettingsError: The environment does not say where Kafka is, the client library is not installed, or a limit
                is not positive.
        """
        _positive(
            queue_max_events=queue_max_events,
            delivery_timeout_seconds=delivery_timeout_seconds,
            metrics_seconds=metrics_seconds,
        )
        if when_full == "drop_oldest" and queue_max_events < 2:
            raise SettingsError(
                "queue_max_events is 1, and when_full is 'drop_oldest'",
                {"expected": "at least 2: one with the client, one that can be dropped"},
                "queue_max_events=10000",
            )
        prefix = ""
        if transport is None:
            connection = connection or KafkaConnection.from_environment()
            transport = make_transport(connection, delivery_timeout_seconds)
        if connection is not None:
            prefix = connection.topic_prefix
        self._events = known_events(contracts, prefix, pii_secret)
        self._clock = clock or SystemClock()
        self._ids = ids or EventIds(self._clock.now_ms)
        self._own_ids = ids is None
        self._block_seconds = block_seconds if when_full == "block" else 0.0
        self._queue_max_events = queue_max_events
        self._transport = transport
        self._drops_oldest = when_full == "drop_oldest"
        client_max = queue_max_events // 2 if self._drops_oldest else None
        self._outbox = Outbox(queue_max_events, on_delivery, client_max_events=client_max)
        self._spill: Spill | None = None
        if spill_folder is not None:
            _spills(self._drops_oldest, spill_max_bytes)
            spool = Spool(spill_folder, spill_max_bytes, fsync=spill_fsync)
            self._spill = Spill(spool, self._outbox, spill_after_seconds)
            self._outbox.on_settled = self._spill.settled
        self._sender = Sender(self._outbox, transport, self._clock, delivery_timeout_seconds, self._spill)
        self._close_seconds = delivery_timeout_seconds
        self._refused = 0
        self._refused_lock = threading.Lock()
        self._closed = False
        self._process = os.getpid()
        self._sender.start()
        self._metrics = MetricsReporter(lambda: self.counters, on_metrics, metrics_seconds) if on_metrics else None
        atexit.register(self._close_at_exit)

    def send(
        self,
        event: str,
        fields: Mapping[str, object],
        *,
        event_id: str | None = None,
        timestamp_ms: int | None = None,
        trace: str | None = None,
    ) -> Delivery:
        """Check the event and put it in the queue.

        Args:
            event: Name of the event.
            fields: Field → value; see `compile_encoder` for the types.
            event_id: 1 to 128 printable ASCII characters; a new UUIDv7 by default. Repeats of an id are dropped
                downstream, so an application that may send twice gives its own.
            timestamp_ms: Record timestamp, whole milliseconds since 1970; now by default. A replay of files gives the
                event time.
            trace: W3C `traceparent` to join; by default that of OpenTelemetry's current span, or a new, unsampled one.

        Returns:
            The delivery, which will have a report or an error.

        Raises:
            EventError: The event breaks its contract.
            QueueFullError: There was no space in the queue.
            UnknownEventError: There is no contract of that name.
            ProducerClosedError: The producer is closed, or belongs to another process.
        """
        if self._closed or self._process != os.getpid():
            raise self._unusable()
        known = self._events.get(event)
        if known is None:
            raise self._unknown_event(event)
        try:
            now_ms = self._clock.now_ms() if timestamp_ms is None else record_time(known.contract, timestamp_ms)
            encoded = known.encode(fields)
            if encoded.event_time_ms - now_ms > known.ahead_ms:
                raise from_the_future(known.contract)
            if event_id is not None and not is_event_id(event_id):
                raise wrong_event_id(known.contract)
            if trace is not None and not is_traceparent(trace):
                raise wrong_trace(known.contract, trace)
        except EventError:
            with self._refused_lock:
                self._refused += 1
            raise
        return self._enqueue(known, encoded, event_id, now_ms, trace)

    def _enqueue(
        self, event: KnownEvent, encoded: Encoded, event_id: str | None, now_ms: int, trace: str | None
    ) -> Delivery:
        own_id = event_id is None and self._own_ids
        if event_id is None:
            event_id = self._ids()
        if trace is None:
            trace = current_traceparent()
        if trace is None:
            trace = traceparent_of(event_id) if own_id else new_traceparent()
        headers = [(EVENT_ID, event_id.encode()), event.header, (TRACEPARENT, trace.encode())]
        record = OutgoingRecord(event.topic, encoded.key, encoded.value, headers, now_ms)
        delivery = Delivery(event_id, record, self._clock.monotonic_seconds(), self._outbox)
        ready = self._transport.ready(event.topic)
        if self._spill is not None:
            return self._put_or_spill(self._spill, event, delivery, ready)
        put = self._outbox.put(delivery, self._block_seconds, ready)
        while put is Put.FULL and self._drops_oldest:
            self._drop_oldest()
            put = self._outbox.put(delivery, 0.0, ready=False)
        if put is Put.YOURS:
            self._hand_over(delivery)
        elif put is Put.FULL:
            raise self._queue_full(event)
        elif put is Put.CLOSED:
            raise self._unusable()
        return delivery

    def _put_or_spill(self, spill: Spill, event: KnownEvent, delivery: Delivery, ready: bool) -> Delivery:
        put = spill.put(delivery, self._block_seconds, ready)
        if put is Put.YOURS:
            self._hand_over(delivery)
        elif put is Put.CLOSED:
            raise self._unusable()
        elif isinstance(put, Refused):
            raise self._queue_full(event, put.answer)
        return delivery

    def _drop_oldest(self) -> None:
        oldest = self._outbox.take_oldest()
        if oldest is not None:
            error = EventDroppedError(
                f"event {oldest.event_id} was dropped for a newer one: "
                "the queue is full and when_full is 'drop_oldest'",
                {"queue": f"{self._queue_max_events} events without an answer", "broker": self._transport.place},
                "headrace status, or a larger queue_max_events",
            )
            self._outbox.settle(oldest, error)

    def _hand_over(self, delivery: Delivery) -> None:
        try:
            self._transport.send(delivery.record, delivery)
        except (BrokerUnavailableError, UnknownTopicError):
            self._outbox.queue(delivery)
        except DeliveryError as error:
            self._outbox.settle(delivery, error)
        except BaseException:
            # An interrupt, or what nobody foresaw: no flush may wait for this event for ever.
            self._outbox.settle(delivery, self._interrupted(delivery))
            raise

    def flush(self, timeout_seconds: float | None = None) -> FlushResult:
        """Wait until every event sent so far has its answer, or the time is over, and say what became of them.

        It also waits for what stands in the spill folder. A flush that returns says nothing of success: look at
        `failed`, and at each delivery.
        """
        began = time.monotonic()
        result = self._outbox.flush(timeout_seconds)
        if self._spill is None:
            return result
        if timeout_seconds is not None:
            timeout_seconds = max(0.0, timeout_seconds - (time.monotonic() - began))
        return result._replace(spilled=self._spill.await_empty(timeout_seconds))

    @property
    def counters(self) -> Counters:
        """What the producer has done so far, as a consistent snapshot."""
        counters = self._outbox.counters(self._refused)
        if self._spill is None:
            return counters
        return counters._replace(spilled=self._spill.spilled, replayed=self._spill.replayed)

    @property
    def would_wait(self) -> bool:
        """Whether `send` might wait now, for space in the queue or on the disk."""
        return self._outbox.full or (self._spill is not None and self._spill.records > 0)

    def close(self, timeout_seconds: float | None = None) -> FlushResult:
        """Flush, then end the producer; events without an answer by then fail with `ProducerClosedError`.

        Args:
            timeout_seconds: How long to wait for answers; the delivery timeout by default.
        """
        if self._closed or self._process != os.getpid():
            return FlushResult(0, 0, 0)
        self._closed = True
        atexit.unregister(self._close_at_exit)
        result = self.flush(self._close_seconds if timeout_seconds is None else timeout_seconds)
        self._sender.stop(0.0 if result.pending else 5.0)
        if self._metrics is not None:
            self._metrics.stop()
        lost = result.failed + (result.pending if self._spill is None else 0)
        if lost:
            logger.error("%d events were not delivered to %s", lost, self._transport.place)
        if self._spill is not None and self._spill.records:
            logger.warning("%d events stand on disk for the next producer of that folder", self._spill.records)
        return result

    def _close_at_exit(self) -> None:
        self.close(min(EXIT_SECONDS, self._close_seconds))

    def __enter__(self) -> Producer:
        """Return the producer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Flush and close, whatever happened inside."""
        self.close()

    def _unknown_event(self, event: str) -> UnknownEventError:
        known = ", ".join(self._events)
        return UnknownEventError(
            f"the event {event!r} has no contract",
            {"events": known},
            closest(event, self._events) or "headrace events check",
        )

    def _queue_full(self, event: KnownEvent, disk: str = "") -> QueueFullError:
        waited = f"for {self._block_seconds:g} s" if self._block_seconds > 0 else "and when_full is 'raise'"
        return QueueFullError(
            f"event {event.contract.name!r} was not taken: the queue is full {waited}",
            {
                "queue": f"{self._queue_max_events} events without an answer",
                "broker": self._transport.place,
                "spill folder": disk,
            },
            "headrace status, a larger queue_max_events, or send later",
        )

    def _interrupted(self, delivery: Delivery) -> ProducerClosedError:
        return ProducerClosedError(
            f"sending event {delivery.event_id} was interrupted; it may have been written all the same",
            {"broker": self._transport.place},
            "send it again with the same event_id",
        )

    def _unusable(self) -> ProducerClosedError:
        if self._process != os.getpid():
            return ProducerClosedError(
                "the producer belongs to the process this one was forked from",
                {"expected": "one producer a process, made after the fork"},
                "Producer(…)",
            )
        return ProducerClosedError("the producer is closed", {"expected": "send before close"}, "Producer(…)")


def _spills(drops_oldest: bool, max_bytes: int) -> None:
    _positive(spill_max_bytes=max_bytes)
    if drops_oldest:
        raise SettingsError(
            "when_full is 'drop_oldest', and there is a spill folder",
            {"expected": "one of the two: an event is dropped, or kept on disk"},
            "when_full='block'",
        )


def _positive(**limits: float) -> None:
    for name, value in limits.items():
        if value <= 0:
            raise SettingsError(f"{name} is {value}", {"expected": "more than zero"}, f"{name}={_DEFAULTS[name]}")
