"""Kafka's record batch, format 2: byte for byte what kafka-python writes, and readable by it."""

from typing import Any

import pytest
from headrace_ingestion.record_batches import Identity, about_bytes, batch_of, varint
from headrace_ingestion.transport import OutgoingRecord
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import encode_varint

BATCH_BYTES = 1 << 20

some_bytes = st.binary(max_size=200)
records = st.builds(
    OutgoingRecord,
    topic=st.just("events.call"),
    key=some_bytes,
    value=some_bytes | st.binary(min_size=1, max_size=3).map(lambda part: part * 3_000),
    headers=st.lists(st.tuples(st.text(max_size=70), some_bytes), max_size=4),
    timestamp_ms=st.integers(0, 253_402_300_799_999),
)
identities = st.builds(
    Identity, st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 15) - 1), st.integers(0, (1 << 31) - 1)
)


def by_the_client(some: list[OutgoingRecord], identity: Identity) -> bytes:
    builder: Any = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=3,
        is_transactional=False,
        producer_id=identity.producer_id,
        producer_epoch=identity.epoch,
        base_sequence=identity.sequence,
        batch_size=BATCH_BYTES,
    )
    for number, record in enumerate(some):
        assert builder.append(number, record.timestamp_ms, record.key, record.value, record.headers) is not None
    return bytes(builder.build())


@given(st.lists(records, min_size=1, max_size=6), identities)
def test_a_batch_is_what_the_client_writes(some: list[OutgoingRecord], identity: Identity) -> None:
    assert batch_of(some, identity) == by_the_client(some, identity)


@given(st.lists(records, min_size=1, max_size=6))
def test_a_batch_without_a_producer_is_what_the_client_writes(some: list[OutgoingRecord]) -> None:
    assert batch_of(some, Identity()) == by_the_client(some, Identity())


def test_numbers_of_more_than_a_byte_are_read_back() -> None:
    some = [
        OutgoingRecord("events.call", b"k%d" % number, b"x" * number, [("h" * 64, b"v" * 8192)], 9_000 - number)
        for number in range(130)
    ]
    (batch,) = MemoryRecords(batch_of(some, Identity(1, 2, 3)))
    assert batch.validate_crc()
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (1, 2, 3)
    assert [(r.offset, r.key, r.value, r.headers, r.timestamp) for r in batch] == [
        (number, record.key, record.value, record.headers, record.timestamp_ms) for number, record in enumerate(some)
    ]


@given(st.integers(-(1 << 62), (1 << 62) - 1))
def test_a_number_is_written_as_the_client_writes_it(number: int) -> None:
    written = bytearray()
    encode_varint(number, written.append)
    assert varint(number) == written


@pytest.mark.parametrize("count", [1, 100])
def test_the_size_that_is_reckoned_with_is_nearly_the_real_one(count: int) -> None:
    headers = [("event_id", b"e" * 36), ("contract", b"call/1"), ("traceparent", b"t" * 55)]
    some = [OutgoingRecord("events.call", b"k" * 10, bytes([number]) * 150, headers, number) for number in range(count)]
    (batch,) = MemoryRecords(batch_of(some, Identity()))
    batch._maybe_uncompress()
    # What is not compressed still has its header.
    real = len(batch._buffer) - batch._pos
    assert real <= sum(map(about_bytes, some)) <= 1.1 * real
