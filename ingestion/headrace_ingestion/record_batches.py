"""Kafka's record batch, format 2: records in, the bytes of a produce request out. Knows no client library.

The format is that of https://kafka.apache.org/documentation/#recordbatch; tests hold what is written here to what
kafka-python writes, byte for byte.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import crc32c
import lz4.frame

from headrace_ingestion.transport import OutgoingRecord

_HEADER = struct.Struct(">qiibIhiqqqhii")
_CHECKED = struct.Struct(">hiqqqhii")
"""The part of the header behind the checksum, which covers it and the records."""
_BEFORE_LENGTH_BYTES = 12
_FORMAT = 2
_LZ4 = 3
_RECORD_BYTES = 16
_HEADER_BYTES = 2


class Identity(NamedTuple):
    """By what a broker knows a batch again that it has already stored; -1: by nothing."""

    producer_id: int = -1
    epoch: int = -1
    sequence: int = -1


def about_bytes(record: OutgoingRecord) -> int:
    """Return about how many bytes the record takes in a batch that is not compressed."""
    _, key, value, headers, _ = record
    size = len(key) + len(value) + _RECORD_BYTES
    for name, header in headers:
        size += len(name) + len(header) + _HEADER_BYTES
    return size


def batch_of(records: Sequence[OutgoingRecord], identity: Identity) -> bytes:
    """Return the batch of the records, compressed with lz4 where that makes it smaller.

    Args:
        records: One or more of one partition, in their order.
        identity: Of the producer, with the sequence number of the first record.
    """
    times_ms = [record.timestamp_ms for record in records]
    data = _joined(records, times_ms[0])
    attributes = 0
    # Brokers and consumers in Java read independent blocks only.
    compressed = lz4.frame.compress(data, block_linked=False)
    if len(compressed) < len(data):
        data, attributes = compressed, _LZ4
    count = len(records)
    checked = _CHECKED.pack(attributes, count - 1, times_ms[0], max(times_ms), *identity, count)
    checksum = crc32c.crc32c(data, crc32c.crc32c(checked))
    length = _HEADER.size - _BEFORE_LENGTH_BYTES + len(data)
    # The broker writes the offset of the first record and the epoch of its leader.
    return struct.pack(">qiibI", 0, length, 0, _FORMAT, checksum) + checked + data


def _joined(records: Sequence[OutgoingRecord], first_ms: int) -> bytes:
    joined = bytearray()
    for number, (_, key, value, headers, timestamp_ms) in enumerate(records):
        parts = [
            b"\0",
            varint(timestamp_ms - first_ms),
            varint(number),
            varint(len(key)),
            key,
            varint(len(value)),
            value,
            varint(len(headers)),
        ]
        for name, header in headers:
            parts += (_name(name), varint(len(header)), header)
        body = b"".join(parts)
        joined += varint(len(body))
        joined += body
    return bytes(joined)


@lru_cache(maxsize=8192)
def varint(number: int) -> bytes:
    """Return a number of 64 bits as Kafka writes it: the sign in the lowest bit, then seven bits a byte, lowest first.

    >>> varint(-1).hex(), varint(64).hex()
    ('01', '8001')
    """
    rest = (number << 1) ^ (number >> 63)
    found = bytearray()
    while rest > 0x7F:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    found.append(rest)
    return bytes(found)


@lru_cache(maxsize=256)
def _name(name: str) -> bytes:
    text = name.encode()
    return varint(len(text)) + text
