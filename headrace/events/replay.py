"""Files as a stream again: rows in order, at their pace or as fast as the broker takes them, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from heapq import merge
from typing import Any, NamedTuple

from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import EventError
from headrace_ingestion.producer import Producer
from headrace_ingestion.timestamps import parse_timestamp, timestamp_ms

from headrace.events.check import NOT_A_ROW, RefusedRow
from headrace.events.checkpoint import Checkpoint, Progress
from headrace.events.errors import ReplayInterruptedError
from headrace.events.in_flight import InFlight
from headrace.events.mapping import FieldPlan
from headrace.events.pacing import Pacer
from headrace.events.rows import Row, read_rows
from headrace.events.sources import Source

SETTLE_EVENTS = 500
SAVE_SECONDS = 1.0
SHOWN_REFUSALS = 10
_INTERRUPT_SECONDS = 5.0

OnProgress = Callable[[int, int, int], None]
"""Called with the bytes read, the bytes in all, and the events sent."""


@dataclass(frozen=True)
class ReplayFile:
    """One file of a replay: the file, how its rows become events, and what its ids begin with."""

    source: Source
    plan: FieldPlan
    digest: str


@dataclass(frozen=True)
class Selection:
    """Which rows are sent.

    Attributes:
        start: Events before this are left out.
        end: Events at or after this are left out.
        limit: Most events that are sent, those of resumed runs included.
    """

    start: datetime | None = None
    end: datetime | None = None
    limit: int | None = None


@dataclass
class ReplayReport:
    """What a replay did.

    Attributes:
        event: Name of the event.
        files: Number of files.
        sent: Events that the broker acknowledged, in this run.
        resumed_after: Events that earlier runs of the same replay had sent.
        refused: Rows that the contract refused; they stand nowhere but in their file.
        left_out: Rows outside `start` and `end`.
        ignored: Columns that the contract does not have.
        refusals: The first refused rows.
        seconds: How long it took.
        events_per_second: Rate of what was sent.
    """

    event: str
    files: int = 0
    sent: int = 0
    resumed_after: int = 0
    refused: int = 0
    left_out: int = 0
    ignored: list[str] = field(default_factory=list)
    refusals: list[RefusedRow] = field(default_factory=list)
    seconds: float = 0.0
    events_per_second: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


class _Event(NamedTuple):
    time_ms: int
    file: int
    row: Row
    fields: dict[str, Any]
    event_id: str


class Replay:
    """One run of a replay.

    Args:
        contract: Contract of the event.
        files: The files, in the order in which they are sent.
        producer: Sends; stays open.
        checkpoint: Where the progress is recorded.
        selection: Which rows are sent.
        pacer: Holds events back; with it the files are merged by event time. None: file after file, without a pause.
        say: Told once of every column that is ignored.
        on_progress: Told of the progress now and then.
        flush_seconds: How long the last answers may take.
    """

    def __init__(
        self,
        contract: Contract,
        files: list[ReplayFile],
        producer: Producer,
        checkpoint: Checkpoint,
        *,
        selection: Selection | None = None,
        pacer: Pacer | None = None,
        say: Callable[[str], None] = lambda text: None,
        on_progress: OnProgress = lambda done_bytes, total_bytes, sent: None,
        flush_seconds: float = 120.0,
    ) -> None:
        chosen = selection or Selection()
        self._contract = contract
        self._files = files
        self._producer = producer
        self._checkpoint = checkpoint
        self._limit = chosen.limit
        self._start_ms = None if chosen.start is None else timestamp_ms(chosen.start)
        self._end_ms = None if chosen.end is None else timestamp_ms(chosen.end)
        self._pacer = pacer
        self._say = say
        self._on_progress = on_progress
        self._flush_seconds = flush_seconds
        self._report = ReplayReport(contract.name, len(files))
        self._done_bytes = [0] * len(files)
        self._total_bytes = sum(file.source.size_bytes for file in files)
        self._saved_at = 0.0

    def run(self, done: Progress | None = None) -> ReplayReport:
        """Send what is left and return what was done.

        Args:
            done: What earlier runs have sent; None: nothing.

        Raises:
            SourceError: A file cannot be read to its end.
            DeliveryError: An event could not be delivered; the checkpoint says what was.
            QueueFullError: The broker took nothing for too long.
            ReplayInterruptedError: It was interrupted; the checkpoint says what was sent.
        """
        began = self._saved_at = time.monotonic()
        before = done or Progress((0,) * len(self._files))
        self._read = list(before.next_rows)
        self._in_flight = InFlight(before)
        self._report.resumed_after = before.sent
        for file in self._files:
            self._ignore(file.source, file.plan.ignored)
        try:
            self._send_all(before)
        except KeyboardInterrupt:
            self._producer.flush(_INTERRUPT_SECONDS)
            self._in_flight.settle()
            raise self._interrupted() from None
        finally:
            self._save()
            self._report.sent = self._in_flight.progress.sent - before.sent
            self._report.seconds = time.monotonic() - began
            self._report.events_per_second = self._report.sent / max(self._report.seconds, 1e-9)
        return self._report

    def _send_all(self, before: Progress) -> None:
        left = None if self._limit is None else self._limit - before.sent
        streams = [self._events(number, before.next_rows[number]) for number in range(len(self._files))]
        ordered = merge(*streams, key=lambda event: event.time_ms) if self._pacer else _chain(streams)
        for event in ordered:
            if left is not None and len(self._in_flight) + self._in_flight.progress.sent - before.sent >= left:
                break
            self._send(event)
        else:
            self._await_answers()
            self._in_flight.finish(self._read)
            return
        self._await_answers()

    def _send(self, event: _Event) -> None:
        if self._pacer is not None:
            self._settle()
            self._pacer.wait(event.time_ms)
        file = self._files[event.file]
        # One trace for a file, one span for a row: nothing random, so a repeat looks the same.
        trace = f"00-{file.digest}{file.digest}-{event.row.number + 1:016x}-00"
        try:
            delivery = self._producer.send(
                self._contract.name, event.fields, event_id=event.event_id, timestamp_ms=event.time_ms, trace=trace
            )
        except EventError as error:
            self._refuse(RefusedRow(str(file.source.path), event.row.line, error.reason, error.detail))
            return
        self._in_flight.add(delivery, event.file, event.row.number)
        if len(self._in_flight) % SETTLE_EVENTS == 0:
            self._settle()

    def _events(self, number: int, skip: int) -> Iterator[_Event]:
        """Yield the events of a file; what is no event is counted on the way."""
        file = self._files[number]
        plan, source, time_field = file.plan, file.source, self._contract.time
        newest_ms = 0
        for chunk in read_rows(source, plan.columns, skip):
            for row in chunk.rows:
                self._read[number] = row.number + 1
                if row.values is None:
                    self._refuse(RefusedRow(str(source.path), row.line, NOT_A_ROW, row.problem))
                    continue
                if source.format == "jsonl":
                    self._ignore(source, plan.unread(row.values))
                fields = plan.fields(row.values)
                time_ms = _event_time_ms(fields.get(time_field))
                if time_ms is not None:
                    if not self._is_chosen(time_ms):
                        self._report.left_out += 1
                        continue
                    newest_ms = time_ms
                event_id = plan.event_id(row.values) or f"{file.digest}-{row.number}"
                # An event without a readable time is refused by the contract, in its turn.
                yield _Event(newest_ms, number, row, fields, event_id)
            self._done_bytes[number] = chunk.done_bytes
            self._on_progress(sum(self._done_bytes), self._total_bytes, self._in_flight.progress.sent)

    def _is_chosen(self, time_ms: int) -> bool:
        if self._start_ms is not None and time_ms < self._start_ms:
            return False
        return self._end_ms is None or time_ms < self._end_ms

    def _settle(self) -> None:
        self._in_flight.settle()
        if time.monotonic() - self._saved_at > SAVE_SECONDS:
            self._save()

    def _save(self) -> None:
        self._checkpoint.save(self._in_flight.progress)
        self._saved_at = time.monotonic()

    def _await_answers(self) -> None:
        self._producer.flush(self._flush_seconds)
        self._in_flight.settle()
        if len(self._in_flight):
            raise self._interrupted(f"the broker has not answered for {len(self._in_flight):,} events")

    def _refuse(self, row: RefusedRow) -> None:
        self._report.refused += 1
        if len(self._report.refusals) < SHOWN_REFUSALS:
            self._report.refusals.append(row)

    def _ignore(self, source: Source, columns: tuple[str, ...] | list[str]) -> None:
        new = [column for column in columns if column not in self._report.ignored]
        if new:
            self._report.ignored += new
            event = self._contract.name
            self._say(f"{source.path}: the event {event!r} has no field for {', '.join(new)}: ignored")

    def _interrupted(self, why: str = "") -> ReplayInterruptedError:
        sent = self._in_flight.progress.sent
        return ReplayInterruptedError(
            f"the replay of {self._contract.name!r} was interrupted after {sent:,} acknowledged events",
            {"why": why, "recorded in": str(self._checkpoint.path)},
            "the same command with --resume",
        )


def _chain(streams: list[Iterator[_Event]]) -> Iterator[_Event]:
    for stream in streams:
        yield from stream


def _event_time_ms(value: object) -> int | None:
    if isinstance(value, datetime):
        return timestamp_ms(value) if value.tzinfo is not None else None
    return parse_timestamp(value) if isinstance(value, str) else None
