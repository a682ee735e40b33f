"""Events into their topics by another key, each exactly once: what views by that key take their order from.

Records and offsets are one Kafka transaction. A record that the contract refuses is left out: who reads the event by
its own key has recorded it as a dead letter.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from headrace_ingestion.codec import compile_parser
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.headers import EVENT_ID
from headrace_ingestion.partitioning import partition_of
from headrace_ingestion.records import Parsed, Record, Refused
from headrace_ingestion.rekeyed import RekeyedContract
from headrace_ingestion.settings import KafkaConnection
from headrace_lake.topic_consumer import TopicConsumer
from kafka import KafkaProducer, TopicPartition
from kafka.errors import (
    InvalidProducerEpochError,
    KafkaConfigurationError,
    KafkaError,
    KafkaTimeoutError,
    ProducerFencedError,
)

log = logging.getLogger(__name__)

POLL_MS = 200
BATCH_EVERY_MS = 20
"""Shortest time between two transactions: each costs the broker some markers."""
DISCOVERY_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0
# A rekeyer that was killed holds up readers for this long, unless its successor ends its transaction before.
_TRANSACTION_MS = 30_000
_ANSWER_MS = 30_000


class RekeyError(HeadraceError):
    """Events cannot be written by another key."""


@dataclass(frozen=True, slots=True)
class RekeyCounters:
    """What a rekeyer has done since its start: records read, written, and left out because a contract refuses them."""

    read: int = 0
    written: int = 0
    refused: int = 0


@dataclass(frozen=True)
class _Source:
    """A topic that is read: how, and the fields and topics that its records are written by and to."""

    parse: Callable[[Record], Parsed | Refused]
    targets: list[tuple[str, str]]


class Rekeyer:
    """Writes events into their topics by another key until it is stopped.

    One at a time: a second one with the same name fences the first, which then ends with an error.

    Args:
        connection: Where the brokers are.
        events: The events by name.
        rekeyed: Those of them that are written by another key.
        name: Stable name of consumer group and transactions.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        events: Mapping[str, Contract],
        rekeyed: Iterable[RekeyedContract],
        name: str,
    ) -> None:
        self._connection = connection
        self._name = name
        self._sources: dict[str, _Source] = {}
        prefix = connection.topic_prefix
        for contract in rekeyed:
            event = events[contract.name]
            source = self._sources.setdefault(event.topic(prefix), _Source(compile_parser(event), []))
            source.targets.append((contract.key, contract.topic(prefix)))
        self.counters = RekeyCounters()

    def run(self, stop: threading.Event, on_ready: Callable[[], None] | None = None) -> None:
        """Write until `stop` is set. A broker that is away is waited for.

        Args:
            stop: Ends the run between two transactions.
            on_ready: Is called once, when the broker has ended what an earlier one had begun.

        Raises:
            RekeyError: Another rekeyer of this name has started, or a transaction took too long.
        """
        pause_seconds = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._session(stop, on_ready)
            except (ProducerFencedError, InvalidProducerEpochError) as error:
                # Trying again here would shut the other one out, which would do the same.
                raise RekeyError(
                    "the broker takes no more from this process: another one writes the events by their other keys",
                    {
                        "transactions": self._name,
                        "expected": "one rekey process a project,"
                        f" which takes less than {_TRANSACTION_MS // 1000} s for a transaction",
                    },
                    "headrace status",
                ) from error
            except KafkaConfigurationError:
                raise  # waiting does not mend it
            except KafkaError as error:
                if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
                    pause_seconds = FIRST_PAUSE_SECONDS
                log.warning("%s; trying again in %.1f s", str(error) or type(error).__name__, pause_seconds)
                stop.wait(pause_seconds)
                pause_seconds = min(LONGEST_PAUSE_SECONDS, pause_seconds * 2)

    def _session(self, stop: threading.Event, on_ready: Callable[[], None] | None) -> None:
        """Read and write with one consumer and one producer until `stop` is set or a client fails."""
        producer = self._producer()
        try:
            # Ends the transaction of a predecessor, so that the offsets which are read next are its last ones.
            producer.init_transactions()
            consumer = TopicConsumer(
                self._connection, self._name, self._sources, client_id="headrace-rekey", committed_only=True
            )
            try:
                self._copy(producer, consumer, stop, on_ready)
            finally:
                consumer.close()
        finally:
            # An open transaction is ended by the next start.
            with suppress(KafkaError):
                producer.close(timeout=5)

    def _copy(
        self,
        producer: KafkaProducer,
        consumer: TopicConsumer,
        stop: threading.Event,
        on_ready: Callable[[], None] | None,
    ) -> None:
        discover_at = 0.0
        while not stop.is_set():
            began = time.monotonic()
            if began >= discover_at:
                consumer.discover()
                discover_at = began + DISCOVERY_SECONDS
                if on_ready is not None:
                    on_ready()
                    on_ready = None
            batches = consumer.poll(POLL_MS)
            if batches:
                self._transaction(producer, consumer, batches)
                stop.wait(max(0.0, began + BATCH_EVERY_MS / 1000 - time.monotonic()))

    def _transaction(
        self, producer: KafkaProducer, consumer: TopicConsumer, batches: Mapping[TopicPartition, Sequence[Any]]
    ) -> None:
        """Write a batch and its offsets; all of it counts, or nothing."""
        producer.begin_transaction()
        futures = []
        refused = 0
        for place, records in batches.items():
            source = self._sources[place.topic]
            for record in records:
                parsed = source.parse(record)
                if isinstance(parsed, Refused):
                    refused += 1
                else:
                    futures += [_send(producer, record, parsed, *target) for target in source.targets]
        _await_all(producer, futures)
        consumer.done(batches)
        due = consumer.due()
        producer.send_offsets_to_transaction(due, self._name)
        producer.commit_transaction()
        consumer.note_committed(due)
        past = self.counters
        read = sum(len(records) for records in batches.values())
        self.counters = RekeyCounters(past.read + read, past.written + len(futures), past.refused + refused)

    def _producer(self) -> KafkaProducer:
        return KafkaProducer(
            **self._connection.client_options(),
            client_id="headrace-rekey",
            transactional_id=self._name,
            transaction_timeout_ms=_TRANSACTION_MS,
            enable_idempotence=True,
            acks="all",
            compression_type="lz4",
            linger_ms=2,
            batch_size=256 * 1024,
            max_block_ms=_ANSWER_MS,
            delivery_timeout_ms=_ANSWER_MS,
            request_timeout_ms=10_000,
            metadata_max_age_ms=30_000,
            metrics_enabled=False,
        )


def _send(producer: KafkaProducer, record: Record, parsed: Parsed, key_field: str, topic: str) -> Any:
    """Send the record by its other key. Value and timestamp stay; an id that its place gave it becomes a header."""
    key = str(parsed.fields[key_field]).encode()
    headers = [header for header in record.headers if header[0] != EVENT_ID]
    headers.append((EVENT_ID, parsed.event_id.encode()))
    partitions = len(producer.partitions_for(topic) or ())
    return producer.send(
        topic,
        key=key,
        value=record.value,
        headers=headers,
        # Finding it anew for each record is slow in Python.
        partition=partition_of(key, partitions) if partitions else None,
        timestamp_ms=record.timestamp,
    )


def _await_all(producer: KafkaProducer, futures: Sequence[Any]) -> None:
    """Return when the broker has all of them.

    Raises:
        KafkaError: It has not.
    """
    producer.flush(_ANSWER_MS / 1000)
    for future in futures:
        # Flush does not mean success.
        if not future.is_done:
            raise KafkaTimeoutError(f"{len(futures)} records were not written within {_ANSWER_MS / 1000:.0f} s")
        if future.failed():
            raise future.exception
