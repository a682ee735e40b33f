"""The semantics of a feature row in slow, plain Python, written from the semantics page and from nothing else.

Every row is computed anew from the list of the key's events before it; sums and deviations are exact.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

Value = float | int | str | bool | None
Expression = Callable[[Mapping[str, Any]], Value]

RULE_11 = 1e-9
LEAST_VALUES_OF_A_ZSCORE = 11


@dataclass(frozen=True)
class Event:
    """An accepted event: `fields` holds the contract's fields but for key and time."""

    key: str
    event_id: str
    offset: int
    time_ms: int
    fields: Mapping[str, Value]


@dataclass(frozen=True)
class Expected:
    """A value, and how far an engine may be off; `math.inf` where nothing follows."""

    value: Value
    tolerance: float = 0.0


@dataclass
class Row:
    """What becomes of one event."""

    event: Event
    clock_ms: int
    generation: int
    is_duplicate: bool
    is_late: bool
    columns: dict[str, Expected] = field(default_factory=dict)


@dataclass(frozen=True)
class Folded:
    """An event of the key's history: at which clock it counts, and its inputs."""

    event_id: str
    clock_ms: int
    inputs: Mapping[str, Value]


@dataclass
class Rules:
    """A declaration as the reference reads it: plain data with times in milliseconds, and its SQL as Python
    functions."""

    features: Sequence[Mapping[str, Any]]
    dedup_ms: int
    retain_ms: int
    derive: Mapping[str, Expression] = field(default_factory=dict)
    expressions: Mapping[str, Expression] = field(default_factory=dict)


def reference_rows(rules: Rules, events: Sequence[Event]) -> list[Row]:
    """Return what becomes of each event, in the order of the events."""
    by_key: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda e: e.offset):
        by_key.setdefault(event.key, []).append(event)
    rows = [row for of_key in by_key.values() for row in _rows_of_key(rules, of_key)]
    return sorted(rows, key=lambda row: row.event.offset)


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
        current = Folded(event.event_id, clock_ms, _inputs(rules, event))
        row = Row(event, clock_ms, generation, False, is_late)
        for feature in rules.features:
            row.columns.update(_columns(feature, history, current, event.time_ms))
        names = {**current.inputs, **{name: expected.value for name, expected in row.columns.items()}}
        for name, expression in rules.expressions.items():
            row.columns[name] = Expected(_finite(expression(names)))
            names[name] = row.columns[name].value
        rows.append(row)
        history.append(current)
    return rows


def _inputs(rules: Rules, event: Event) -> dict[str, Value]:
    inputs = dict(event.fields)
    for name, expression in rules.derive.items():
        inputs[name] = _finite(expression(inputs))
    return inputs


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _columns(
    feature: Mapping[str, Any], history: Sequence[Folded], current: Folded, time_ms: int
) -> dict[str, Expected]:
    ((kind, part),) = feature.items()
    if kind == "lag":
        return _lags(part, history)
    if kind == "window":
        return _windows(part, history, current)
    if kind == "zscore":
        return _zscores(part, history, current)
    if kind == "since_last":
        seconds = (current.clock_ms - history[-1].clock_ms) / 1000 if history else None
        return {"since_last_seconds": Expected(seconds)}
    local = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(ZoneInfo(part.get("zone", "UTC")))
    parts = {"hour": local.hour, "day_of_week": local.isoweekday()}
    return {name: Expected(parts[name]) for name in part["take"]}


def _as_number(value: Value) -> Value:
    return int(value) if isinstance(value, bool) else value


def _lags(part: Mapping[str, Any], history: Sequence[Folded]) -> dict[str, Expected]:
    return {
        f"{of}_lag_{k}": Expected(_as_number(history[-k].inputs[of]) if k <= len(history) else None)
        for of in part["of"]
        for k in part["steps"]
    }


def _windows(part: Mapping[str, Any], history: Sequence[Folded], current: Folded) -> dict[str, Expected]:
    exclude = part.get("exclude_current", False)
    columns = {}
    for of in part["of"]:
        for over in part["over"]:
            values = _values(of, over, history, current, exclude_current=exclude)
            for statistic in part["take"]:
                name = f"{of}_{statistic}_{over.replace(' ', '_')}{'_before' if exclude else ''}"
                columns[name] = _statistic(statistic, values)
    return columns


def _values(of: str, over: str, history: Sequence[Folded], current: Folded, *, exclude_current: bool) -> list[Any]:
    """Return the values in the window that are not null."""
    events = list(history) if exclude_current else [*history, current]
    if "row" in over:
        rows = int(over.split()[0])
        events = events[-rows:]
    else:
        # (t − w, t]
        events = [e for e in events if e.clock_ms > current.clock_ms - length_ms(over)]
    return [_as_number(e.inputs[of]) for e in events if e.inputs[of] is not None]


def length_ms(over: str) -> int:
    """Return the milliseconds of `10ms`, `5s`."""
    return int(over[:-2]) if over.endswith("ms") else int(over[:-1]) * 1000


def _statistic(statistic: str, values: Sequence[Any]) -> Expected:
    if statistic == "count":
        return Expected(len(values))
    if statistic == "sum":
        return Expected(_sum(values), RULE_11 * _sum([abs(float(v)) for v in values]))
    if not values:
        return Expected(None)
    if statistic == "min":
        return Expected(min(values))
    if statistic == "max":
        return Expected(max(values))
    if statistic == "mean":
        return Expected(_sum(values) / len(values), RULE_11 * _sum([abs(float(v)) for v in values]) / len(values))
    if min(values) == max(values):
        return Expected(0.0)
    return Expected(
        max(statistics.pstdev([float(v) for v in values]), 5e-324), RULE_11 * max(abs(float(v)) for v in values)
    )


def _sum(values: Sequence[Any]) -> float:
    return math.fsum(float(v) for v in values)


def _zscores(part: Mapping[str, Any], history: Sequence[Folded], current: Folded) -> dict[str, Expected]:
    columns = {}
    for of in part["of"]:
        for over in part["over"]:
            values = _values(of, over, history, current, exclude_current=True)
            now = _as_number(current.inputs[of])
            score = None
            if len(values) >= LEAST_VALUES_OF_A_ZSCORE and now is not None:
                std = _statistic("std", values).value
                mean = _statistic("mean", values).value
                if std and isinstance(std, float) and isinstance(mean, float):
                    score = _finite((float(now) - mean) / std)
            columns[f"{of}_zscore_{over.replace(' ', '_')}"] = Expected(score, math.nan)
    return columns
