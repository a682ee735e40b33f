"""The 18 features in Python, as a Quix Streams application computes them from the last 24 hours of a key."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import Self

WINDOWS_MS = {"5m": 300_000, "1h": 3_600_000, "24h": 86_400_000}
LAGS = (1, 2, 3)


@dataclass(slots=True)
class History:
    """What is kept of a key: clocks in milliseconds and durations, oldest first."""

    clocks_ms: array[int] = field(default_factory=lambda: array("q"))
    durations_s: array[float] = field(default_factory=lambda: array("d"))

    @classmethod
    def unpack(cls, packed: bytes | None) -> Self:
        """Return what `pack` packed; None is an empty history."""
        history = cls()
        if packed:
            half = len(packed) // 2
            history.clocks_ms.frombytes(packed[:half])
            history.durations_s.frombytes(packed[half:])
        return history

    def pack(self) -> bytes:
        """Return it as bytes, 16 for each event."""
        return self.clocks_ms.tobytes() + self.durations_s.tobytes()

    def add(self, event_time_ms: int, duration_s: float) -> dict[str, float | int | None]:
        """Take an event and return its features by column name."""
        clock_ms = max(event_time_ms, self.clocks_ms[-1]) if self.clocks_ms else event_time_ms
        self.clocks_ms.append(clock_ms)
        self.durations_s.append(duration_s)
        # The longest lag reaches behind the longest window.
        old = bisect_right(self.clocks_ms, clock_ms - WINDOWS_MS["24h"])
        excess = min(old, len(self.clocks_ms) - 1 - LAGS[-1])
        if excess > 0:
            del self.clocks_ms[:excess]
            del self.durations_s[:excess]
        return self._features(clock_ms)

    def _features(self, clock_ms: int) -> dict[str, float | int | None]:
        durations = self.durations_s
        row: dict[str, float | int | None] = {
            f"duration_s_lag_{step}": durations[-1 - step] if len(durations) > step else None for step in LAGS
        }
        for name, length_ms in WINDOWS_MS.items():
            values = durations[bisect_right(self.clocks_ms, clock_ms - length_ms) :]
            for statistic, value in _statistics(values).items():
                row[f"duration_s_{statistic}_{name}"] = value
        return row


def _statistics(values: Sequence[float]) -> dict[str, float | int]:
    count = len(values)
    total = sum(values)
    mean = total / count
    largest = max(values)
    deviations = [value - mean for value in values]
    # Rule 7: exactly zero when all are equal, whatever the mean was rounded to.
    variance = sum(map(mul, deviations, deviations)) / count if min(values) != largest else 0.0
    return {"count": count, "sum": total, "mean": mean, "std": math.sqrt(variance), "max": largest}
