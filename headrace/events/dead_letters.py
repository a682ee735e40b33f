"""Refused records as the lake holds them."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace_lake.catalog import Lake

SHOWN_CHARACTERS = 200

_QUERY = """
    SELECT reason, detail, event, topic, "partition", "offset", record_timestamp, event_id, key, value, recorded_at
    FROM ops.dead_letters
    WHERE ($event IS NULL OR event = $event) AND ($reason IS NULL OR reason = $reason)
    ORDER BY recorded_at DESC, topic, "partition", "offset" DESC
    LIMIT $count
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused record.

    Attributes:
        reason: Why it was refused.
        detail: Field, value, and what was expected.
        event: The event it was sent as.
        topic: The topic it stands on.
        partition: The partition.
        offset: The place there.
        record_timestamp: The record's timestamp, UTC.
        event_id: Its id; None when it has none.
        key: Its key.
        value: The first characters of its value; bytes that are not UTF-8 are shown as `�`.
        recorded_at: When it was refused, UTC.
    """

    reason: str
    detail: str | None
    event: str | None
    topic: str
    partition: int
    offset: int
    record_timestamp: datetime | None
    event_id: str | None
    key: str | None
    value: str
    recorded_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain data."""
        return asdict(self)


def dead_letters(lake: Lake, event: str | None = None, reason: str | None = None, count: int = 20) -> list[DeadLetter]:
    """Return refused records, the newest first.

    Args:
        lake: The lake.
        event: Of this event alone.
        reason: Of this reason alone.
        count: Most records.
    """
    rows = lake.sql(_QUERY, {"event": event, "reason": reason, "count": count}).arrow().to_pylist()
    return [DeadLetter(**{**row, "value": _shown(row["value"])}) for row in rows]


def _shown(value: str | None) -> str:
    text = base64.b64decode(value or "").decode(errors="replace")
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
