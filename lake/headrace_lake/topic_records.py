"""The records that a topic holds by now, once through: without a group, without waiting for those to come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.settings import KafkaConnection
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from headrace_lake.decode import compile_decoder
from headrace_lake.tables import TableSpec
from headrace_lake.topics import new_consumer

_POLL_MS = 500
_POLL_ROWS = 5_000
_SILENCE_SECONDS = 30


class UnreadableTopicError(HeadraceError):
    """A topic of rows holds a record that is none."""


def records_by_now(
    connection: KafkaConnection, firsts: Mapping[TopicPartition, int | None], *, committed_only: bool
) -> Iterator[list[Any]]:
    """Yield the records of partitions up to their present end, in pieces of one partition each.

    Offsets alone do not tell whether there are any: those behind the last record may be markers of transactions.

    Args:
        connection: Where the brokers are.
        firsts: Partition → offset to begin at; None, and what is no longer there: the beginning.
        committed_only: Leave out records of open and aborted transactions.

    Raises:
        KafkaError: The broker does not answer.
    """
    consumer = new_consumer(connection, committed_only=committed_only, poll_rows=_POLL_ROWS)
    try:
        places = list(firsts)
        consumer.assign(places)
        beginning, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, max(firsts[place] or 0, beginning[place]))
        yield from _read(consumer, end)
    finally:
        consumer.close()


def _read(consumer: KafkaConsumer, end: Mapping[TopicPartition, int]) -> Iterator[list[Any]]:
    positions, heard = None, time.monotonic()
    while any(consumer.position(place) < last for place, last in end.items()):
        yield from consumer.poll(_POLL_MS).values()
        # A broker that has gone away is no error to this client: it waits for ever.
        if positions != (positions := [consumer.position(place) for place in end]):
            heard = time.monotonic()
        elif time.monotonic() - heard > _SILENCE_SECONDS:
            topics = ", ".join(sorted({place.topic for place in end}))
            raise KafkaTimeoutError(f"nothing came from {topics} for {_SILENCE_SECONDS} s")


def rows_by_now(connection: KafkaConnection, spec: TableSpec, partitions: int) -> Iterator[pa.Table]:
    """Yield the rows that stand in the topic of a table by now, each committed.

    Args:
        connection: Where the brokers are.
        spec: The table.
        partitions: Number of partitions of its topic.

    Raises:
        KafkaError: The broker does not answer.
        UnreadableTopicError: A record is no row of the table.
    """
    decode = compile_decoder(spec)
    firsts = {TopicPartition(spec.topic, number): None for number in range(partitions)}
    for records in records_by_now(connection, firsts, committed_only=True):
        rows, refused = decode(records)
        if refused:
            first = refused[0]
            raise UnreadableTopicError(
                f"the topic {spec.topic} holds a record that is no row of {spec.full_name}: {first.detail}",
                {"partition": str(first.record.partition), "offset": str(first.record.offset)},
                f"headrace events tail {spec.topic}",
            )
        if rows.num_rows:
            yield rows
