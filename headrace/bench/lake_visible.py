"""How long after `send` SQL sees an event: a real broker, the SDK, the lake writer with its defaults, and queries."""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from headrace_ingestion import Producer
from headrace_ingestion.contract import Contract
from headrace_ingestion.settings import KafkaConnection

from headrace.bench.errors import BenchError

if TYPE_CHECKING:
    from headrace_lake.catalog import Lake

_LONGEST_SECONDS = 60.0
_READY_SECONDS = 60.0
# Queries all the time would take the core from the writer.
_REST_SECONDS = 0.01


def visible_ms(folder: Path, contract: Contract, events: int) -> list[float]:
    """Return the delays of events that are sent one after the other, in milliseconds.

    Args:
        folder: Holds the broker and the lake.
        contract: Contract of the events.
        events: How many.

    Raises:
        BenchError: The writer did not become ready, or an event was not seen in a minute.
    """
    from headrace_lake.catalog import Lake
    from headrace_lake.tables import events_table
    from headrace_lake.writer import LakeWriter

    from headrace.stack.broker import local_broker
    from headrace.stack.topics import TopicSpec, ensure_topics

    lake, spec = folder / "visible", events_table(contract)
    stop, ready = threading.Event(), threading.Event()
    with local_broker(folder / "broker") as broker:
        connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
        ensure_topics(connection, {spec.topic: TopicSpec(partitions=1)})
        writer = LakeWriter(connection, lake, [spec])
        thread = threading.Thread(target=writer.run, args=(stop, ready.set), name="bench-lake-writer")
        thread.start()
        try:
            if not ready.wait(_READY_SECONDS):
                raise BenchError(
                    "the lake writer did not become ready", {"waited": f"{_READY_SECONDS:g} s"}, "free a core"
                )
            with Producer(contract, connection) as producer:
                reader = Lake(lake, [spec])
                return [_delay_ms(producer, reader, number) for number in range(events)]
        finally:
            stop.set()
            thread.join()


def _delay_ms(producer: Producer, reader: "Lake", number: int) -> float:
    began = time.perf_counter()
    producer.send(
        "call",
        {
            "subscriber_id": f"sub-{number:06d}",
            "started_at": datetime.now(UTC),
            "duration_s": 1.0,
            "home_country": "DE",
            "country": "FR",
        },
    )
    query = f"select count(*) from events.call where subscriber_id = 'sub-{number:06d}'"
    while reader.sql(query).rows != [(1,)]:
        if time.perf_counter() - began > _LONGEST_SECONDS:
            raise BenchError(
                f"event {number} was not seen in {_LONGEST_SECONDS:g} s",
                {"query": query},
                "headrace bench lake --rows 10000",
            )
        time.sleep(_REST_SECONDS)
    return (time.perf_counter() - began) * 1_000
