"""The two clocks a producer reads: the time of day for timestamps, the monotonic one for deadlines."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the SDK asks of a clock."""

    def now_ms(self) -> int:
        """Return the time of day in milliseconds since 1970."""

    def monotonic_seconds(self) -> float:
        """Return seconds that never go back."""


class SystemClock:
    """The clocks of the machine."""

    def now_ms(self) -> int:
        """Return the time of day in milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic_seconds(self) -> float:
        """Return seconds that never go back, whatever is done to the time of day."""
        return time.monotonic()
