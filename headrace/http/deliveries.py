"""Waiting for the answers of a broker without holding a thread: the producer's thread wakes the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection

from headrace_ingestion.delivery import Delivery


class Batch:
    """Events of one request that wait for their answers together; made in the event loop that waits."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._all_answered = asyncio.Event()
        self.open = 0

    def wake(self) -> None:
        """Let `wait` return; called from any thread."""
        self._loop.call_soon_threadsafe(self._all_answered.set)

    async def wait(self, timeout_seconds: float) -> None:
        """Return when every event has its answer, or after that time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._all_answered.wait()
        except TimeoutError:
            return


class Deliveries:
    """Which batch each event without an answer belongs to; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: dict[Delivery, Batch] = {}

    def answered(self, delivery: Delivery) -> None:
        """Take an answer: the `on_delivery` of the producer."""
        with self._lock:
            # An answer may come before its request has begun to wait: then nobody has to be woken.
            batch = self._batches.pop(delivery, None)
            if batch is None:
                return
            batch.open -= 1
            is_last = batch.open == 0
        if is_last:
            batch.wake()

    async def wait(self, deliveries: Collection[Delivery], timeout_seconds: float) -> None:
        """Return when each of them has its answer, or after that time."""
        batch = Batch()
        with self._lock:
            for delivery in deliveries:
                if not delivery.done:
                    self._batches[delivery] = batch
                    batch.open += 1
            if batch.open == 0:
                return
        try:
            await batch.wait(timeout_seconds)
        finally:
            with self._lock:
                for delivery in deliveries:
                    self._batches.pop(delivery, None)
