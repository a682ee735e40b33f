"""Scores, alerts and dead letters to their topics; nothing counts as written before the broker has acknowledged it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from headrace_ingestion.records import Record
from headrace_ingestion.settings import KafkaConnection
from headrace_lake.letters import dead_letter, letter_key
from kafka import KafkaProducer

from headrace_models.scoring.batch import BatchResult
from headrace_models.scoring.rows import Unscored

# Well below the time after which the broker takes a silent consumer for dead.
DELIVERY_TIMEOUT_SECONDS = 60


class Output:
    """Writes what batches give with an idempotent producer.

    Args:
        connection: Where the brokers are.
        model: Whose scores.
        view: Whose rows are scored.
        partitions: Of the topic of feature rows.
    """

    def __init__(self, connection: KafkaConnection, model: str, view: str, partitions: int) -> None:
        prefix = connection.topic_prefix
        self._view = view
        self._partitions = partitions
        self._keeps_partition: dict[str, bool] = {}
        self._scores, self._alerts = f"{prefix}scores.{model}", f"{prefix}alerts"
        self._dead_letters = f"{prefix}dead_letters"
        self._producer = KafkaProducer(
            **connection.client_options(),
            client_id=f"headrace-scorer-{model}",
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=0,  # a batch is already a batch
            batch_size=256 * 1024,
            delivery_timeout_ms=DELIVERY_TIMEOUT_SECONDS * 1000,
            max_block_ms=DELIVERY_TIMEOUT_SECONDS * 1000,
            metadata_max_age_ms=30_000,
            metrics_enabled=False,
        )

    def write(self, result: BatchResult, unreadable: Sequence[Unscored], now_ms: int) -> None:
        """Write all records of a batch and return when the broker has acknowledged them.

        Raises:
            KafkaError: A record was not acknowledged; the others may have been.
        """
        futures = [self._send(self._scores, row.record, record, row.record.key) for row, record in result.scores]
        futures += [self._send(self._alerts, row.record, record, row.record.key) for row, record in result.alerts]
        for unscored in (*unreadable, *result.unscored):
            futures.append(self._send_letter(unscored, now_ms))
        if not futures:
            return
        self._producer.flush(DELIVERY_TIMEOUT_SECONDS)
        for future in futures:
            # Flush does not mean success.
            future.get(timeout=DELIVERY_TIMEOUT_SECONDS)

    def close(self) -> None:
        """Close the producer; nothing is waiting, since `write` waits."""
        self._producer.close(timeout=5)

    def _send_letter(self, unscored: Unscored, now_ms: int) -> Any:
        record = unscored.record
        letter = dead_letter(
            record, unscored.reason, unscored.detail,
            event=self._view, event_id=unscored.event_id, key=record.key, now_ms=now_ms,
        )  # fmt: skip
        return self._send(self._dead_letters, record, letter, letter_key(letter, record.key))

    def _send(self, topic: str, source: Record, record: dict[str, Any], key: bytes | None) -> Any:
        # A topic of as many partitions has the key where the feature row has it; finding it anew is slow in Python.
        if topic not in self._keeps_partition:
            self._keeps_partition[topic] = len(self._producer.partitions_for(topic) or ()) == self._partitions
        partition = source.partition if self._keeps_partition[topic] else None
        value = orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)
        return self._producer.send(topic, key=key, value=value, partition=partition)
