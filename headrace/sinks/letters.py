"""Records that a sink could not hand over, as dead letters: out to their topic, and back from the lake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from headrace_ingestion.headers import EVENT_ID
from headrace_ingestion.records import StoredRecord
from headrace_ingestion.settings import KafkaConnection
from headrace_lake.letters import dead_letter, letter_key
from headrace_lake.tables import SINK_LETTERS, dead_letters_table
from kafka import KafkaProducer

from headrace.events.dead_letters import SINK_REASONS, Chosen, RawLetter, check_reason, raw_letters
from headrace.sinks.target import Refusal

if TYPE_CHECKING:
    from headrace_lake.catalog import Lake

_ANSWER_MS = 30_000


class SinkLetters:
    """Writes what a sink could not hand over to the topic of dead letters.

    Args:
        connection: Where the brokers are.
        sink: Name of the sink.

    Raises:
        KafkaError: No broker answers.
    """

    def __init__(self, connection: KafkaConnection, sink: str) -> None:
        self._event = f"{SINK_LETTERS}{sink}"
        self._topic = dead_letters_table(connection.topic_prefix).topic
        self._producer = KafkaProducer(
            **connection.client_options(),
            client_id=f"headrace-sink-{sink}",
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            max_block_ms=_ANSWER_MS,
            delivery_timeout_ms=_ANSWER_MS,
            request_timeout_ms=10_000,
            metrics_enabled=False,
        )

    def write(self, refusals: Sequence[Refusal], now_ms: int) -> None:
        """Write a letter for each and return when the broker has acknowledged them.

        Args:
            refusals: What was not taken.
            now_ms: The time of day, in milliseconds since 1970.

        Raises:
            KafkaError: One was not acknowledged; others may have been.
        """
        futures = []
        for one in refusals:
            letter = sink_letter(self._event, one, now_ms)
            key = letter_key(letter, one.outgoing.record.key)
            futures.append(self._producer.send(self._topic, key=key, value=orjson.dumps(letter)))
        for future in futures:
            future.get(timeout=_ANSWER_MS / 1000)

    def close(self) -> None:
        """Close the producer; nothing is waiting, since `write` waits."""
        self._producer.close(timeout=5)


def sink_letter(event: str, refusal: Refusal, now_ms: int) -> dict[str, Any]:
    """Return the fields of a dead letter, never more than the topic takes.

    Args:
        event: What stands as its event: `sinks.<name>`.
        refusal: What was not taken.
        now_ms: The time of day, in milliseconds since 1970.
    """
    record = refusal.outgoing.record
    id_ = refusal.outgoing.event_id
    return dead_letter(record, refusal.reason, refusal.detail, event=event, event_id=id_, key=record.key, now_ms=now_ms)


def letters_of(
    lake: Lake, sink: str, reason: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> list[RawLetter]:
    """Return what a sink could not hand over, by its place, each record once.

    Raises:
        UnknownReasonError: Sinks give up nothing for that reason.
    """
    check_reason(reason, SINK_REASONS)
    return raw_letters(lake, Chosen(f"{SINK_LETTERS}{sink}", reason, since, until))


def record_of(letter: RawLetter) -> StoredRecord:
    """Return the record of a letter as it stood on its topic, as far as the letter tells."""
    at = -1 if letter.record_timestamp is None else round(letter.record_timestamp.timestamp() * 1000)
    headers = [] if letter.event_id is None else [(EVENT_ID, letter.event_id.encode())]
    key = None if letter.key is None else letter.key.encode()
    return StoredRecord(letter.topic, letter.partition, letter.offset, at, key, letter.value, headers)
