"""Which part of a topic a run reads: from where to where, by instants or by offsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from headrace_ingestion.settings import KafkaConnection
from headrace_lake.topics import new_consumer
from kafka import TopicPartition
from kafka.errors import KafkaError

from headrace.shadow.errors import ShadowError

Bound = datetime | Mapping[int, int] | None
"""An instant of record timestamps, or partition → offset; None: as far as there is something."""


@dataclass(frozen=True)
class Span:
    """A part of a topic.

    Attributes:
        begins: Partition → first offset that is read.
        ends: Partition → first offset that is not; never before the beginning.
        firsts: Partition → first offset that the topic holds.
    """

    begins: Mapping[int, int]
    ends: Mapping[int, int]
    firsts: Mapping[int, int]

    @property
    def offsets(self) -> int:
        """How many offsets it has: as many records, or a few less."""
        return sum(self.ends[number] - begin for number, begin in self.begins.items())

    @property
    def text(self) -> str:
        """The span as people read it."""
        parts = [f"{number}: {begin} to {self.ends[number]}" for number, begin in self.begins.items()]
        return ", ".join(parts)


def span_of(connection: KafkaConnection, topic: str, begin: Bound, end: Bound, *, reach: Mapping[int, int]) -> Span:
    """Return a part of a topic.

    Args:
        connection: Where the brokers are.
        topic: Name of the topic.
        begin: Where it begins; what the topic does not hold any more is left out.
        end: Where it ends; the record at it is not read.
        reach: Partition → first offset behind its end at the latest; nothing of other partitions is read.

    Raises:
        ShadowError: The broker does not answer.
    """
    try:
        firsts, begins, ends = _offsets(connection, topic, begin, end)
    except KafkaError as error:
        raise ShadowError(
            f"{topic} could not be read: {error}", {"brokers": connection.bootstrap_servers}, "headrace status"
        ) from error
    ends = {number: min(offset, reach.get(number, 0)) for number, offset in ends.items()}
    begins = {number: max(offset, firsts[number]) for number, offset in begins.items()}
    ends = {number: max(offset, begins[number]) for number, offset in ends.items()}
    return Span(begins, ends, firsts)


def _offsets(
    connection: KafkaConnection, topic: str, begin: Bound, end: Bound
) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:
    consumer = new_consumer(connection, committed_only=False, poll_rows=1)
    try:
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        beginning, end_of = consumer.beginning_offsets(places), consumer.end_offsets(places)
        firsts = {place.partition: beginning[place] for place in places}
        lasts = {place.partition: end_of[place] for place in places}

        def resolved(bound: Bound, default: Mapping[int, int]) -> dict[int, int]:
            if bound is None:
                return dict(default)
            if isinstance(bound, datetime):
                at_ms = int(bound.timestamp() * 1000)
                found = consumer.offsets_for_times(dict.fromkeys(places, at_ms))
                return {place.partition: found[place].offset if found[place] else lasts[place.partition]
                        for place in places}  # fmt: skip
            # A partition that is not named is read whole.
            return {number: min(bound.get(number, offset), lasts[number]) for number, offset in default.items()}

        return firsts, resolved(begin, firsts), resolved(end, lasts)
    finally:
        consumer.close()
