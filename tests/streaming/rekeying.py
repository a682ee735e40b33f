"""A rekeyer in a thread, and what a reader of whole transactions sees of a topic that it writes."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.settings import KafkaConnection
from headrace_streaming.outgoing import Turn
from headrace_streaming.rekey import Rekeyer
from kafka import KafkaConsumer, TopicPartition


@contextmanager
def rekeying(connection: KafkaConnection, turns: Mapping[str, Turn], name: str) -> Iterator[list[HeadraceError]]:
    """Run a rekeyer until the block ends; what it fails with is in the list."""
    stop, failures = threading.Event(), list[HeadraceError]()
    rekeyer = Rekeyer(connection, turns, name, f"{connection.topic_prefix}dead_letters")

    def body() -> None:
        try:
            rekeyer.run(stop)
        except HeadraceError as error:
            failures.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join(120)
    assert not thread.is_alive()


def committed(
    connection: KafkaConnection, topic: str, partitions: int, enough: Callable[[list[Any]], bool]
) -> list[Any]:
    """Return the records of a topic that a reader of whole transactions sees, once there are enough of them."""
    options = {"auto_offset_reset": "earliest", "isolation_level": "read_committed", "enable_auto_commit": False}
    consumer = KafkaConsumer(**connection.client_options(), **options)
    found: list[Any] = []
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        deadline = time.monotonic() + 150
        while not enough(found):
            assert time.monotonic() < deadline, len(found)
            for records in consumer.poll(100).values():
                found += records
        # What comes twice comes now.
        for records in consumer.poll(300).values():
            found += records
    finally:
        consumer.close()
    return found
