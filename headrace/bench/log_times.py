"""When the rows of a topic were written, by the broker's clock: the topic stamps each record as it is appended."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace_ingestion.settings import KafkaConnection

from headrace.bench.errors import BenchError

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition

_POLL_MS = 500
_POLLS = 20
# Markers of transactions stand between the rows and behind the last one.
_TAIL_OFFSETS = 300


@dataclass(frozen=True)
class Interval:
    """The measured part of a run.

    Attributes:
        begin_ms: When the share of rows that is left out had been written; milliseconds since 1970.
        end_ms: When the last row was written.
        rows: Rows written from `begin_ms` to `end_ms`.
    """

    begin_ms: int
    end_ms: int
    rows: int

    @property
    def seconds(self) -> float:
        """Length of the interval, at least a millisecond."""
        return max(self.end_ms - self.begin_ms, 1) / 1000


def measured_interval(connection: KafkaConnection, topic: str, rows: int, warm_up: float) -> Interval:
    """Return the interval in which the rows of a finished run were written, but for the first share of them.

    Args:
        connection: The broker.
        topic: Topic of the rows, stamped with the append time. One run has written it.
        rows: How many rows the run owes.
        warm_up: Share of the rows that is left out: 0.1 leaves out the first tenth.

    Raises:
        BenchError: The topic holds fewer rows.
    """
    with _consumer(connection, topic) as (consumer, partitions):
        ends = consumer.end_offsets(partitions)
        written = sum(ends.values())
        if written < rows:
            raise BenchError(f"{topic} holds {written} of {rows} rows", {"brokers": connection.bootstrap_servers}, None)
        first_ms = _first_timestamp(consumer, partitions)
        last_ms = _last_timestamp(consumer, partitions, ends)
        left_out = round(rows * warm_up)
        begin_ms = _instant_of(consumer, ends, left_out, first_ms, last_ms)
        # Everything of one batch has one timestamp: count what really stands before the instant.
        before = _written_before(consumer, ends, begin_ms)
        return Interval(begin_ms, last_ms, rows - before)


def first_record(connection: KafkaConnection, topic: str) -> bytes | None:
    """Return the value of a first record of the topic, or None when it has none, whatever its offsets say.

    Markers of transactions take offsets, too: each transaction leaves one in every partition that it has named.
    """
    with _consumer(connection, topic) as (consumer, partitions):
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        for _ in range(_POLLS):
            for records in consumer.poll(_POLL_MS).values():
                return records[0].value or b""
            if all(consumer.position(each) >= end for each, end in ends.items()):
                break
    return None


@contextmanager
def _consumer(connection: KafkaConnection, topic: str) -> Iterator[tuple["KafkaConsumer", list["TopicPartition"]]]:
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(**connection.client_options(), enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        yield consumer, partitions
    finally:
        consumer.close()


def _written_before(consumer: "KafkaConsumer", ends: dict["TopicPartition", int], at_ms: int) -> int:
    found = consumer.offsets_for_times(dict.fromkeys(ends, at_ms))
    return sum(ends[each] if place is None else place.offset for each, place in found.items())


def _instant_of(
    consumer: "KafkaConsumer", ends: dict["TopicPartition", int], rows: int, first_ms: int, last_ms: int
) -> int:
    """Return the first millisecond before which at least `rows` rows had been written."""
    low, high = first_ms, last_ms
    while low < high:
        middle = (low + high) // 2
        if _written_before(consumer, ends, middle) >= rows:
            high = middle
        else:
            low = middle + 1
    return low


def _first_timestamp(consumer: "KafkaConsumer", partitions: list["TopicPartition"]) -> int:
    consumer.seek_to_beginning(*partitions)
    return min(_timestamps(consumer, len(partitions)))


def _last_timestamp(
    consumer: "KafkaConsumer", partitions: list["TopicPartition"], ends: dict["TopicPartition", int]
) -> int:
    for each in partitions:
        consumer.seek(each, max(0, ends[each] - _TAIL_OFFSETS))
    return max(_timestamps(consumer, len(partitions), ends))


def _timestamps(
    consumer: "KafkaConsumer", partitions: int, ends: dict["TopicPartition", int] | None = None
) -> list[int]:
    """Return timestamps of records from where the consumer stands; with `ends`, of all up to there."""
    found: list[int] = []
    seen: set[TopicPartition] = set()
    for _ in range(_POLLS):
        for each, records in consumer.poll(_POLL_MS).items():
            seen.add(each)
            found += [record.timestamp for record in records]
        arrived = all(consumer.position(each) >= end for each, end in ends.items()) if ends else len(seen) == partitions
        if arrived:
            break
    if not found:
        raise BenchError("a topic of results has no rows", {"partitions": str(partitions)}, None)
    return found
