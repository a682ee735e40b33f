"""The online writer's consumer: a member of a group whose offsets are committed by hand."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import Any

from headrace_ingestion.settings import KafkaConnection
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

log = logging.getLogger(__name__)

BATCH_ROWS = 5_000
"""Most records of one poll."""

SESSION_MS = 6_000
"""How long a member that was killed keeps its partitions: the least that brokers allow by default."""

ANSWER_MS = 3_000
"""Longest wait for an answer about offsets."""

_OPTIONS: dict[str, Any] = {
    "client_id": "headrace-online-writer",
    "enable_auto_commit": False,
    # Without a committed offset: everything, so that a new store knows every key.
    "auto_offset_reset": "earliest",
    # A row of an open transaction is served at once: should it be aborted, the job makes the same row again.
    "isolation_level": "read_uncommitted",
    "max_poll_records": BATCH_ROWS,
    "session_timeout_ms": SESSION_MS,
    "heartbeat_interval_ms": SESSION_MS // 3,
    "metadata_max_age_ms": 5_000,
    "bootstrap_timeout_ms": 5_000,
    "reconnect_backoff_max_ms": 1_000,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
}


class GroupConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Reads topics as a member of a group and commits only what `done` was told of.

    Attributes:
        joined: Whether the group has given this member its partitions (maybe none) at least once.

    Args:
        connection: Where the brokers are.
        group_id: The group.
        topics: The topics; those that do not exist yet are read when they do.
        instance: Name of this member that outlives its process: it gets its partitions back at once after a crash. One
            process may have it at a time. None: an anonymous member.

    Raises:
        KafkaError: No broker answers.
    """

    def __init__(self, connection: KafkaConnection, group_id: str, topics: Iterable[str], instance: str | None) -> None:
        self.joined = False
        self._done: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._consumer = KafkaConsumer(
            group_id=group_id, group_instance_id=instance, **connection.client_options(), **_OPTIONS
        )
        self._consumer.subscribe(topics=list(topics), listener=self)

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

    def done(self, batches: Iterable[TopicPartition]) -> None:
        """Note that everything that was polled of these partitions is stored."""
        for place in batches:
            position = self._consumer.position(place)
            if position is not None:
                self._done[place] = position

    def rewind(self) -> None:
        """Read again what was polled and is not done."""
        assigned = self._consumer.assignment()
        for place in assigned & self._done.keys():
            self._consumer.seek(place, self._done[place])
        unknown = [place for place in assigned if place not in self._done]
        for place in unknown:
            offset = self._consumer.committed(place, timeout_ms=ANSWER_MS)
            if offset is None:
                self._consumer.seek_to_beginning(place)
            else:
                self._consumer.seek(place, offset)

    def commit(self) -> None:
        """Commit the offsets of what is done.

        Raises:
            KafkaError: The broker does not take them; what is done stays to be committed.
        """
        due = {place: offset for place, offset in self._done.items() if self._committed.get(place) != offset}
        if not due:
            return
        self._consumer.commit(
            {place: OffsetAndMetadata(offset, "", -1) for place, offset in due.items()}, timeout_ms=ANSWER_MS
        )
        self._committed.update(due)

    def check(self) -> None:
        """Ask the broker a small question: a poll is silent about a broker that does not answer.

        Raises:
            KafkaError: It does not answer.
        """
        self._consumer.end_offsets(list(self._consumer.assignment())[:1], timeout_ms=ANSWER_MS)

    def close(self) -> None:
        """Leave the group, unless the member has a name that outlives its process."""
        self._consumer.close(autocommit=False)

    # Called by `poll`, in its thread.

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Begin where the group has come to."""
        self.joined = True
        log.info(
            "reading %s", ", ".join(sorted(f"{place.topic}-{place.partition}" for place in assigned)) or "nothing yet"
        )

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Hand over: commit what is done, and forget the places."""
        try:
            self.commit()
        except KafkaError as error:
            # The next owner reads those rows again; the store does not take them twice.
            log.warning("offsets were not committed before partitions were handed over: %s", error)
        self._forget(revoked)

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """Forget the places: another member has them already."""
        self._forget(lost)

    def _forget(self, places: Collection[TopicPartition]) -> None:
        for place in places:
            self._done.pop(place, None)
            self._committed.pop(place, None)
