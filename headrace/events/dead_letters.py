"""Refused records as the lake holds them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import orjson
from headrace_ingestion.errors import closest

from headrace.events.errors import UnknownReasonError

if TYPE_CHECKING:
    from headrace_lake.catalog import Lake

SHOWN_CHARACTERS = 200

SinkReason = Literal["sink_refused", "sink_unreachable", "sink_transform"]
SINK_REASONS: tuple[SinkReason, ...] = get_args(SinkReason)
"""Why a sink could not hand over a record that its contract had taken."""

_SELECTED = """
    SELECT reason, detail, event, topic, "partition", "offset", record_timestamp, event_id, key, value, recorded_at
    FROM ops.dead_letters
    WHERE ($event IS NULL OR event = $event) AND ($reason IS NULL OR reason = $reason)
        AND ($since::TIMESTAMPTZ IS NULL OR recorded_at >= $since)
        AND ($until::TIMESTAMPTZ IS NULL OR recorded_at < $until)
"""
_NEWEST = f"""{_SELECTED}
    ORDER BY recorded_at DESC, topic, "partition", "offset" DESC
    LIMIT $count
"""
# The job and the lake writer may both have recorded a letter, when a view was added in between.
_IN_ORDER = f"""{_SELECTED}
    QUALIFY row_number() OVER (PARTITION BY topic, "partition", "offset", record_timestamp ORDER BY recorded_at) = 1
    ORDER BY topic, "partition", "offset"
"""


def check_reason(reason: str | None, reasons: Sequence[str]) -> None:
    """Do nothing where records are refused for a reason; None is any.

    Raises:
        UnknownReasonError: It is none of these reasons.
    """
    if reason is not None and reason not in reasons:
        raise UnknownReasonError(
            f"no record is refused for the reason {reason!r}",
            {"reasons": ", ".join(reasons)},
            f"--reason {closest(reason, reasons) or reasons[0]}",
        )


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which dead letters are meant; None means any.

    Attributes:
        event: Of this event.
        reason: Of this reason.
        since: Refused at this time or later; timezone-aware.
        until: Refused before this time; timezone-aware.
    """

    event: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None


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


@dataclass(frozen=True, slots=True)
class RawLetter:
    """One refused record, whole.

    Attributes:
        reason: Why it was refused.
        detail: Field, value, and what was expected.
        topic: The topic it stands on.
        partition: The partition.
        offset: The place there.
        record_timestamp: The record's timestamp, UTC.
        event_id: Its id; None when it has none.
        key: Its key.
        value: Its value.
        fields: The JSON object in its value; None when there is none.
    """

    reason: str
    detail: str | None
    topic: str
    partition: int
    offset: int
    record_timestamp: datetime | None
    event_id: str | None
    key: str | None
    value: bytes
    fields: dict[str, Any] | None

    @property
    def place(self) -> tuple[str, int, int, datetime | None]:
        """What no other record has: its place, and its time, since a topic that is made anew starts at 0."""
        return self.topic, self.partition, self.offset, self.record_timestamp

    @property
    def sent_id(self) -> str:
        """The id that it is sent again with: its own, or one made of its place, the same every time."""
        if self.event_id is not None:
            return self.event_id
        at = "" if self.record_timestamp is None else self.record_timestamp.isoformat()
        place = f"{self.topic}/{self.partition}/{self.offset}/{at}"
        return f"dead-{hashlib.sha256(place.encode()).hexdigest()[:32]}"


def dead_letters(lake: Lake, chosen: Chosen, count: int = 20) -> list[DeadLetter]:
    """Return refused records, the newest first, at most `count`."""
    rows = lake.sql(_NEWEST, {**_as_parameters(chosen), "count": count}).arrow().to_pylist()
    return [DeadLetter(**{**row, "value": _shown(row["value"])}) for row in rows]


def raw_letters(lake: Lake, chosen: Chosen) -> list[RawLetter]:
    """Return refused records with their whole values, by their places, each once."""
    found = []
    for row in lake.sql(_IN_ORDER, _as_parameters(chosen)).arrow().to_pylist():
        value = base64.b64decode(row.pop("value") or "")
        del row["event"], row["recorded_at"]
        found.append(RawLetter(**row, value=value, fields=_object_of(value)))
    return found


def _as_parameters(chosen: Chosen) -> dict[str, Any]:
    return {"event": chosen.event, "reason": chosen.reason, "since": chosen.since, "until": chosen.until}


def _object_of(value: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _shown(value: str | None) -> str:
    text = base64.b64decode(value or "").decode(errors="replace")
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
