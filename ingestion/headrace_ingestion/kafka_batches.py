"""Records into the batches that kafka-python sends, with one answer a batch instead of a future a record.

The client keeps everything that is hard: connections, metadata, the producer's id and sequence numbers, retries,
time-outs. What it leans on of the client's inside, and why, is in docs/decisions/0016-batches-of-our-own.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import kafka
from kafka.errors import IllegalStateError
from kafka.producer.producer_batch import ProducerBatch

from headrace_ingestion.delivery import answer_all
from headrace_ingestion.errors import DeliveryError
from headrace_ingestion.record_batches import Identity, about_bytes, batch_of
from headrace_ingestion.transport import DeliveryReport, DeliveryResult, OnResult, OutgoingRecord

KNOWN_VERSIONS = ("3.0.",)
"""Of kafka-python: those whose inside is as it is used here."""

RefusedAs = Callable[[BaseException, OutgoingRecord], DeliveryError]
"""Makes our error of the client's, for a record."""


def client_is_known() -> bool:
    """Return whether the installed kafka-python has the inside that `Batches` needs."""
    version: str = kafka.__version__
    return version.startswith(KNOWN_VERSIONS)


class Batches:
    """Puts records into the queues of a `KafkaProducer`; threads may share it."""

    def __init__(self, producer: Any, batch_bytes: int, refused_as: RefusedAs) -> None:
        """Make one beside the producer's own `send`, with which it may be mixed.

        Args:
            producer: A `KafkaProducer`, idempotent and not transactional.
            batch_bytes: About how large a batch may become before it is compressed.
            refused_as: Makes our errors.
        """
        self._queues = producer._accumulator
        self._wake = producer._sender.wakeup
        self._metadata = producer._metadata
        self._batch_bytes = batch_bytes
        self._refused_as = refused_as

    def add(self, partition: Any, record: OutgoingRecord, on_result: OnResult) -> bool:
        """Take the record, unless it is too large to share a batch or the client has lost its partition.

        Then nothing has happened, and the client's own `send` says what is wrong, if anything is.

        Args:
            partition: The client's `TopicPartition`.
            record: The record.
            on_result: See `OnResult`.

        Raises:
            IllegalStateError: The producer is closed.
        """
        size_bytes = about_bytes(record)
        if size_bytes > self._batch_bytes:
            return False
        queues = self._queues
        with queues._tp_lock(partition):
            queue = queues._batches[partition]
            if queue and type(queue[-1]) is _Batch and queue[-1].add(record, size_bytes, on_result):
                return True
        # Asked once a batch: records of a topic that was deleted would wait for a leader until their time is over.
        if partition.partition not in (self._metadata.partitions_for_topic(partition.topic) or ()):
            return False
        self._begin_batch(partition, record, size_bytes, on_result)
        # Once a batch, too: the sender then knows when to look at it, and that the one before is full.
        self._wake()
        return True

    def _begin_batch(self, partition: Any, record: OutgoingRecord, size_bytes: int, on_result: OnResult) -> None:
        queues = self._queues
        # A client that gives up goes round as long as somebody is in here, and so answers this batch, too.
        queues._appends_in_progress.increment()
        try:
            with queues._tp_lock(partition):
                if queues._closed:
                    raise IllegalStateError("the producer is closed")
                queue = queues._batches[partition]
                # Another thread may have begun one meanwhile.
                if queue and type(queue[-1]) is _Batch and queue[-1].add(record, size_bytes, on_result):
                    return
                batch = _Batch(partition, _Records(self._batch_bytes), self._refused_as)
                batch.add(record, size_bytes, on_result)
                queue.append(batch)
                queues._incomplete.add(batch)
        finally:
            queues._appends_in_progress.decrement()


class _Records:
    """The records of a batch, as the client's sender asks for them: framed when it takes them."""

    def __init__(self, batch_bytes: int) -> None:
        # Each with whom it answers, in one list: an interrupt between two would leave one longer for good.
        self.all: list[tuple[OutgoingRecord, OnResult]] = []
        self.size_bytes = 0
        self.closed = False
        self._batch_bytes = batch_bytes
        self._identity = Identity()
        self._buffer = b""

    def append(self, *record: object) -> None:
        """Take no record of the client's own `send`: it begins another batch."""

    def next_offset(self) -> int:
        return len(self.all)

    def is_full(self) -> bool:
        return self.closed or self.size_bytes >= self._batch_bytes

    def size_in_bytes(self) -> int:
        return len(self._buffer) if self.closed else self.size_bytes

    def set_producer_state(self, producer_id: int, epoch: int, sequence: int, is_transactional: bool) -> None:
        # A batch that was once sent keeps its numbers: by them a broker knows it again.
        if self.closed or is_transactional:
            raise IllegalStateError("a batch that is framed, or of a transaction, takes no numbers")
        self._identity = Identity(producer_id, epoch, sequence)

    @property
    def producer_id(self) -> int:
        return self._identity.producer_id

    @property
    def producer_epoch(self) -> int:
        return self._identity.epoch

    @property
    def base_sequence(self) -> int:
        return self._identity.sequence

    def close(self) -> None:
        """Frame the records; once, whatever is tried again."""
        if not self.closed:
            self.closed = True
            self._buffer = batch_of([record for record, _ in self.all], self._identity)

    def buffer(self) -> bytes:
        return self._buffer


class _Batch(ProducerBatch):  # type: ignore[misc]  # kafka-python has no types
    """A batch of the client's queues that knows whom to answer."""

    def __init__(self, partition: Any, records: _Records, refused_as: RefusedAs) -> None:
        super().__init__(partition, records)
        self._refused_as = refused_as
        # Where the client splits a batch that a broker finds too large, it asks each record to follow its new batch.
        self._record_futures: Any = _Followers(self)
        self.produce_future.add_callback(self._answer)

    def add(self, record: OutgoingRecord, size_bytes: int, on_result: OnResult) -> bool:
        """Take the record, unless the batch is full or on its way; under the lock of its partition."""
        records = self.records
        if records.closed or records.size_bytes + size_bytes > records._batch_bytes:
            return False
        records.size_bytes += size_bytes
        records.all.append((record, on_result))
        return True

    def _answer(self, result: Any) -> None:
        answers = [
            (on_result, _answer_of(result, number, record, self.topic_partition, self._refused_as))
            for number, (record, on_result) in enumerate(self.records.all)
        ]
        # Nobody follows any more: without the circle a batch is gone as soon as it is answered.
        self._record_futures = []
        answer_all(answers)


def _answer_of(
    result: Any, number: int, record: OutgoingRecord, partition: Any, refused_as: RefusedAs
) -> DeliveryResult:
    """Return the answer of one record out of that of its batch: first offset, time of a broker that stamps, errors."""
    first_offset, stamped_ms, error_of = result
    if error_of is not None:
        return refused_as(error_of(number), record)
    at_ms = record.timestamp_ms if stamped_ms is None or stamped_ms == -1 else stamped_ms
    offset = -1 if first_offset == -1 else first_offset + number
    return DeliveryReport(partition[0], partition[1], offset, at_ms)


class _Follower(NamedTuple):
    """A record of a batch that was split."""

    batch: _Batch
    number: int

    def rebind(self, future: Any, number: int) -> None:
        """Wait for the answer of another batch."""
        record, on_result = self.batch.records.all[self.number]

        def answer(result: Any) -> None:
            on_result(_answer_of(result, number, record, self.batch.topic_partition, self.batch._refused_as))

        future.add_callback(answer)


class _Followers:
    """The records of a batch one by one, made when they are asked for: hardly ever."""

    def __init__(self, batch: _Batch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return len(self._batch.records.all)

    def __getitem__(self, number: int) -> _Follower:
        return _Follower(self._batch, number)
