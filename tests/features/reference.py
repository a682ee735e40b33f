"""The semantics of a feature row in slow, plain Python, written from the semantics page and from nothing else.

Every row is computed anew from the list of the key's events before it; sums and deviations are exact.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reference_columns import Folded, columns_of
from reference_statistics import Expected, Value, finite

Expression = Callable[[Mapping[str, Any]], Value]


@dataclass(frozen=True)
class Event:
    """An accepted event: `fields` holds the contract's fields but for key and time.

    A label that may be known only later than it came was told before its time.
    """

    key: str
    event_id: str
    offset: int
    time_ms: int
    fields: Mapping[str, Value]
    told_ms: int | None = None

    @property
    def progress_ms(self) -> int:
        """How far time has come with it."""
        return self.time_ms if self.told_ms is None else self.told_ms


@dataclass
class Row:
    """What becomes of one event."""

    event: Event
    clock_ms: int
    generation: int
    is_duplicate: bool
    is_late: bool
    columns: dict[str, Expected] = field(default_factory=dict)
    is_left_out: bool = False

    @property
    def has_row(self) -> bool:
        """Rule 1: a row of each event that is neither a duplicate nor left out as late."""
        return not self.is_duplicate and not self.is_left_out


@dataclass
class Rules:
    """A declaration as the reference reads it: plain data with times in milliseconds, and its SQL as Python
    functions."""

    features: Sequence[Mapping[str, Any]]
    dedup_ms: int
    retain_ms: int
    derive: Mapping[str, Expression] = field(default_factory=dict)
    expressions: Mapping[str, Expression] = field(default_factory=dict)
    lateness_ms: int | None = None
    """None: by arrival."""
    seam: int | None = None
    """Events below this offset are history that a backfill has given its rows: none of them was late."""


def reference_rows(rules: Rules, events: Sequence[Event]) -> list[Row]:
    """Return what becomes of each event, in the order of the events."""
    arrived = sorted(events, key=lambda e: e.offset)
    passed = {} if rules.lateness_ms is None else passed_by(arrived, rules.lateness_ms, rules.seam or 0)
    by_key: dict[str, list[Event]] = {}
    for event in arrived:
        if event.offset not in passed:
            by_key.setdefault(event.key, []).append(event)
    if rules.lateness_ms is not None:
        # Rule 4: by event time, then by offset.
        by_key = {key: sorted(of_key, key=lambda e: (e.time_ms, e.offset)) for key, of_key in by_key.items()}
    rows = [row for of_key in by_key.values() for row in _rows_of_key(rules, of_key)]
    rows += [Row(e, passed[e.offset], -1, False, True, is_left_out=True) for e in arrived if e.offset in passed]
    return sorted(rows, key=lambda row: row.event.offset)


def passed_by(events: Sequence[Event], lateness_ms: int, seam: int = 0) -> dict[int, int]:
    """Return offset → watermark of those that are late (rule 4, one partition): time ≤ the newest before − lateness.

    Behind a seam, all that lies before its newest event has gone on. For the watermark, labels count when they were
    told.
    """
    history = [event.progress_ms for event in events if event.offset < seam]
    given_on = max(history) if history else None
    newest: int | None = None
    found = {}
    for event in events[len(history) :]:
        passed = [] if newest is None else [newest]
        passed += [] if given_on is None else [given_on + lateness_ms]
        if passed and event.time_ms <= max(passed) - lateness_ms:
            found[event.offset] = max(passed)
        newest = event.progress_ms if newest is None else max(newest, event.progress_ms)
    return found


def _rows_of_key(rules: Rules, events: Sequence[Event]) -> list[Row]:
    rows = []
    history: list[Folded] = []
    clock_ms: int | None = None
    generation = 0
    for event in events:
        # Rule 3: the clock is the running maximum of the event times.
        would_be_ms = event.time_ms if clock_ms is None else max(clock_ms, event.time_ms)
        # Rule 10: a jump by more than `retain` empties everything.
        if clock_ms is not None and would_be_ms - clock_ms > rules.retain_ms:
            generation += 1
            history = []
        # Rule 9: folded in within `dedup`, inclusive.
        if any(f.event_id == event.event_id and would_be_ms - f.clock_ms <= rules.dedup_ms for f in history):
            rows.append(Row(event, would_be_ms, generation, True, False))
            continue
        is_late = clock_ms is not None and event.time_ms < clock_ms
        clock_ms = would_be_ms
        current = Folded(event.event_id, clock_ms, _inputs(rules, event), event.time_ms)
        row = Row(event, clock_ms, generation, False, is_late)
        for feature in rules.features:
            row.columns.update(columns_of(feature, history, current))
        names = {**current.inputs, **{name: expected.value for name, expected in row.columns.items()}}
        for name, expression in rules.expressions.items():
            row.columns[name] = Expected(finite(expression(names)))
            names[name] = row.columns[name].value
        rows.append(row)
        history.append(current)
    return rows


def _inputs(rules: Rules, event: Event) -> dict[str, Value]:
    inputs = dict(event.fields)
    for name, expression in rules.derive.items():
        inputs[name] = finite(expression(inputs))
    return inputs
