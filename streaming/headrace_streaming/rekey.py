"""Events into the topics that are made of theirs, each exactly once: by another key, of several events, with labels.

Views take their order from these topics. Records and offsets are one Kafka transaction; what the records become is
said by `outgoing` and `labels`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.partitioning import partition_of
from headrace_ingestion.settings import KafkaConnection
from headrace_lake.sessions import run_sessions
from headrace_lake.topic_consumer import TopicConsumer
from kafka import KafkaProducer, TopicPartition
from kafka.errors import (
    InvalidProducerEpochError,
    KafkaError,
    KafkaTimeoutError,
    ProducerFencedError,
)

from headrace_streaming.outgoing import Outgoing, StoppedTurn, Turn

log = logging.getLogger(__name__)

POLL_MS = 200
BATCH_EVERY_MS = 20
"""Shortest time between two transactions: each costs the broker some markers."""
DISCOVERY_SECONDS = 5.0
# A rekeyer that was killed holds up readers for this long, unless its successor ends its transaction before.
_TRANSACTION_MS = 30_000
_ANSWER_MS = 30_000
# The largest event of a producer is larger yet in a merge or join: the broker decides about it, once it is compressed.
_LARGEST_REQUEST_BYTES = 8 * 1024 * 1024


class RekeyError(HeadraceError):
    """Events cannot be written by another key."""


@dataclass(frozen=True, slots=True)
class RekeyCounters:
    """What a rekeyer has done since its start: records read, written, and left out because a contract refuses them."""

    read: int = 0
    written: int = 0
    refused: int = 0


class Rekeyer:
    """Writes what the records of some topics become until it is stopped.

    One at a time: a second one with the same name fences the first, which then ends with an error.

    Args:
        connection: Where the brokers are.
        turns: Topic → what its records become.
        name: Stable name of consumer group and transactions.
        batch_every_ms: Shortest time between two transactions.
    """

    def __init__(
        self, connection: KafkaConnection, turns: Mapping[str, Turn], name: str, batch_every_ms: int = BATCH_EVERY_MS
    ) -> None:
        self._connection = connection
        self._name = name
        self._turns = turns
        self._batch_every_seconds = batch_every_ms / 1000
        self.counters = RekeyCounters()

    def run(self, stop: threading.Event, on_ready: Callable[[], None] | None = None) -> None:
        """Write until `stop` is set. A broker that is away is waited for.

        Args:
            stop: Ends the run between two transactions.
            on_ready: Is called once, when the broker has ended what an earlier one had begun.

        Raises:
            RekeyError: Another rekeyer of this name has started, or a transaction took too long.
        """
        run_sessions(partial(self._unfenced_session, stop), stop, on_ready, log)

    def _unfenced_session(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        try:
            self._session(stop, ready)
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

    def _session(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        """Read and write with one consumer and one producer until `stop` is set or a client fails."""
        producer = self._producer()
        try:
            # Ends the transaction of a predecessor, so that the offsets which are read next are its last ones.
            producer.init_transactions()
            consumer = TopicConsumer(
                self._connection, self._name, self._turns, client_id="headrace-rekey", committed_only=True
            )
            try:
                with suppress(StoppedTurn):
                    self._copy(producer, consumer, stop, ready)
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
        ready: Callable[[], None],
    ) -> None:
        discover_at = 0.0
        while not stop.is_set():
            began = time.monotonic()
            if began >= discover_at:
                consumer.discover()
                discover_at = began + DISCOVERY_SECONDS
                ready()
            batches = consumer.poll(POLL_MS)
            if batches:
                self._transaction(producer, consumer, batches)
                stop.wait(max(0.0, began + self._batch_every_seconds - time.monotonic()))

    def _transaction(
        self, producer: KafkaProducer, consumer: TopicConsumer, batches: Mapping[TopicPartition, Sequence[Any]]
    ) -> None:
        """Write a batch and its offsets; all of it counts, or nothing."""
        # Before it begins: a turn may take longer than the broker leaves a transaction open.
        turned = [self._turns[place.topic](records) for place, records in batches.items()]
        producer.begin_transaction()
        futures = [_send(producer, record) for one in turned for record in one.records]
        _await_all(producer, futures)
        consumer.done(batches)
        due = consumer.due()
        producer.send_offsets_to_transaction(due, self._name)
        producer.commit_transaction()
        consumer.note_committed(due)
        past = self.counters
        read = sum(len(records) for records in batches.values())
        refused = sum(one.refused for one in turned)
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
            max_request_size=_LARGEST_REQUEST_BYTES,
            max_block_ms=_ANSWER_MS,
            delivery_timeout_ms=_ANSWER_MS,
            request_timeout_ms=10_000,
            metadata_max_age_ms=30_000,
            metrics_enabled=False,
        )


def _send(producer: KafkaProducer, record: Outgoing) -> Any:
    partitions = len(producer.partitions_for(record.topic) or ())
    return producer.send(
        record.topic,
        key=record.key,
        value=record.value,
        headers=list(record.headers),
        # Finding it anew for each record is slow in Python.
        partition=partition_of(record.key, partitions) if partitions else None,
        timestamp_ms=record.timestamp_ms,
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
