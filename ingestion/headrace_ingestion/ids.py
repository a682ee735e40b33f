"""Event ids (UUIDv7, RFC 9562) and trace contexts (W3C)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

_TAIL_BITS = 74
_TAIL_MASK = (1 << _TAIL_BITS) - 1
_TAIL_BYTES = 10
_TAILS_DRAWN = 256
"""At a time: a draw lets go of the interpreter's lock, and a thread that sends may wait milliseconds to get it back."""


class EventIds:
    """A source of UUIDv7 texts: unique, and each greater than the one before. Threads may share it.

    After a fork the child must make its own, as the `Producer` demands.
    """

    def __init__(
        self,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Make a source.

        Args:
            now_ms: The clock, in milliseconds since 1970.
            random_bytes: Returns that many random bytes.
        """
        self._now_ms = now_ms
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._last_ms = -1
        self._tail = 0
        self._drawn = b""

    def __call__(self) -> str:
        """Return the next id: 36 lower-case characters."""
        now = self._now_ms()
        with self._lock:
            if now > self._last_ms:
                self._last_ms = now
                self._tail = self._random_tail()
            else:
                # Within a millisecond, or after the clock was set back, ids count up (RFC 9562, method 2).
                self._tail += 1
                if self._tail > _TAIL_MASK:
                    self._last_ms += 1
                    self._tail = self._random_tail()
            at, tail = self._last_ms, self._tail
        # 48 bits of time, version 7, 12 bits, variant 10, 62 bits.
        text = f"{at << 80 | 7 << 76 | (tail >> 62) << 64 | 2 << 62 | tail & 0x3FFF_FFFF_FFFF_FFFF:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _random_tail(self) -> int:
        if not self._drawn:
            self._drawn = self._random_bytes(_TAIL_BYTES * _TAILS_DRAWN)
        tail, self._drawn = self._drawn[:_TAIL_BYTES], self._drawn[_TAIL_BYTES:]
        # The highest bit stays free, so that counting up has room.
        return int.from_bytes(tail, "big") & (_TAIL_MASK >> 1)


def new_traceparent(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """Return a new W3C trace context, not sampled: a name to find an event by, which makes no tracer record it."""
    text = random_bytes(24).hex()
    trace_id, span_id = text[:32], text[32:]
    # The standard forbids ids of zeros alone.
    if not int(trace_id, 16) or not int(span_id, 16):
        return new_traceparent(random_bytes)
    return f"00-{trace_id}-{span_id}-00"


def traceparent_of(event_id: str) -> str:
    """Return the trace context made of a UUIDv7: its digits, and its random half as the span.

    A producer that has no trace to join sends this: as unique as the id, and no further randomness is drawn.
    """
    digits = event_id.replace("-", "")
    return f"00-{digits}-{digits[16:]}-00"
