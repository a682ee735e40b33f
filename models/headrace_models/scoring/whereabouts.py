"""Where a scorer reads on in its topic: offsets are of one topic, and one that was made anew is read from its start."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from headrace_ingestion.settings import KafkaConnection
from headrace_lake.topics import describe_topic
from kafka import ConsumerRebalanceListener, KafkaAdminClient
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata, TopicPartition

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How soon a scorer learns that its topic was made anew."""
ANSWER_MS = 5_000
"""How long a broker may take to answer, before it counts as away."""


class Whereabouts:
    """Knows by its id which topic is read, and offsets only together with it.

    Args:
        connection: Where the brokers are.
        topic: The topic.
        model: For the log.
    """

    def __init__(self, connection: KafkaConnection, topic: str, model: str) -> None:
        self._connection = connection
        self._topic = topic
        self._model = model
        self._admin: KafkaAdminClient | None = None
        self._id: str | None = None
        self._was_another = False
        self._look_at = 0.0
        self._given: set[TopicPartition] = set()

    def begin(self, consumer: Any) -> None:
        """Subscribe to the topic that is there now.

        Raises:
            KafkaError: The broker does not answer.
        """
        found = self._present_id()
        if found is not None and found != self._id:
            self._was_another = self._was_another or self._id is not None
            self._id = found
        self._given.clear()
        consumer.subscribe([self._topic], listener=_Noted(self._given))

    def is_another(self) -> bool:
        """Tell whether the topic was deleted and made anew since `begin`; looks every few seconds.

        Raises:
            KafkaError: The broker does not answer.
        """
        if time.monotonic() < self._look_at:
            return False
        found = self._present_id()
        if found in (None, self._id):
            return False
        log.warning("model %s: the topic %s was made anew", self._model, self._topic)
        return True

    def sure(self, consumer: Any, polled: Mapping[TopicPartition, list[Any]]) -> Mapping[TopicPartition, list[Any]]:
        """Return what was polled; of partitions that were just given, only if their offsets are of this topic.

        Those that are not are read from their beginning.

        Raises:
            KafkaError: The broker does not answer.
        """
        foreign = set()
        while self._given:
            place = self._given.pop()
            if self._is_foreign(consumer.committed(place, metadata=True, timeout_ms=ANSWER_MS)):
                log.info("model %s: reading %s-%d from its beginning", self._model, place.topic, place.partition)
                consumer.seek_to_beginning(place)
                foreign.add(place)
        return {place: records for place, records in polled.items() if place not in foreign}

    def marked(self, done: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        """Return offsets as they are committed."""
        return {place: OffsetAndMetadata(offset, self._id or "", -1) for place, offset in done.items()}

    def close(self) -> None:
        """Close the connection."""
        if self._admin is not None:
            with suppress(KafkaError):
                self._admin.close()
            self._admin = None

    def _is_foreign(self, committed: Any) -> bool:
        if committed is None:
            # The broker forgets offsets together with their topic.
            return self._was_another
        # Older releases committed no id.
        return bool(committed.metadata) and committed.metadata != self._id

    def _present_id(self) -> str | None:
        if self._admin is None:
            self._admin = KafkaAdminClient(
                **self._connection.client_options(),
                client_id=f"headrace-scorer-{self._model}",
                bootstrap_timeout_ms=ANSWER_MS,
                request_timeout_ms=ANSWER_MS,
            )
        self._look_at = time.monotonic() + LOOK_SECONDS
        found = describe_topic(self._admin, self._topic)
        return None if found is None else found.id


class _Noted(ConsumerRebalanceListener):
    """Notes which partitions a consumer was given; runs in the client's own thread, which must not ask the broker."""

    def __init__(self, given: set[TopicPartition]) -> None:
        self._given = given

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Do nothing: what is done is committed at its own time."""

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Note them."""
        self._given.update(assigned)
