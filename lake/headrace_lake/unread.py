"""What a topic holds that its table does not have yet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from headrace_ingestion.settings import KafkaConnection
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from headrace_lake.delta_table import open_for_append
from headrace_lake.offsets import recorded_offsets, table_app_id
from headrace_lake.tables import TableSpec
from headrace_lake.topics import describe_topics, new_admin, new_consumer

_POLL_MS = 500
_POLL_ROWS = 5_000
_SILENCE_SECONDS = 30


def unread_values(connection: KafkaConnection, lake: Path, spec: TableSpec) -> Iterator[bytes]:
    """Yield the values of the records that stand in the topic by now and not yet in the table.

    Offsets alone do not tell: those behind the last record may be markers of transactions.

    Args:
        connection: Where the brokers are.
        lake: Folder of the lake.
        spec: The table.

    Raises:
        KafkaError: The broker does not answer.
        LakeError: The table cannot be read.
    """
    admin = new_admin(connection)
    try:
        topic = describe_topics(admin, [spec.topic]).get(spec.topic)
    finally:
        admin.close()
    if topic is None:
        return
    app_ids = {TopicPartition(spec.topic, number): table_app_id(topic.id, number) for number in topic.partitions}
    recorded = recorded_offsets(open_for_append(lake, spec), app_ids.values())
    consumer = new_consumer(connection, committed_only=spec.committed_only, poll_rows=_POLL_ROWS)
    try:
        places = list(app_ids)
        consumer.assign(places)
        first, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, max(recorded[app_ids[place]] or 0, first[place]))
        positions, heard = None, time.monotonic()
        while any(consumer.position(place) < end[place] for place in places):
            for records in consumer.poll(_POLL_MS).values():
                yield from (record.value for record in records if record.value is not None)
            # A broker that has gone away is no error to this client: it waits for ever.
            if positions != (positions := [consumer.position(place) for place in places]):
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENCE_SECONDS:
                raise KafkaTimeoutError(f"nothing came from {spec.topic} for {_SILENCE_SECONDS} s")
    finally:
        consumer.close()


def has_open_transaction(connection: KafkaConnection, topic: str) -> bool:
    """Return whether records of a topic wait for a transaction to end: what stands behind them nobody can read yet.

    Raises:
        KafkaError: The broker does not answer.
    """
    ends = []
    for committed_only in (False, True):
        consumer = new_consumer(connection, committed_only=committed_only, poll_rows=1)
        try:
            places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
            ends.append(consumer.end_offsets(places))
        finally:
            consumer.close()
    return bool(ends[0] != ends[1])
