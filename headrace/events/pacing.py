"""The pace of a replay: event time, some times faster or slower than it was. Clock and sleep are parameters."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pacer:
    """Holds events back until they are due; the first one is due at once.

    Args:
        speed: 1 is the pace at which the events happened, 60 a minute a second.
        now_seconds: A clock that never goes back.
        sleep: Waits that many seconds.

    Raises:
        ValueError: `speed` is not positive.
    """

    def __init__(
        self,
        speed: float,
        now_seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be more than zero, got {speed}")
        self._speed = speed
        self._now_seconds = now_seconds
        self._sleep = sleep
        self._first: tuple[int, float] | None = None

    def wait(self, event_time_ms: int) -> None:
        """Return when the event is due; an event older than the first is due at once."""
        now = self._now_seconds()
        if self._first is None:
            self._first = (event_time_ms, now)
            return
        first_ms, began = self._first
        ahead = (event_time_ms - first_ms) / 1000 / self._speed - (now - began)
        if ahead > 0:
            self._sleep(ahead)
