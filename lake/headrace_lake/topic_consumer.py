"""A consumer to which partitions are given, and whose offsets are committed by hand under a group's name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from headrace_ingestion.settings import KafkaConnection
from kafka import KafkaAdminClient, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from headrace_lake.topics import describe_topics

log = logging.getLogger(__name__)

BATCH_ROWS = 5_000
"""Most records of one poll."""

ANSWER_MS = 5_000
"""Longest wait for an answer about topics and offsets."""

_CLIENT_OPTIONS: dict[str, Any] = {
    "bootstrap_timeout_ms": ANSWER_MS,
    "reconnect_backoff_max_ms": 1_000,
}
_CONSUMER_OPTIONS: dict[str, Any] = {
    **_CLIENT_OPTIONS,
    "metrics_enabled": False,
    "enable_auto_commit": False,
    # Where the broker has deleted what was to be read next: everything that is left.
    "auto_offset_reset": "earliest",
    "max_poll_records": BATCH_ROWS,
    "allow_auto_create_topics": False,
}


class TopicConsumer:
    """Reads its share of the partitions of topics, and commits only what `done` was told of.

    It is not a member of the group: there is no rebalance to wait for after a crash, and none to get stuck in. Offsets
    are committed with the id of their topic, so that those of a topic that was deleted and made anew mean nothing.

    Args:
        connection: Where the brokers are.
        group_id: The group under whose name offsets are committed.
        topics: The topics; those that do not exist yet are read when they do.
        client_id: What the broker calls it.
        committed_only: Whether records of open and aborted Kafka transactions are left out.
        replica: This consumer reads the partitions p with p mod `replicas` = `replica`.
        replicas: How many consumers share the topics.
        from_end: A group that has never committed begins after what is there, not at the beginning.

    Raises:
        KafkaError: No broker answers.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        group_id: str,
        topics: Iterable[str],
        *,
        client_id: str,
        committed_only: bool,
        replica: int = 0,
        replicas: int = 1,
        from_end: bool = False,
    ) -> None:
        options = {**connection.client_options(), "client_id": client_id}
        isolation = "read_committed" if committed_only else "read_uncommitted"
        self._topics = list(topics)
        self._replica, self._replicas = replica, replicas
        self._from_end = from_end
        self._absent: set[str] = set()
        self._ids: dict[TopicPartition, str] = {}
        self._done: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._admin = KafkaAdminClient(**options, **_CLIENT_OPTIONS, request_timeout_ms=ANSWER_MS)
        try:
            self._consumer = KafkaConsumer(group_id=group_id, isolation_level=isolation, **options, **_CONSUMER_OPTIONS)
        except KafkaError:
            self._admin.close()
            raise

    def discover(self) -> None:
        """Look which topics and partitions there are, and read the new ones from where the group has come to.

        Raises:
            KafkaError: The broker does not answer; nothing has changed.
        """
        found = describe_topics(self._admin, self._topics)
        self._say_absent(found)
        ids = {
            TopicPartition(name, partition): topic.id
            for name, topic in found.items()
            for partition in topic.partitions
            if partition % self._replicas == self._replica
        }
        if ids == self._ids:
            return
        new = {place: id_ for place, id_ in ids.items() if self._ids.get(place) != id_}
        starts = self._starts(new)
        self._done = {place: offset for place, offset in self._done.items() if place in ids} | starts
        self._committed = {place: offset for place, offset in self._committed.items() if place in ids.keys() - new}
        self._ids = ids
        self._consumer.assign(list(ids))
        self.rewind()
        for place, offset in sorted(starts.items()):
            log.info("reading %s-%d from offset %d", place.topic, place.partition, offset)

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        """Return what has arrived, by partition; as soon as there is anything, empty after the timeout.

        Raises:
            KafkaError: Reading failed; nothing is skipped by that.
        """
        try:
            batches: dict[TopicPartition, list[Any]] = self._consumer.poll(timeout_ms)
        except KafkaError:
            self.rewind()
            raise
        return batches

    def done(self, places: Iterable[TopicPartition]) -> None:
        """Note that everything that was polled of these partitions is stored."""
        for place in places:
            self._done[place] = self._consumer.position(place)

    def reached(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note that everything before these offsets is stored."""
        self._done.update(offsets)

    def rewind(self) -> None:
        """Read again what was polled and is not done."""
        for place, offset in self._done.items():
            self._consumer.seek(place, offset)

    def commit(self) -> None:
        """Commit the offsets of what is done.

        Raises:
            KafkaError: The broker does not take them; what is done stays to be committed.
        """
        due = self.due()
        if due:
            self._consumer.commit(due, timeout_ms=ANSWER_MS)
            self.note_committed(due)

    def due(self) -> dict[TopicPartition, Any]:
        """Return the offsets that are to be committed, for a producer that commits them in its transaction."""
        due = {place: offset for place, offset in self._done.items() if self._committed.get(place) != offset}
        return {place: OffsetAndMetadata(offset, self._ids[place], -1) for place, offset in due.items()}

    def note_committed(self, offsets: Mapping[TopicPartition, Any]) -> None:
        """Note that these offsets have been committed."""
        self._committed.update({place: committed.offset for place, committed in offsets.items()})

    def close(self) -> None:
        """Close the connections; commits nothing."""
        with suppress(KafkaError):
            self._consumer.close(autocommit=False)
            self._admin.close()

    def _starts(self, new: dict[TopicPartition, str]) -> dict[TopicPartition, int]:
        if not new:
            return {}
        # Without a committed offset: everything, so that a new store knows every key.
        starts: dict[TopicPartition, int] = self._consumer.beginning_offsets(list(new), timeout_ms=ANSWER_MS)
        known = {place: self._consumer.committed(place, metadata=True, timeout_ms=ANSWER_MS) for place in new}
        if self._from_end and not self._done and not any(known.values()):
            starts = self._consumer.end_offsets(list(new), timeout_ms=ANSWER_MS)
        for place, topic_id in new.items():
            committed = known[place]
            if committed is not None and committed.metadata == topic_id:
                starts[place] = max(starts[place], committed.offset)
        return starts

    def _say_absent(self, found: Iterable[str]) -> None:
        absent = set(self._topics).difference(found)
        for name in sorted(absent - self._absent):
            log.warning("topic %s does not exist: waiting for it", name)
        self._absent = absent
