"""One row of an online store and the order that decides which of two is the newer one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from headrace_features.online.errors import OnlineStoreError

_DIGITS = 19
"""A signed integer of 64 bits has at most this many."""

_TEXT = ",".join([f"%0{_DIGITS}d"] * 5)
_COMPLEMENT = 10 ** (_DIGITS - 1)


class Order(NamedTuple):
    """The place of a row in the history of its key; of two, the greater is the newer.

    Two rows with the same first four parts come from the same event. `emitted_at_ms` decides between them, so that a
    changed declaration, which computes history anew, replaces what the old one left; a row pushed twice is equal.

    Attributes:
        generation: The key's generation, from 0.
        clock_ms: The key's clock, in milliseconds since 1970.
        source_offset: Offset of the event in its partition; that of an imported event is negative.
        revision: 0 from the job; a repair has a higher one.
        emitted_at_ms: When the row was made, in milliseconds since 1970.
    """

    generation: int
    clock_ms: int
    source_offset: int
    revision: int
    emitted_at_ms: int = 0

    def text(self) -> str:
        """Return the order as 99 characters that compare, character by character, as the numbers do."""
        if self.source_offset >= 0:
            return _TEXT % self
        # A minus sign stands before every digit, and of two negative numbers the one nearer to zero is the greater.
        placed = self._replace(source_offset=self.source_offset + _COMPLEMENT)
        before, after = f"{placed.generation:0{_DIGITS}d},{placed.clock_ms:0{_DIGITS}d},", _TEXT % placed
        return f"{before}-{after[len(before) + 1 :]}"

    @classmethod
    def parse(cls, text: str) -> Order:
        """Return the order that `text()` wrote."""
        found = cls(*map(int, text.split(",")))
        if found.source_offset < 0:
            found = found._replace(source_offset=-found.source_offset - _COMPLEMENT)
        return found


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """The values of one entity key as of one event.

    Attributes:
        key: The entity key as text: a number in decimal digits.
        order: Its place in the history of the key. No part but the offset is negative.
        event_time_ms: The event's own time, in milliseconds since 1970.
        declaration: Hash of the declaration that computed it.
        values: The features: one JSON object, UTF-8.
    """

    key: str
    order: Order
    event_time_ms: int
    declaration: str
    values: bytes

    def __post_init__(self) -> None:
        generation, clock_ms, _, revision, emitted_at_ms = self.order
        if generation < 0 or clock_ms < 0 or revision < 0 or emitted_at_ms < 0:
            raise OnlineStoreError(
                f"the row of {self.key!r} has the order {tuple(self.order)}",
                {"expected": "generation, clock_ms, revision and emitted_at_ms of zero or more"},
                "headrace features verify",
            )

    def features(self) -> dict[str, Any]:
        """Return the features by name."""
        decoded: dict[str, Any] = orjson.loads(self.values)
        return decoded

    @staticmethod
    def encode(features: Mapping[str, object]) -> bytes:
        """Return features as they stand in `values`."""
        return orjson.dumps(features)


def newest_per_key(rows: Iterable[OnlineRow]) -> list[OnlineRow]:
    """Return, for each key, the row with the greatest order; of equal ones the first."""
    newest: dict[str, OnlineRow] = {}
    for row in rows:
        known = newest.get(row.key)
        if known is None or row.order > known.order:
            newest[row.key] = row
    return list(newest.values())
