"""Looking for events on a topic by their ids."""

from __future__ import annotations

from datetime import datetime

from headrace_ingestion.codec import compile_parser
from headrace_ingestion.contract import Contract
from headrace_ingestion.kafka_errors import delivery_error
from headrace_ingestion.records import Parsed
from headrace_ingestion.settings import KafkaConnection

_POLL_MS = 500


def find_sent(
    connection: KafkaConnection, contract: Contract, ids: set[str], since: datetime, wait_seconds: float
) -> set[str]:
    """Return those of the ids that a record of the event's topic has, among records that the contract takes.

    Args:
        connection: The brokers.
        contract: The event.
        ids: Event ids.
        since: Records with an earlier timestamp are left out; timezone-aware.
        wait_seconds: How long a broker may take to answer.

    Raises:
        DeliveryError: No broker answers, or there is no such topic.
    """
    from kafka import KafkaConsumer, TopicPartition
    from kafka.errors import KafkaError

    topic = contract.topic(connection.topic_prefix)
    parse = compile_parser(contract)
    found: set[str] = set()
    consumer = None
    try:
        consumer = KafkaConsumer(
            **connection.client_options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=round(wait_seconds * 1000),
            allow_auto_create_topics=False,
        )
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        begins = consumer.offsets_for_times(dict.fromkeys(places, round(since.timestamp() * 1_000)))
        for place in places:
            at = begins.get(place)
            consumer.seek(place, ends[place] if at is None else at.offset)
        while any(consumer.position(place) < end for place, end in ends.items()):
            for records in consumer.poll(timeout_ms=_POLL_MS).values():
                for record in records:
                    answer = parse(record)
                    if isinstance(answer, Parsed) and answer.event_id in ids:
                        found.add(answer.event_id)
    except KafkaError as error:
        raise delivery_error(error, connection.bootstrap_servers, topic) from error
    finally:
        if consumer is not None:
            consumer.close()
    return found
