"""One record as it stands in a spool: its length, a checksum, and what goes to the broker."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from headrace_ingestion.transport import OutgoingRecord

_FRAME = struct.Struct("<II")
_HEAD = struct.Struct("<qHIIH")
_HEADER = struct.Struct("<HI")


def pack(record: OutgoingRecord) -> bytes:
    """Return the record with its frame: length and CRC-32 of what follows, both 32 bits."""
    topic = record.topic.encode()
    head = _HEAD.pack(record.timestamp_ms, len(topic), len(record.key), len(record.value), len(record.headers))
    parts = [head, topic, record.key, record.value]
    for name, value in record.headers:
        text = name.encode()
        parts += [_HEADER.pack(len(text), len(value)), text, value]
    body = b"".join(parts)
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def unpack_all(data: bytes, start: int) -> Iterator[tuple[OutgoingRecord, int]]:
    """Yield each whole record from `start` on, with the place behind it; ends at the first that is torn or damaged."""
    place = start
    while place + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, place)
        end = place + _FRAME.size + length
        body = data[place + _FRAME.size : end]
        # A file that was made longer and never written is zeros: length 0 with the checksum of nothing.
        if length < _HEAD.size or len(body) < length or zlib.crc32(body) != checksum:
            return
        yield _unpack(body), end
        place = end


def _unpack(body: bytes) -> OutgoingRecord:
    timestamp_ms, topic_size, key_size, value_size, count = _HEAD.unpack_from(body)
    at = _HEAD.size

    def take(size: int) -> bytes:
        nonlocal at
        at += size
        return body[at - size : at]

    topic, key, value = take(topic_size), take(key_size), take(value_size)
    headers = []
    for _ in range(count):
        name_size, size = _HEADER.unpack(take(_HEADER.size))
        headers.append((take(name_size).decode(), take(size)))
    return OutgoingRecord(topic.decode(), key, value, headers, timestamp_ms)
