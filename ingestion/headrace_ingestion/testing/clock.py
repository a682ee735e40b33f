"""A clock that moves when it is told to."""

from __future__ import annotations

from datetime import datetime, timedelta

from headrace_ingestion.timestamps import timestamp_ms


class FakeClock:
    """Both clocks of the SDK; they stand still until `advance`."""

    def __init__(self, now: datetime) -> None:
        """Start at `now`, timezone-aware."""
        self._now_ms = timestamp_ms(now)
        self._monotonic_seconds = 0.0

    def now_ms(self) -> int:
        """Return the time of day in milliseconds since 1970."""
        return self._now_ms

    def monotonic_seconds(self) -> float:
        """Return the seconds that `advance` added up to."""
        return self._monotonic_seconds

    def advance(self, duration: timedelta) -> None:
        """Move both clocks on.

        Raises:
            ValueError: `duration` is negative; use `set_back` for what NTP may do to the time of day.
        """
        if duration < timedelta(0):
            raise ValueError(f"duration must be zero or more, got {duration}")
        self._now_ms += duration // timedelta(milliseconds=1)
        self._monotonic_seconds += duration.total_seconds()

    def set_back(self, duration: timedelta) -> None:
        """Set the time of day back, as NTP may; the monotonic clock stays."""
        self._now_ms -= duration // timedelta(milliseconds=1)
