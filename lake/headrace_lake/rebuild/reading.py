"""A topic, from its first record to the offsets that a table has recorded, into a fresh table beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable
from headrace_ingestion.settings import KafkaConnection
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from headrace_lake.commit import Committed, commit
from headrace_lake.decode import compile_decoder
from headrace_lake.delta_table import open_for_append
from headrace_lake.errors import LakeError, LakeWriteError
from headrace_lake.offsets import OffsetRange, recorded_offsets, table_app_id
from headrace_lake.tables import TableSpec
from headrace_lake.topics import describe_topic, new_admin, new_consumer
from headrace_lake.unique import StoredKeys

BATCH_ROWS = 20_000
_POLL_MS = 500
_IDLE_POLLS = 60
"""Polls without a record after which the broker is given up: half a minute."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What of a topic stands in a table, and what the topic still has.

    Attributes:
        topic_id: UUID of the topic.
        first: Partition → first offset that the topic has.
        end: Partition → the offset that the table wants next; where there is no table, the end of the topic.
    """

    topic_id: str
    first: Mapping[int, int]
    end: Mapping[int, int]


def reach_of(connection: KafkaConnection, old: DeltaTable | None, spec: TableSpec) -> Reach | None:
    """Return how far table and topic go; None: the topic does not exist.

    Args:
        connection: Where the brokers are.
        old: The table; None: there is none.
        spec: Its declaration.

    Raises:
        LakeError: The broker does not answer.
    """
    try:
        admin = new_admin(connection)
        try:
            topic = describe_topic(admin, spec.topic)
        finally:
            admin.close()
        if topic is None:
            return None
        places = [TopicPartition(spec.topic, partition) for partition in topic.partitions]
        consumer = new_consumer(connection, committed_only=spec.committed_only, poll_rows=1)
        try:
            first, last = consumer.beginning_offsets(places), consumer.end_offsets(places)
        finally:
            consumer.close()
    except KafkaError as error:
        raise _away(connection, error) from error
    ids = {place.partition: table_app_id(topic.id, place.partition) for place in places}
    recorded = {} if old is None else recorded_offsets(old, ids.values())
    end = {
        place.partition: last[place] if old is None else recorded[ids[place.partition]] or first[place]
        for place in places
    }
    return Reach(topic.id, {place.partition: offset for place, offset in first.items()}, end)


def read_anew(
    connection: KafkaConnection,
    fresh: Path,
    spec: TableSpec,
    reach: Reach,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> None:
    """Write the rows of a topic into a table of the fresh lake, as the writer would have.

    Records that are no rows stand in the dead letters already, and are left out.

    Args:
        connection: Where the brokers are.
        fresh: Folder of the fresh lake.
        spec: The table.
        reach: How far to read.
        on_rows: Told how many rows were written in all.

    Raises:
        LakeError: The broker does not answer, or the rows could not be stored.
    """
    open_for_append(fresh, spec)
    left = {part: end for part, end in reach.end.items() if reach.first[part] < end}
    if not left:
        return
    try:
        consumer = new_consumer(connection, committed_only=spec.committed_only, poll_rows=BATCH_ROWS)
        try:
            _read(consumer, fresh, spec, reach, left, on_rows)
        finally:
            consumer.close()
    except KafkaError as error:
        raise _away(connection, error) from error


def _read(
    consumer: KafkaConsumer,
    fresh: Path,
    spec: TableSpec,
    reach: Reach,
    left: dict[int, int],
    on_rows: Callable[[int], None],
) -> None:
    decode = compile_decoder(spec)
    keys = StoredKeys(spec) if spec.unique_by else None
    starts: dict[int, int | None] = dict.fromkeys(left)
    places = {part: TopicPartition(spec.topic, part) for part in left}
    consumer.assign(list(places.values()))
    for part, place in places.items():
        consumer.seek(place, reach.first[part])
    idle = written = 0
    while left:
        batches = consumer.poll(_POLL_MS)
        idle = 0 if batches else idle + 1
        if idle > _IDLE_POLLS:
            raise LakeError(
                f"the topic {spec.topic} ends before what the table {spec.full_name} has stored",
                {"missing up to": ", ".join(f"{part}: {end}" for part, end in left.items())},
                f"headrace events tail {spec.name} --from earliest",
            )
        # The position goes over the markers of transactions, which are no records.
        ranges, records = {}, []
        for part in list(left):
            position = min(consumer.position(places[part]), left[part])
            if position > (reach.first[part] if starts[part] is None else starts[part] or 0):
                ranges[table_app_id(reach.topic_id, part)] = OffsetRange(starts[part], position)
                starts[part] = position
            records += [record for record in batches.get(places[part], ()) if record.offset < reach.end[part]]
            if position >= left[part]:
                del left[part]
                consumer.pause(places[part])
        if ranges:
            result = commit(fresh, spec, decode(records).rows, ranges, keys)
            if not isinstance(result, Committed):
                raise LakeWriteError(
                    f"somebody else writes the fresh table {spec.full_name}", {"folder": str(fresh)}, "one rebuild"
                )
            written += result.rows
            on_rows(written)


def _away(connection: KafkaConnection, error: KafkaError) -> LakeError:
    return LakeError(
        f"the topics cannot be read: {error}", {"brokers": connection.bootstrap_servers}, "headrace status"
    )
