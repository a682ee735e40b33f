"""Values of the records of a feature topic, in JSON or in binary; `docs/wire-format.md` describes both.

A binary row begins with its layout, the names and types of its fields, so that it can be read without its declaration.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import orjson

Encoding = Literal["json", "binary"]
"""How the values of a feature topic are written."""

_MARK: Final = 0xB1
"""First byte of a binary row: no JSON begins with it."""
_VERSION: Final = 1
_LEAD: Final = struct.Struct("<BBI")
_LETTERS: Final = {"double": "d", "long": "q", "timestamp": "q", "int": "i", "bool": "b", "string": "s", "enum": "s"}
_SLOTS: Final = {"d": "d", "q": "q", "i": "i", "b": "?", "s": "I"}
_MOST_LAYOUTS: Final = 256
"""Layouts and patterns of nulls that are remembered: a topic has one for each declaration that it has seen."""

_Read = Callable[[bytes], dict[str, Any]]


class FeatureRowError(ValueError):
    """A value is no feature row; its text says why."""


def layout_of(view_key: str, key_type: str, declaration: str, features: Mapping[str, str]) -> str:
    """Return the layout of the rows of a view, as the job writes it before each of them.

    Args:
        view_key: Name of the view's key.
        key_type: Its contract type.
        declaration: The hash of the declaration.
        features: Name → type of each feature, in the order of a row.
    """
    fields = {
        "event_id": "string", view_key: key_type, "event_time_ms": "long", "clock_ms": "long", "generation": "long",
        "source_partition": "int", "source_offset": "long", "ingested_at_ms": "long", "emitted_at_ms": "long",
        **features,
    }  # fmt: skip
    letters = {name: _LETTERS[type_] for name, type_ in fields.items()}
    layout = {"constants": {"revision": 0, "declaration": declaration}, "fields": letters}
    return json.dumps(layout, separators=(",", ":"))


def read_feature_row(value: bytes | None) -> dict[str, Any]:
    """Return the fields of a feature row by name, whichever encoding it has.

    Raises:
        FeatureRowError: There is no value, or it is neither a JSON object nor a whole binary row.
    """
    if not value:
        raise FeatureRowError("the record has no value")
    if value[0] == _MARK:
        return _read_binary(value)
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise FeatureRowError("the value is not JSON") from None
    if type(fields) is not dict:
        raise FeatureRowError("the value is not a JSON object")
    return fields


def _read_nothing(value: bytes) -> dict[str, Any]:
    raise FeatureRowError("the value is no binary row")


_readers: dict[bytes, _Read] = {}
_newest: tuple[bytes, _Read] = (b"\0", _read_nothing)
"""Beginning of the rows that were read last, up to the end of their layout, and what reads them."""


def _read_binary(value: bytes) -> dict[str, Any]:
    global _newest
    # Most rows have the layout of the one before: to compare is faster than to find.
    if value.startswith(_newest[0]):
        return _newest[1](value)
    try:
        _, version, length = _LEAD.unpack_from(value)
    except struct.error:
        raise FeatureRowError(f"the binary row ends after {len(value)} bytes, within its beginning") from None
    if version != _VERSION:
        raise FeatureRowError(f"the binary row has the format {version}, expected {_VERSION}")
    layout = value[_LEAD.size : _LEAD.size + length]
    read = _readers.get(layout)
    if read is None:
        read = _compile(layout)
        if len(_readers) >= _MOST_LAYOUTS:
            _readers.clear()
        _readers[layout] = read
    _newest = (value[: _LEAD.size + length], read)
    return read(value)


def _compile(layout: bytes) -> _Read:
    names, letters, constants = _parse(layout)
    null_bytes = (len(names) + 7) // 8
    nulls_at = _LEAD.size + len(layout)
    slots = struct.Struct("<" + "".join(_SLOTS[letter] for letter in letters))
    slots_at = nulls_at + null_bytes
    texts_at = slots_at + slots.size
    texts = tuple(index for index, letter in enumerate(letters) if letter == "s")
    no_nulls = bytes(null_bytes)
    all_names = (*names, *constants)
    fixed = tuple(constants.values())
    patterns: dict[bytes, tuple[int, ...]] = {}

    def nulls_of(marks: bytes) -> tuple[int, ...]:
        found = patterns.get(marks)
        if found is None:
            if len(patterns) >= _MOST_LAYOUTS:
                patterns.clear()
            found = patterns[marks] = tuple(i for i in range(len(names)) if marks[i >> 3] >> (i & 7) & 1)
        return found

    def read(value: bytes) -> dict[str, Any]:
        if len(value) < texts_at:
            raise FeatureRowError(
                f"the binary row has {len(value)} bytes, its layout asks for {texts_at} and its texts"
            )
        values: list[Any] = [*slots.unpack_from(value, slots_at), *fixed]
        at = texts_at
        try:
            for index in texts:
                end = at + values[index]
                values[index] = value[at:end].decode()
                at = end
        except UnicodeDecodeError:
            raise FeatureRowError(f"the text of {names[index]!r} is not UTF-8") from None
        if at != len(value):
            raise FeatureRowError(f"the binary row has {len(value)} bytes, its layout and its texts ask for {at}")
        marks = value[nulls_at:slots_at]
        if marks != no_nulls:
            for index in nulls_of(marks):
                values[index] = None
        return dict(zip(all_names, values, strict=True))

    return read


def _parse(layout: bytes) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, Any]]:
    try:
        found = orjson.loads(layout)
        fields, constants = found["fields"], found["constants"]
        letters = tuple(fields.values())
        if type(constants) is not dict or not set(letters) <= _SLOTS.keys():
            raise TypeError
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise FeatureRowError("the binary row has no layout that can be read") from None
    return tuple(fields), letters, constants
