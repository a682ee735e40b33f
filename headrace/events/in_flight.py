"""Events that were sent and wait for their answer, in the order of sending."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from headrace_ingestion.delivery import Delivery

from headrace.events.checkpoint import Progress


class InFlight:
    """Knows up to which row of each file everything is acknowledged.

    Answers of different partitions come in any order: only what has no gap before it counts.

    Args:
        done: What was acknowledged before.
    """

    def __init__(self, done: Progress) -> None:
        self._waiting: deque[tuple[Delivery, int, int]] = deque()
        self._next_rows = list(done.next_rows)
        self._sent = done.sent

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, delivery: Delivery, file: int, row: int) -> None:
        """Remember that this row of a file was sent."""
        self._waiting.append((delivery, file, row))

    def settle(self) -> None:
        """Forget the oldest ones that are acknowledged.

        Raises:
            DeliveryError: The oldest one was given up.
        """
        waiting = self._waiting
        while waiting and waiting[0][0].done:
            delivery, file, row = waiting[0]
            if delivery.error is not None:
                raise delivery.error
            waiting.popleft()
            self._next_rows[file] = row + 1
            self._sent += 1

    def finish(self, next_rows: Sequence[int]) -> None:
        """Note that everything was read up to here and acknowledged: rows at the end may all have been refused."""
        self._next_rows = list(next_rows)

    @property
    def progress(self) -> Progress:
        """What is acknowledged."""
        return Progress(tuple(self._next_rows), self._sent)
