"""When rows are written, and the records that wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace_ingestion.records import Record

from headrace_lake.errors import LakeError


@dataclass(frozen=True, slots=True)
class FlushPolicy:
    """A table is written when its oldest waiting record is this old, or when this much waits.

    Attributes:
        interval_ms: Age of the oldest record that waits.
        rows: Number of records that wait.
        bytes: Their keys and values together.
    """

    interval_ms: int = 1_000
    rows: int = 20_000
    bytes: int = 33_554_432

    def __post_init__(self) -> None:
        for name in ("interval_ms", "rows", "bytes"):
            value = getattr(self, name)
            if value < 1:
                raise LakeError(
                    f"lake.flush_{name} is {value}",
                    {"expected": "a whole number from 1"},
                    f"lake.flush_{name}: {getattr(FlushPolicy, name, 1)}",
                )

    def is_due(self, waiting: Waiting, now_ms: int) -> bool:
        """Return whether the waiting records have to be written.

        Args:
            waiting: Records of one table.
            now_ms: Monotonic time in milliseconds.
        """
        if waiting.since_ms is None:
            return False
        return now_ms - waiting.since_ms >= self.interval_ms or waiting.rows >= self.rows or waiting.bytes >= self.bytes

    def is_too_much(self, waiting: Waiting) -> bool:
        """Return whether no more may be read until these are written: four times what a commit takes."""
        return waiting.rows >= 4 * self.rows or waiting.bytes >= 4 * self.bytes


@dataclass(slots=True)
class Waiting:
    """Records of one table that have been read and not yet written.

    Attributes:
        records: Partition → its records, in order.
        next: Partition → the offset after what has been read of it.
        rows: Number of records.
        bytes: Their keys and values together.
        since_ms: Monotonic time at which the oldest came; None when none waits.
    """

    records: dict[int, list[Record]] = field(default_factory=dict)
    next: dict[int, int] = field(default_factory=dict)
    rows: int = 0
    bytes: int = 0
    since_ms: int | None = None

    def add(self, partition: int, records: list[Record], next_offset: int, now_ms: int) -> None:
        """Take records of one partition, up to and without `next_offset`, at the monotonic time `now_ms`."""
        self.records.setdefault(partition, []).extend(records)
        self.next[partition] = next_offset
        self.rows += len(records)
        self.bytes += sum(len(record.value or b"") + len(record.key or b"") for record in records)
        if self.since_ms is None:
            self.since_ms = now_ms

    def all_records(self) -> list[Record]:
        """Return the records, partition after partition."""
        return [record for partition in sorted(self.records) for record in self.records[partition]]

    def next_offsets(self) -> Mapping[int, int]:
        """Return partition → the offset after what waits of it."""
        return dict(self.next)

    def clear(self) -> None:
        """Forget all records."""
        self.records.clear()
        self.next.clear()
        self.rows = self.bytes = 0
        self.since_ms = None
