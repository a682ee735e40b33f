"""Which partition a key belongs to: Kafka's default, so that every client of the topic agrees."""

from __future__ import annotations

import struct
from functools import lru_cache

_SEED = 0x9747_B28C
_M = 0x5BD1_E995
_32_BITS = 0xFFFF_FFFF


@lru_cache(maxsize=65_536)
def murmur2(data: bytes) -> int:
    """Return the MurmurHash2 of `data` as an unsigned 32-bit integer, as in Kafka's `Utils.murmur2`."""
    h = _SEED ^ len(data)
    whole = len(data) & ~3
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        k = k * _M & _32_BITS
        k = (k ^ k >> 24) * _M & _32_BITS
        h = (h * _M & _32_BITS) ^ k
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _32_BITS
    h = (h ^ h >> 13) * _M & _32_BITS
    return h ^ h >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of `key` in a topic of that many partitions, counted from 0."""
    return (murmur2(key) & 0x7FFF_FFFF) % partitions
