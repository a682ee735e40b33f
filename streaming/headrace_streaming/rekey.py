"""Events into the topics that are made of theirs, each exactly once: by another key, of several events, with labels.

Views take their order from these topics. Records and offsets are one Kafka transaction; what the records become is
said by `outgoing` and `labels`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
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
    MessageSizeTooLargeError,
    ProducerFencedError,
)

from headrace_streaming.outgoing import Outgoing, StoppedTurn, Turn, letter_of
from headrace_streaming.topics import LARGEST_RECORD_BYTES

log = logging.getLogger(__name__)

POLL_MS = 200
BATCH_EVERY_MS = 20
"""Shortest time between two transactions: each costs the broker some markers."""
DISCOVERY_SECONDS = 5.0
# A rekeyer that was killed holds up readers for this long, unless its successor ends its transaction before.
_TRANSACTION_MS = 30_000
_ANSWER_MS = 30_000


class RekeyError(HeadraceError):
    """Events cannot be written by another key."""


_Copy = tuple[str, str, int, int] | None
"""The topic that a record goes to, and the place of the one that it is made of; None for a dead letter."""


class _RefusedError(Exception):
    """A topic takes none of the records of a batch, because that is too large."""

    def __init__(self, records: Sequence[Outgoing], *, is_alone: bool) -> None:
        super().__init__("a batch is too large")
        self.records, self.is_alone = records, is_alone


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
        dead_letters: Name of the topic of dead letters: of records that are too large for the topics they go to.
        batch_every_ms: Shortest time between two transactions.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        turns: Mapping[str, Turn],
        name: str,
        dead_letters: str,
        batch_every_ms: int = BATCH_EVERY_MS,
    ) -> None:
        self._connection = connection
        self._name = name
        self._turns = turns
        self._dead_letters = dead_letters
        self._suspects = set[_Copy]()
        self._too_large = set[_Copy]()
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
        except _RefusedError as refused:
            self._learn(refused)
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

    def _learn(self, refused: _RefusedError) -> None:
        """Note what is too large: the next session writes dead letters instead.

        Raises:
            MessageSizeTooLargeError: Only dead letters are, which the settings of the brokers have to let pass.
        """
        found = {_copy_of(one) for one in refused.records if one.source is not None}
        if not found:
            raise MessageSizeTooLargeError(f"{refused.records[0].topic} does not take its dead letters")
        # Any record of a batch may be the one that is too large. Alone in its batch, it is.
        if refused.is_alone:
            self._too_large |= found
        else:
            self._suspects |= found

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
        copies = [record for one in turned for record in one.records]
        outgoing = copies
        if self._too_large:
            outgoing = [self._letter(one) if _copy_of(one) in self._too_large else one for one in copies]
        _write(producer, outgoing, self._suspects)
        consumer.done(batches)
        due = consumer.due()
        producer.send_offsets_to_transaction(due, self._name)
        producer.commit_transaction()
        consumer.note_committed(due)
        self._suspects.clear()
        self._too_large.clear()
        past = self.counters
        read = sum(len(records) for records in batches.values())
        refused = sum(one.refused for one in turned)
        self.counters = RekeyCounters(past.read + read, past.written + len(outgoing), past.refused + refused)

    def _letter(self, large: Outgoing) -> Outgoing:
        """Return the dead letter of a record that its topic does not take."""
        detail = f"{large.topic} takes no record of {len(large.value or b''):,} bytes"
        if large.source is None:
            return large
        log.warning("%s: its event becomes a dead letter", detail)
        return letter_of(large.source, "too_large", detail, self._dead_letters)

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
            max_request_size=LARGEST_RECORD_BYTES,
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
        partition=partition_of(record.key, partitions) if partitions and record.key is not None else None,
        timestamp_ms=record.timestamp_ms,
    )


def _write(producer: KafkaProducer, records: Sequence[Outgoing], alone: Collection[_Copy]) -> None:
    """Write records in a transaction that stays open.

    Args:
        producer: The producer.
        records: The records.
        alone: Those that get a batch of their own.

    Raises:
        _RefusedError: A batch is too large.
        KafkaError: The broker has not taken all of them, for another reason.
    """
    producer.begin_transaction()
    sent: list[tuple[Outgoing, Any]] = []
    for record in records:
        is_alone = bool(alone) and _copy_of(record) in alone
        if is_alone:
            _flush(producer, sent)
        try:
            sent.append((record, _send(producer, record)))
        except MessageSizeTooLargeError:
            raise _RefusedError([record], is_alone=True) from None
        except KafkaError:
            # In a transaction of which a batch was refused, nothing more can be sent.
            _check(sent, is_alone=False)
            raise
        if is_alone:
            _flush(producer, sent, is_alone=True)
    _flush(producer, sent)


def _flush(producer: KafkaProducer, sent: Sequence[tuple[Outgoing, Any]], *, is_alone: bool = False) -> None:
    producer.flush(_ANSWER_MS / 1000)
    _check(sent, is_alone=is_alone)
    for _, future in sent:
        # Flush does not mean success.
        if not future.is_done:
            raise KafkaTimeoutError(f"{len(sent)} records were not written within {_ANSWER_MS / 1000:.0f} s")
        if future.failed():
            raise future.exception


def _check(sent: Sequence[tuple[Outgoing, Any]], *, is_alone: bool) -> None:
    large = [
        record
        for record, future in sent
        if future.is_done and future.failed() and isinstance(future.exception, MessageSizeTooLargeError)
    ]
    if large:
        raise _RefusedError(large, is_alone=is_alone)


def _copy_of(record: Outgoing) -> _Copy:
    if record.source is None:
        return None
    of = record.source.record
    return record.topic, of.topic, of.partition, of.offset
