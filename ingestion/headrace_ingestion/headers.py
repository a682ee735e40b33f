"""The three headers of an event: `event_id`, `contract`, `traceparent`."""

from __future__ import annotations

import re
from functools import lru_cache

from headrace_ingestion.records import Headers

EVENT_ID = "event_id"
CONTRACT = "contract"
TRACEPARENT = "traceparent"

_LONGEST_ID = 128
_CONTRACT_FORM = re.compile(r"[a-z][a-z0-9_]*/[1-9][0-9]*")
_TRACEPARENT_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def is_event_id(text: str) -> bool:
    """Return whether `text` can identify an event: 1 to 128 printable ASCII characters."""
    return 0 < len(text) <= _LONGEST_ID and text.isascii() and text.isprintable()


def is_traceparent(text: str) -> bool:
    """Return whether `text` is a W3C trace context: version, trace id, span id, flags."""
    return _TRACEPARENT_FORM.fullmatch(text) is not None


def event_headers(headers: Headers) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Return the values of `event_id`, `contract` and `traceparent`; None where a header is absent or has no value."""
    event_id = contract = trace = None
    for name, value in headers:
        if name == EVENT_ID:
            event_id = value
        elif name == CONTRACT:
            contract = value
        elif name == TRACEPARENT:
            trace = value
    return event_id, contract, trace


def read_event_id(value: bytes) -> str | None:
    """Return the event id in a header, or None when it is none."""
    text = value.decode("latin-1")
    return text if is_event_id(text) else None


@lru_cache(maxsize=256)  # nearly all records of a topic have the same
def read_contract(value: bytes, event: str) -> str | None:
    """Return the `<event>/<version>` in a header, or None when it names none of this event."""
    text = value.decode("latin-1")
    return text if text.startswith(f"{event}/") and _CONTRACT_FORM.fullmatch(text) else None


def read_trace(value: bytes) -> str | None:
    """Return the W3C trace context in a header, or None when it is malformed."""
    text = value.decode("latin-1")
    return text if _TRACEPARENT_FORM.fullmatch(text) else None
