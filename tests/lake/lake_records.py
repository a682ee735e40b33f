"""Records, contracts and writers for the tests of the lake."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from headrace_ingestion.contract import Contract
from headrace_ingestion.records import StoredRecord
from headrace_ingestion.settings import KafkaConnection
from headrace_lake import FlushPolicy, LakeWriter
from headrace_lake.tables import TableSpec, features_table
from kafka import KafkaProducer

CALL = Contract.model_validate(
    {
        "name": "call",
        "version": 1,
        "key": "subscriber_id",
        "time": "started_at",
        "fields": {
            "subscriber_id": {"type": "string"},
            "started_at": {"type": "timestamp"},
            "duration_s": {"type": "double", "minimum": 0},
            "device": {"type": "string", "required": False},
        },
    }
)
"""The contract of the event that the tests write."""

SUBSCRIBER = features_table(
    "subscriber", "subscriber_id", "string", [("duration_s_sum_1h", "double"), ("duration_s_count_1h", "long")]
)
"""The table of the feature view that the tests write."""

START_MS = 1_735_689_600_000  # 2025-01-01T00:00:00Z

FAST = FlushPolicy(interval_ms=50, rows=500)


def call_record(number: int, *, partition: int = 0, **changes: object) -> StoredRecord:
    """Return the `number`-th call; `changes` replace its fields."""
    key = f"s{number % 50}"
    fields = {"subscriber_id": key, "started_at": "2025-01-01T00:00:00.123Z", "duration_s": float(number), **changes}
    value = orjson.dumps(fields)
    headers = [("event_id", f"call-{number:06d}".encode())]
    return StoredRecord("events.call", partition, number, START_MS + number, key.encode(), value, headers)


def json_record(topic: str, number: int, fields: object, *, partition: int = 0) -> StoredRecord:
    """Return a record of a JSON value at offset `number`."""
    return StoredRecord(topic, partition, number, START_MS + number, b"k", orjson.dumps(fields), [])


def feature_fields(number: int, **changes: object) -> dict[str, object]:
    """Return the fields of the `number`-th row of the view `subscriber`."""
    return {
        "event_id": f"call-{number:06d}",
        "subscriber_id": f"s{number % 50}",
        "event_time_ms": START_MS + number,
        "clock_ms": START_MS + number,
        "generation": 0,
        "source_partition": 0,
        "source_offset": number,
        "revision": 0,
        "declaration": "0123456789ab",
        "ingested_at_ms": START_MS + number,
        "emitted_at_ms": START_MS + number + 5,
        "duration_s_sum_1h": 1.5 * number,
        "duration_s_count_1h": number,
        **changes,
    }


def score_fields(number: int, **changes: object) -> dict[str, object]:
    """Return the fields of the `number`-th score."""
    return {
        "event_id": f"call-{number:06d}",
        "key": f"s{number % 50}",
        "model": "fraud",
        "version": "1",
        "variant": "champion",
        "score": 0.5,
        "threshold": 0.9,
        "alert": False,
        "reasons": [{"feature": "duration_s_sum_1h", "value": 1.5, "contribution": 0.25}],
        "view": "subscriber",
        "declaration": "0123456789ab",
        "event_time_ms": START_MS + number,
        "clock_ms": START_MS + number,
        "source_partition": 0,
        "source_offset": number,
        "ingested_at_ms": START_MS,
        "emitted_at_ms": START_MS,
        "scored_at_ms": START_MS,
        **changes,
    }


class HandClock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now_ms(self) -> int:
        """Return the time of day in milliseconds since 1970."""
        return START_MS + int(self.seconds * 1_000)

    def monotonic_seconds(self) -> float:
        """Return the seconds that the test has set."""
        return self.seconds


@contextmanager
def running_writer(
    connection: KafkaConnection, lake: Path, specs: Sequence[TableSpec], flush: FlushPolicy = FAST
) -> Iterator[LakeWriter]:
    """Run a writer in a thread until the block ends; what waits then is written."""
    writer = LakeWriter(connection, lake, specs, flush, discovery_seconds=0.2)
    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(target=writer.run, args=(stop, ready.set))
    thread.start()
    try:
        assert ready.wait(30), "the writer did not become ready"
        yield writer
    finally:
        stop.set()
        thread.join(30)


@contextmanager
def new_producer(connection: KafkaConnection) -> Iterator[KafkaProducer]:
    """A producer that is closed at the end of the block."""
    producer = KafkaProducer(**connection.client_options(), acks="all", linger_ms=5)
    try:
        yield producer
    finally:
        producer.close()


def send(connection: KafkaConnection, topic: str, records: Sequence[StoredRecord], partitions: int = 1) -> None:
    """Send records to a topic, by turns to its partitions, and wait until the broker has them."""
    with new_producer(connection) as producer:
        send_by(producer, topic, records, partitions)


def send_by(producer: KafkaProducer, topic: str, records: Sequence[StoredRecord], partitions: int = 1) -> None:
    """Do as `send` does, with a producer that is there already.

    The records get the time of sending: old ones would be deleted by the broker's retention in the middle of a test.
    """
    sent = [
        producer.send(
            topic,
            record.value,
            key=record.key,
            headers=list(record.headers),
            partition=record.offset % partitions,
        )
        for record in records
    ]
    for future in sent:
        future.get(30)


def until(holds: Callable[[], bool], seconds: float = 30, shown: Callable[[], object] = lambda: "") -> None:
    """Return when the condition holds; `shown` says in the error what was there instead."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come true in {seconds} seconds: {shown()}"
        time.sleep(0.02)


def rows_written(writer: LakeWriter, table: str) -> int:
    """Return how many rows the writer has added to a table."""
    return writer.status()[table].counters.rows


def as_dicts(rows: Any) -> list[Mapping[str, Any]]:
    """Return the rows of an Arrow table as mappings."""
    return list(rows.to_pylist())
