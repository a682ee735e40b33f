"""The producer for asyncio: the same core, which never blocks the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from headrace_ingestion.contract import Contract
from headrace_ingestion.delivery import Counters, Delivery, FlushResult
from headrace_ingestion.producer import Producer
from headrace_ingestion.settings import KafkaConnection
from headrace_ingestion.transport import DeliveryReport

logger = logging.getLogger(__name__)


class AsyncDelivery:
    """The outcome of one event, now or later; `await` it for where the event stands."""

    __slots__ = ("_producer", "delivery")

    def __init__(self, producer: AsyncProducer, delivery: Delivery) -> None:
        """Hold a delivery; made by the producer."""
        self._producer = producer
        self.delivery = delivery

    @property
    def event_id(self) -> str:
        """The id of the event."""
        return self.delivery.event_id

    @property
    def done(self) -> bool:
        """Whether there is a report or an error."""
        return self.delivery.done

    async def result(self) -> DeliveryReport:
        """Wait for the answer and return where the event stands.

        Raises:
            DeliveryError: The event was given up; the class says why and whether trying again may help.
        """
        if not self.delivery.done:
            await self._producer._answered(self.delivery)
        return self.delivery.result()

    def __await__(self) -> Any:
        """Do what `result` does."""
        return self.result().__await__()


class AsyncProducer:
    """A `Producer` for one event loop. Use it as `async with AsyncProducer(…) as producer:`.

    An event is checked and handed over in the loop, without a change of threads; where that would wait (a full queue, a
    full disk), a thread waits instead, in the order of the calls.
    """

    def __init__(
        self,
        contracts: Contract | Iterable[Contract] | Path,
        connection: KafkaConnection | None = None,
        *,
        on_delivery: Callable[[Delivery], None] | None = None,
        **options: Any,
    ) -> None:
        """Start a producer, within a running event loop.

        Args:
            contracts: As for `Producer`.
            connection: As for `Producer`.
            on_delivery: Called once per event with its delivery, in the event loop.
            options: The other arguments of `Producer`.

        Raises:
            DeclarationError: A contract is wrong, or there is none.
            SettingsError: A setting is wrong.
            RuntimeError: No event loop is running.
        """
        self._loop = asyncio.get_running_loop()
        self._on_delivery = on_delivery
        self._answers: deque[Delivery] = deque()
        self._woken = False
        self._waiters: dict[Delivery, list[asyncio.Future[None]]] = {}
        self._producer = Producer(contracts, connection, on_delivery=self._note, **options)
        # One thread, so that those that wait for space keep their order.
        self._patient = ThreadPoolExecutor(1, "headrace-async")
        self._waiting = 0

    async def send(self, event: str, fields: Mapping[str, object], **options: Any) -> AsyncDelivery:
        """Check the event and put it in the queue, as `Producer.send` does with the same arguments and errors.

        Waits for space only. When it is cancelled meanwhile, the event may have been taken all the same.
        """
        if self._waiting == 0 and not self._producer.would_wait:
            return AsyncDelivery(self, self._producer.send(event, fields, **options))
        self._waiting += 1
        try:
            call = partial(self._producer.send, event, fields, **options)
            return AsyncDelivery(self, await self._loop.run_in_executor(self._patient, call))
        finally:
            self._waiting -= 1

    async def flush(self, timeout_seconds: float | None = None) -> FlushResult:
        """Wait until every event sent so far has its answer, or the time is over, and say what became of them."""
        return await asyncio.to_thread(self._producer.flush, timeout_seconds)

    @property
    def counters(self) -> Counters:
        """What the producer has done so far, as a consistent snapshot."""
        return self._producer.counters

    async def close(self, timeout_seconds: float | None = None) -> FlushResult:
        """Flush, then end the producer; events without an answer by then fail with `ProducerClosedError`.

        Args:
            timeout_seconds: How long to wait for answers; the delivery timeout by default.
        """
        result = await asyncio.to_thread(self._producer.close, timeout_seconds)
        self._patient.shutdown(wait=False)
        self._tell()
        return result

    async def __aenter__(self) -> AsyncProducer:
        """Return the producer."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Flush and close, whatever happened inside."""
        await self.close()

    async def _answered(self, delivery: Delivery) -> None:
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.setdefault(delivery, []).append(waiter)
        await waiter

    def _note(self, delivery: Delivery) -> None:
        """Pass an answer on to the loop, from an inner thread; many of them wake the loop once."""
        self._answers.append(delivery)
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._tell)
            except RuntimeError:
                return  # the loop has ended: nobody waits any more

    def _tell(self) -> None:
        # Before the answers are looked at: one that comes now wakes the loop again.
        self._woken = False
        while self._answers:
            delivery = self._answers.popleft()
            for waiter in self._waiters.pop(delivery, ()):
                if not waiter.done():
                    waiter.set_result(None)
            if self._on_delivery is not None:
                try:
                    self._on_delivery(delivery)
                except Exception:
                    # The callback is the application's: the other answers are told all the same.
                    logger.exception("on_delivery failed for event %s", delivery.event_id)
