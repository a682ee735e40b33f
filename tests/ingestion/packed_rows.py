"""Feature rows in binary, written as docs/wire-format.md says and as simply as can be."""

import json
import struct
from collections.abc import Mapping
from typing import Any

_SLOTS = {"d": "<d", "q": "<q", "i": "<i", "b": "<?", "s": "<I"}
_LETTERS = {str: "s", bool: "b", int: "q", float: "d"}
_CONSTANTS = ("revision", "declaration")


def packed(row: Mapping[str, Any], **types: str) -> bytes:
    """Return the row in binary; `types` are the letters of values that are null or not of the usual type."""
    values = {name: value for name, value in row.items() if name not in _CONSTANTS}
    letters = {name: types.get(name) or _LETTERS[type(value)] for name, value in values.items()}
    constants = {name: row[name] for name in _CONSTANTS}
    layout = json.dumps({"constants": constants, "fields": letters}).encode()
    bits = sum(1 << index for index, value in enumerate(values.values()) if value is None)
    slots = texts = b""
    for name, value in values.items():
        if letters[name] == "s":
            text = (value or "").encode()
            texts += text
            value = len(text)
        slots += struct.pack(_SLOTS[letters[name]], 0 if value is None else value)
    marks = bits.to_bytes((len(values) + 7) // 8, "little")
    return struct.pack("<BBI", 0xB1, 1, len(layout)) + layout + marks + slots + texts
