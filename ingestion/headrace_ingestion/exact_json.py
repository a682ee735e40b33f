"""JSON read slowly and exactly, for the few records that orjson cannot decide.

orjson refuses numbers beyond a double (headrace calls them out of range, not unreadable) and reads integers beyond
64 bits as doubles (which hides whether a fraction was written).
"""

from __future__ import annotations

import json
from typing import Any

_MAX_DEPTH = 1000
_LONGEST_INTEGER = 400
_BEYOND: int = 10**_LONGEST_INTEGER


class WrittenFloat(float):
    """A number that was written with a fraction or an exponent; infinite when it is beyond a double."""


def read_exactly(text: str) -> Any:
    """Return the JSON value: integers as int whatever their length, other numbers as `WrittenFloat`.

    Raises:
        ValueError: `text` is not JSON (RFC 8259), has NaN or Infinity, a lone surrogate, or more than 1,000 levels.
    """
    try:
        value = json.loads(text, parse_int=_integer, parse_float=WrittenFloat, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("more levels than can be read") from error
    _check(value)
    return value


def _integer(digits: str) -> int:
    # Python refuses to convert very long ones; beyond every type is all that matters here.
    if len(digits) > _LONGEST_INTEGER:
        return -_BEYOND if digits.startswith("-") else _BEYOND
    return int(digits)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _check(top: Any) -> None:
    level = [top]
    for _ in range(_MAX_DEPTH + 1):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                value.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
            elif isinstance(value, dict):
                below.extend(value)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        if not below:
            return
        level = below
    raise ValueError("more than 1,000 levels")
