"""What a topic holds that its table does not have yet."""

from __future__ import annotations

from collections.abc import Iterator

from headrace_ingestion.settings import KafkaConnection
from kafka import TopicPartition

from headrace_lake.delta_table import open_for_append
from headrace_lake.offsets import recorded_offsets, table_app_id
from headrace_lake.place import Place
from headrace_lake.tables import TableSpec
from headrace_lake.topic_records import records_by_now
from headrace_lake.topics import describe_topic, new_admin, new_consumer


def unread_values(connection: KafkaConnection, lake: Place, spec: TableSpec) -> Iterator[bytes]:
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
        topic = describe_topic(admin, spec.topic)
    finally:
        admin.close()
    if topic is None:
        return
    app_ids = {TopicPartition(spec.topic, number): table_app_id(topic.id, number) for number in topic.partitions}
    recorded = recorded_offsets(open_for_append(lake, spec), app_ids.values())
    firsts = {place: recorded[app_id] for place, app_id in app_ids.items()}
    for records in records_by_now(connection, firsts, committed_only=spec.committed_only):
        yield from (record.value for record in records if record.value is not None)


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
