"""A record that went no further, as the dead letter that its topic takes; docs/wire-format.md has the form."""

from __future__ import annotations

import base64
from typing import Any

from headrace_ingestion.records import Record

from headrace_lake.decode import key_text

LARGEST_VALUE_BYTES = 700_000
"""In base 64, and in a letter, more would be too large for the topic."""

LARGEST_KEY_BYTES = 8_192
"""A key stands in a letter and beside it."""


def dead_letter(
    record: Record, reason: str, detail: str, *, event: str, event_id: str | None, key: bytes | None, now_ms: int
) -> dict[str, Any]:
    """Return the fields of a dead letter, never more than the topic takes: it says where the record stands.

    Args:
        record: What went no further.
        reason: Why, in a word.
        detail: Why, in a sentence.
        event: What it is a letter of: the event's name, or `sinks.<name>`.
        event_id: The id of the event; None when nobody knows it.
        key: The Kafka key.
        now_ms: The time of day, in milliseconds since 1970.
    """
    value = record.value or b""
    is_kept, is_key_kept = len(value) <= LARGEST_VALUE_BYTES, len(key or b"") <= LARGEST_KEY_BYTES
    lacking = " and ".join(["key"] * (not is_key_kept) + ["value"] * (not is_kept))
    return {
        "reason": reason,
        "detail": f"{detail} (too large to be kept here: the {lacking})" if lacking else detail,
        "event": event,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "record_timestamp_ms": record.timestamp if record.timestamp >= 0 else None,
        "event_id": event_id,
        "key": key_text(key) if is_key_kept else None,
        "value": base64.b64encode(value).decode("ascii") if is_kept else None,
        "recorded_at_ms": now_ms,
    }


def letter_key(letter: dict[str, Any], key: bytes | None) -> bytes | None:
    """Return the Kafka key of a letter itself: the record's, unless that was too large to be kept."""
    return None if letter["key"] is None else key
