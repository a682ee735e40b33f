"""Labels → records of a join: each with the event that it is about, and the instant from which it may be known."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from headrace_ingestion.accepted import values_to_send
from headrace_ingestion.codec import compile_encoder, compile_parser
from headrace_ingestion.durations import duration_ms, format_duration
from headrace_ingestion.errors import EventError
from headrace_ingestion.headers import CONTRACT, EVENT_ID
from headrace_ingestion.joined import TOLD, JoinedContract, label_field
from headrace_ingestion.records import Parsed, Record
from headrace_ingestion.timestamps import format_timestamp, timestamp_ms

from headrace_streaming.outgoing import Outgoing, Source, StoppedTurn, Turn, Turned, letter_of, with_headers

log = logging.getLogger(__name__)

BATCH_EVERY_MS = 1_000
"""Shortest time between two look-ups of events, each of which goes through a whole table."""
_FIRST_LOOK_SECONDS = 1.0
_LONGEST_LOOK_SECONDS = 10.0

_Event = tuple[Mapping[str, Any], int]
FindEvents = Callable[[Collection[str]], Mapping[str, _Event]]
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
    unmatched = (
        f"field '{contract.by}' names no event '{contract.to_contract.name}'"
        f" that came within {format_duration(contract.wait)}"
    )

    def made(source: Source, event: _Event | None) -> Outgoing:
        if event is None:
            return letter_of(source, "unmatched", unmatched, around.dead_letters)
        try:
            return make(source, event)
        except EventError as error:
            # The lake holds events of earlier versions, which may lack what this one demands.
            return letter_of(source, error.reason, error.detail, around.dead_letters)

    def turn(records: Sequence[Record]) -> Turned:
        read = [(record, parse(record)) for record in records]
        labels = [Source(record, label.name, one) for record, one in read if isinstance(one, Parsed)]
        found = _found({one.parsed.fields[contract.by] for one in labels}, contract, find, around)
        turned = [made(one, found.get(one.parsed.fields[contract.by])) for one in labels]
        return Turned(turned, refused=len(read) - len(labels))

    return turn


def _found(ids: set[str], contract: JoinedContract, find: FindEvents, around: Around) -> dict[str, _Event]:
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


def _record(contract: JoinedContract, prefix: str) -> Callable[[Source, _Event], Outgoing]:
    label, to = contract.label_contract, contract.to_contract
    encode, to_send = compile_encoder(contract.of_records()), values_to_send(label)
    topic, delay_ms = contract.topic(prefix), duration_ms(contract.delay)
    names = {name: label_field(label, to, name) for name in label.fields}

    def make(source: Source, event: _Event) -> Outgoing:
        (record, _, parsed), (about, recorded_ms) = source, event
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
        return Outgoing(topic, encoded.key, encoded.value, headers, max(record.timestamp, recorded_ms), source)

    return make
