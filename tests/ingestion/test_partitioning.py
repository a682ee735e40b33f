"""The partition of a key: the same for every client of a topic."""

import pytest
from headrace_ingestion.partitioning import murmur2, partition_of
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as murmur2_of_the_client


@pytest.mark.parametrize(
    ("data", "signed"),
    # From the test of Kafka's own Utils.murmur2.
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_kafka(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed & 0xFFFF_FFFF


@given(st.binary(max_size=64))
def test_the_hash_is_that_of_the_client(data: bytes) -> None:
    assert murmur2(data) == murmur2_of_the_client(data)
    assert 0 <= partition_of(data, 7) < 7
