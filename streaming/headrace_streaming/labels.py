"""Labels → records of a join: each with the event that it is about, and the instant from which it may be known."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from headrace_ingestion.accepted import values_to_send
from headrace_ingestion.codec import compile_encoder, compile_parser
from headrace_ingestion.durations import duration_ms, format_duration
from headrace_ingestion.errors import EventError, Reason
from headrace_ingestion.headers import CONTRACT, EVENT_ID
from headrace_ingestion.joined import TOLD, JoinedContract, label_field
from headrace_ingestion.records import Parsed, Record, Refused
from headrace_ingestion.timestamps import format_timestamp, timestamp_ms

from headrace_streaming.outgoing import Outgoing, StoppedTurn, Turn, Turned, with_headers

log = logging.getLogger(__name__)

BATCH_EVERY_MS = 1_000
"""Shortest time between two look-ups of events, each of which goes through a whole table."""
_FIRST_LOOK_SECONDS = 1.0
_LONGEST_LOOK_SECONDS = 10.0

FindEvents = Callable[[Collection[str]], Mapping[str, tuple[Mapping[str, Any], int]]]
"""Event ids → of those that are there, the fields as the SDK takes them, and the record timestamp in milliseconds."""


class Around(NamedTuple):
    """What is around a turn.

    Attributes:
        prefix: What stands before every topic of the project.
        dead_letters: Name of the topic of dead letters.
        wait: Waits for so many seconds; true when the process is to stop.
        clock: Seconds that only grow.
    """

    prefix: str
    dead_letters: str
    wait: Callable[[float], bool]
    clock: Callable[[], float] = time.monotonic


@dataclass
class _Batch:
    """Labels that are read together."""

    labels: list[tuple[Record, Parsed]] = field(default_factory=list)
    refused: int = 0


def label_turn(contract: JoinedContract, find: FindEvents, around: Around) -> Turn:
    """Return what turns labels into records of their join, or into dead letters where their event does not come.

    A batch waits until all events are there, or its time is over; the process that calls it does nothing else
    meanwhile.

    Args:
        contract: The join.
        find: Looks events up.
        around: What is around it.
    """
    label = contract.label_contract
    parse, make = compile_parser(label), _record(contract, around.prefix)
    dead = _dead_letter(contract, around.dead_letters)

    def turn(records: Sequence[Record]) -> Turned:
        batch = _Batch()
        for record in records:
            parsed = parse(record)
            if isinstance(parsed, Refused):
                batch.refused += 1
            else:
                batch.labels.append((record, parsed))
        found = _found({parsed.fields[contract.by] for _, parsed in batch.labels}, contract, find, around)
        turned = Turned(refused=batch.refused)
        for record, parsed in batch.labels:
            event = found.get(parsed.fields[contract.by])
            turned.records.append(dead(record, parsed) if event is None else _made(make, dead, record, parsed, event))
        return turned

    return turn


def _found(
    ids: set[str], contract: JoinedContract, find: FindEvents, around: Around
) -> dict[str, tuple[Mapping[str, Any], int]]:
    """Return the events that are there before the time is over.

    Raises:
        StoppedTurn: The process is to stop.
    """
    until = around.clock() + contract.wait.total_seconds()
    found = dict(find(ids)) if ids else {}
    pause = _FIRST_LOOK_SECONDS
    while (missing := ids - found.keys()) and (left := until - around.clock()) > 0:
        log.info("%d labels of %s wait for their event", len(missing), contract.name)
        if around.wait(min(pause, left)):
            raise StoppedTurn
        pause = min(pause * 2, _LONGEST_LOOK_SECONDS)
        found |= find(missing)
    return found


_Make = Callable[[Record, Parsed, tuple[Mapping[str, Any], int]], Outgoing]
_Dead = Callable[..., Outgoing]


def _made(make: _Make, dead: _Dead, record: Record, parsed: Parsed, event: tuple[Mapping[str, Any], int]) -> Outgoing:
    try:
        return make(record, parsed, event)
    except EventError as error:
        # The lake holds events of earlier versions, which may lack what this one demands.
        return dead(record, parsed, error.reason, error.detail)


def _record(contract: JoinedContract, prefix: str) -> _Make:
    label, to = contract.label_contract, contract.to_contract
    encode, to_send = compile_encoder(contract.of_records()), values_to_send(label)
    topic, delay_ms = contract.topic(prefix), duration_ms(contract.delay)
    names = {name: label_field(label, to, name) for name in label.fields}

    def make(record: Record, parsed: Parsed, event: tuple[Mapping[str, Any], int]) -> Outgoing:
        about, recorded_ms = event
        visible_ms = max(parsed.event_time_ms, timestamp_ms(about[to.time]) + delay_ms)
        fields = {
            **about,
            **{names[name]: value for name, value in to_send(parsed.fields).items()},
            TOLD: format_timestamp(parsed.event_time_ms),
            contract.time: format_timestamp(visible_ms),
        }
        encoded = encode(fields)
        headers = with_headers(record, {EVENT_ID: parsed.event_id, CONTRACT: contract.label})
        # Neither of the two was known before its own record.
        return Outgoing(topic, encoded.key, encoded.value, headers, max(record.timestamp, recorded_ms))

    return make


def _dead_letter(contract: JoinedContract, topic: str) -> _Dead:
    waited = format_duration(contract.wait)

    def dead(record: Record, parsed: Parsed, reason: Reason = "unmatched", detail: str | None = None) -> Outgoing:
        letter = {
            "reason": reason,
            "detail": detail
            or f"field '{contract.by}' names no event '{contract.to_contract.name}' that came within {waited}",
            "event": contract.label_contract.name,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "record_timestamp_ms": record.timestamp,
            "event_id": parsed.event_id,
            "key": parsed.key,
            "value": None if record.value is None else base64.b64encode(record.value).decode(),
            "recorded_at_ms": time.time_ns() // 1_000_000,
        }
        return Outgoing(topic, parsed.key.encode(), orjson.dumps(letter), (), -1)

    return dead
