"""Records of one topic → records of others: how events get into topics by another key, and into merges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from headrace_ingestion.accepted import values_to_send
from headrace_ingestion.clock import SystemClock
from headrace_ingestion.codec import compile_encoder, compile_parser
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import Reason
from headrace_ingestion.headers import CONTRACT, EVENT_ID
from headrace_ingestion.joined import TOLD
from headrace_ingestion.merged import EVENT, MergedContract, merged_id
from headrace_ingestion.records import Headers, Parsed, Record, Refused
from headrace_ingestion.rekeyed import RekeyedContract
from headrace_ingestion.timestamps import format_timestamp
from headrace_lake.letters import dead_letter, letter_key


class Source(NamedTuple):
    """What an outgoing record is made of.

    Attributes:
        record: The record.
        event: Name of its event.
        parsed: What it holds.
    """

    record: Record
    event: str
    parsed: Parsed


class Outgoing(NamedTuple):
    """A record that is to be written.

    Attributes:
        topic: Name of the topic.
        key: The Kafka key; None: it has none.
        value: The value.
        headers: The headers.
        timestamp_ms: The record timestamp in milliseconds since 1970; -1 when it has none.
        source: What it is made of; None: it is a dead letter.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    source: Source | None = None


@dataclass
class Turned:
    """What becomes of records.

    Attributes:
        records: What is to be written, in order.
        refused: How many records are left out.
    """

    records: list[Outgoing] = field(default_factory=list)
    refused: int = 0


def letter_of(source: Source, reason: Reason, detail: str, topic: str) -> Outgoing:
    """Return the dead letter of a record that cannot become what it should.

    Args:
        source: The record.
        reason: Why, in a word.
        detail: Why, in a sentence.
        topic: Name of the topic of dead letters.
    """
    record, event, parsed = source
    key, now_ms = parsed.key.encode(), SystemClock().now_ms()
    letter = dead_letter(record, reason, detail, event=event, event_id=parsed.event_id, key=key, now_ms=now_ms)
    return Outgoing(topic, letter_key(letter, key), orjson.dumps(letter), (), -1)


class StoppedTurn(Exception):  # noqa: N818  (no error: the process is to stop)
    """A turn was given up because the process is to stop; nothing of it counts."""


Turn = Callable[[Sequence[Record]], Turned]
"""Turns records of one partition into what is to be written; all of it, or nothing, counts."""

_Copy = Callable[[Record, Parsed], Outgoing]


def copies(
    events: Mapping[str, Contract],
    rekeyed: Iterable[RekeyedContract],
    merged: Iterable[MergedContract] = (),
    prefix: str = "",
) -> dict[str, Turn]:
    """Return topic → what its records become.

    A record that the contract refuses is left out: who reads the event by its own key has recorded it as a dead letter.

    Args:
        events: All events by name.
        rekeyed: Those of them that are written by another key.
        merged: Merges.
        prefix: What stands before every topic of the project.
    """
    found: dict[str, list[_Copy]] = {}
    read: dict[str, Contract] = {}

    def add(source: Contract, copy: _Copy) -> None:
        topic = source.topic(prefix)
        read[topic] = source
        found.setdefault(topic, []).append(copy)

    for contract in rekeyed:
        add(events[contract.name], _by_key(contract.name, contract.key, contract.topic(prefix)))
    for merge in merged:
        for source in merge.sources:
            add(source, _into_merge(merge, source, merge.topic(prefix)))
    return {topic: _turn(read[topic], made) for topic, made in found.items()}


def _turn(contract: Contract, made: Sequence[_Copy]) -> Turn:
    parse = compile_parser(contract)

    def turn(records: Sequence[Record]) -> Turned:
        turned = Turned()
        for record in records:
            parsed = parse(record)
            if isinstance(parsed, Refused):
                turned.refused += 1
            else:
                turned.records += [copy(record, parsed) for copy in made]
        return turned

    return turn


def _by_key(event: str, key_field: str, topic: str) -> _Copy:
    def copy(record: Record, parsed: Parsed) -> Outgoing:
        # Value and timestamp stay; an id that its place gave it becomes a header.
        headers = with_headers(record, {EVENT_ID: parsed.event_id})
        key = str(parsed.fields[key_field]).encode()
        return Outgoing(topic, key, record.value, headers, record.timestamp, Source(record, event, parsed))

    return copy


def _into_merge(merge: MergedContract, source: Contract, topic: str) -> _Copy:
    encode, to_send = compile_encoder(merge.of_records()), values_to_send(source)
    own = {EVENT: source.name}
    label = merge.label

    def copy(record: Record, parsed: Parsed) -> Outgoing:
        fields: dict[str, Any] = {**to_send(parsed.fields), **own, merge.time: format_timestamp(parsed.event_time_ms)}
        if merge.progress == TOLD:
            fields[TOLD] = format_timestamp(parsed.fields[source.progress])
        encoded = encode(fields)
        headers = with_headers(record, {EVENT_ID: merged_id(source.name, parsed.event_id), CONTRACT: label})
        made_of = Source(record, source.name, parsed)
        return Outgoing(topic, encoded.key, encoded.value, headers, record.timestamp, made_of)

    return copy


def with_headers(record: Record, changed: Mapping[str, str]) -> Headers:
    """Return the headers of a record, some of them replaced or added."""
    kept = [header for header in record.headers if header[0] not in changed]
    return [*kept, *((name, text.encode()) for name, text in changed.items())]
