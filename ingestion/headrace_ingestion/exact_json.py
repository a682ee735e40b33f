"""JSON read slowly and exactly, for the few records that orjson cannot decide.

orjson refuses numbers beyond a double (headrace calls them out of range, not unreadable) and reads integers beyond
64 bits as doubles (which hides whether a fraction was written).
"""

from __future__ import annotations

import json
import re
from typing import Any

MOST_LEVELS = 500
"""Most objects and lists within each other, the outermost one counted: the limit of every reader of the wire format."""
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_LONGEST_INTEGER = 400
_BEYOND: int = 10**_LONGEST_INTEGER


class WrittenFloat(float):
    """A number that was written with a fraction or an exponent; infinite when it is beyond a double."""


def read_exactly(text: str) -> Any:
    """Return the JSON value: integers as int whatever their length, other numbers as `WrittenFloat`.

    Raises:
        ValueError: `text` is not JSON (RFC 8259), has NaN or Infinity, a lone surrogate, or more than 500 levels.
    """
    # Looked for in the text: what a later member of the same name replaces counts, too.
    if text.count("[") + text.count("{") > MOST_LEVELS and _levels(text) > MOST_LEVELS:
        raise ValueError(f"more than {MOST_LEVELS} levels")
    replaced: list[Any] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            # Of equal names the last one counts, and yet all that stands there has to be JSON.
            replaced.extend(value for _, value in pairs)
        return found

    try:
        value = json.loads(
            text,
            parse_int=_integer,
            parse_float=WrittenFloat,
            parse_constant=_refuse_constant,
            object_pairs_hook=members,
        )
    except RecursionError as error:
        raise ValueError("more levels than can be read") from error
    _check(value)
    for one in replaced:
        _check(one)
    return value


def may_be_deep(value: bytes) -> bool:
    """Return whether a text may have more levels than are read; quick, and now and then wrong in saying so."""
    return value.count(b"[") + value.count(b"{") > MOST_LEVELS


def _integer(digits: str) -> int:
    # Python refuses to convert very long ones; beyond every type is all that matters here.
    if len(digits) > _LONGEST_INTEGER:
        return -_BEYOND if digits.startswith("-") else _BEYOND
    return int(digits)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _levels(text: str) -> int:
    depth = most = 0
    for token in _TOKENS.finditer(text):
        mark = token.group()[0]
        if mark in "[{":
            depth += 1
            most = max(most, depth)
        elif mark in "]}":
            depth -= 1
    return most


def _check(top: Any) -> None:
    waiting = [top]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            value.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
        elif isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
