"""The columns of a feature in slow, plain Python, each computed anew from the key's events before it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from reference_statistics import RULE_11, Expected, Value, finite, quantile, statistic_of

LEAST_VALUES = 11


@dataclass(frozen=True)
class Folded:
    """An event of the key's history: at which clock it counts, and its inputs."""

    event_id: str
    clock_ms: int
    inputs: Mapping[str, Value]
    time_ms: int = 0


def columns_of(feature: Mapping[str, Any], history: Sequence[Folded], current: Folded) -> dict[str, Expected]:
    ((kind, part),) = feature.items()
    where = part.get("where")
    # Rule 6: `where` filters before lags and row windows count; the row is emitted all the same.
    counted = [e for e in history if where is None or e.inputs[where] is True]
    counts = where is None or current.inputs[where] is True
    found = _KINDS[kind](part, History(counted, current, counts))
    return {name + (f"_where_{where}" if where else ""): expected for name, expected in found.items()}


@dataclass(frozen=True)
class History:
    """The events that count before the present one, and whether that counts, too."""

    before: Sequence[Folded]
    current: Folded
    current_counts: bool

    def values(
        self, of: str, over: str, *, exclude_current: bool, resolution: str | None = None
    ) -> list[tuple[Folded, Any]]:
        """Return the events in the window whose value is not null, oldest first, with their values."""
        events = list(self.before)
        if self.current_counts and not exclude_current:
            events.append(self.current)
        if "row" in over:
            events = events[-int(over.split()[0]) :]
        else:
            # (t − w, t], or the panes p with p·r > ⌊t/r⌋·r − w
            pane = length_ms(resolution) if resolution else 1
            begin = self.current.clock_ms // pane * pane
            events = [e for e in events if e.clock_ms // pane * pane > begin - length_ms(over)]
        return [(e, _as_number(e.inputs[of])) for e in events if e.inputs[of] is not None]


def _since_last(_: Mapping[str, Any], history: History) -> dict[str, Expected]:
    before = history.before
    seconds = (history.current.clock_ms - before[-1].clock_ms) / 1000 if before else None
    return {"since_last_seconds": Expected(seconds)}


_CYCLES = {
    "minute_of_day": (0, 1440), "hour": (0, 24), "day_of_week": (1, 7), "day": (1, 31), "week": (1, 53),
    "day_of_year": (1, 366), "month": (1, 12), "quarter": (1, 4),
}  # fmt: skip


def _calendar(part: Mapping[str, Any], history: History) -> dict[str, Expected]:
    local = _local(history.current, part.get("zone", "UTC"))
    parts = {
        "minute_of_day": local.hour * 60 + local.minute,
        "hour": local.hour,
        "day_of_week": local.isoweekday(),
        "day": local.day,
        "week": local.isocalendar().week,
        "day_of_year": local.timetuple().tm_yday,
        "month": local.month,
        "quarter": (local.month + 2) // 3,
    }
    columns = {}
    for name in part["take"]:
        columns[name] = Expected(parts[name])
        if part.get("cyclic"):
            origin, period = _CYCLES[name]
            angle = 2 * math.pi * (parts[name] - origin) / period
            columns[f"{name}_sin"] = Expected(math.sin(angle), 1e-12)
            columns[f"{name}_cos"] = Expected(math.cos(angle), 1e-12)
    return columns


def _local(event: Folded, zone: str) -> datetime:
    return datetime.fromtimestamp(event.time_ms / 1000, UTC).astimezone(ZoneInfo(zone))


def _as_number(value: Value) -> Value:
    return int(value) if isinstance(value, bool) else value


def _lags(part: Mapping[str, Any], history: History) -> dict[str, Expected]:
    columns = {}
    for of in part["of"]:
        now = _as_number(history.current.inputs[of])
        found = {}
        for k in part.get("steps", ()):
            before = history.before
            found[str(k)] = _as_number(before[-k].inputs[of] if k <= len(before) else None)
        for ago in part.get("ago", ()):
            # The last event at or before that instant.
            old = [e for e in history.before if e.clock_ms <= history.current.clock_ms - length_ms(ago)]
            found[ago] = _as_number(old[-1].inputs[of] if old else None)
        for name, value in found.items():
            for take in part.get("take", ["value"]):
                word, computed = _TAKES[take]
                both = now is not None and value is not None
                columns[f"{of}_{word}_{name}"] = Expected(computed(now, value) if both or take == "value" else None)
    return columns


def _quotient(a: Any, b: Any) -> Value:
    return finite(float(a) / float(b)) if b else None


_TAKES: dict[str, tuple[str, Callable[[Any, Any], Value]]] = {
    "value": ("lag", lambda _, value: value),
    "difference": ("minus_lag", lambda now, value: finite(float(now) - float(value))),
    "ratio": ("per_lag", _quotient),
}


def _windows(part: Mapping[str, Any], history: History) -> dict[str, Expected]:
    exclude = part.get("exclude_current", False)
    columns = {}
    for of in part["of"]:
        for over in part["over"]:
            values = history.values(of, over, exclude_current=exclude, resolution=part.get("resolution"))
            for statistic in part["take"]:
                name = f"{of}_{statistic.replace('.', '_')}_{over.replace(' ', '_')}{'_before' if exclude else ''}"
                if statistic == "ewma":
                    columns[name] = _ewma(values, length_ms(part["half_life"]), history.current.clock_ms)
                elif statistic == "slope":
                    columns[name] = _slope(values)
                else:
                    columns[name] = statistic_of(statistic, [value for _, value in values])
    return columns


def _ewma(values: Sequence[tuple[Folded, Any]], half_life_ms: int, clock_ms: int) -> Expected:
    if not values:
        return Expected(None)
    weights = [2.0 ** (-(clock_ms - e.clock_ms) / half_life_ms) for e, _ in values]
    numbers = [float(value) for _, value in values]
    mean = math.fsum(w * x for w, x in zip(weights, numbers, strict=True)) / math.fsum(weights)
    return Expected(mean, RULE_11 * max(map(abs, numbers)))


def _slope(values: Sequence[tuple[Folded, Any]]) -> Expected:
    seconds = [Fraction(e.clock_ms, 1000) for e, _ in values]
    if len(set(seconds)) < 2:
        return Expected(None)
    numbers = [Fraction(float(value)) for _, value in values]
    time_mean, mean = sum(seconds) / len(seconds), sum(numbers) / len(numbers)
    squares = sum((t - time_mean) ** 2 for t in seconds)
    products = sum((t - time_mean) * (x - mean) for t, x in zip(seconds, numbers, strict=True))
    largest = max(abs(float(x)) for x in numbers)
    spread = math.sqrt(squares / len(seconds))
    return Expected(float(products / squares), math.inf if largest > 1e100 else RULE_11 * largest / spread)


def length_ms(over: str) -> int:
    """Return the milliseconds of `10ms`, `5s`."""
    return int(over[:-2]) if over.endswith("ms") else int(over[:-1]) * 1000


def _zscores(part: Mapping[str, Any], history: History) -> dict[str, Expected]:
    columns = {}
    for of in part["of"]:
        for over in part["over"]:
            values = [value for _, value in history.values(of, over, exclude_current=True)]
            now = _as_number(history.current.inputs[of])
            score = None
            if len(values) >= LEAST_VALUES and now is not None:
                std = statistic_of("std", values).value
                mean = statistic_of("mean", values).value
                if std and isinstance(std, float) and isinstance(mean, float):
                    score = finite((float(now) - mean) / std)
            columns[f"{of}_zscore_{over.replace(' ', '_')}"] = Expected(score, math.nan)
    return columns


def _tukey(part: Mapping[str, Any], values: Sequence[Any]) -> tuple[float, float] | None:
    """Return the fences, or None where there are too few values."""
    if len(values) < LEAST_VALUES:
        return None
    low, high = quantile(values, Fraction(1, 4)), quantile(values, Fraction(3, 4))
    k = part.get("k", 1.5)
    return low - k * (high - low), high + k * (high - low)


def _fences(part: Mapping[str, Any], history: History) -> dict[str, Expected]:
    columns = {}
    for of in part["of"]:
        for over in part["over"]:
            values = [value for _, value in history.values(of, over, exclude_current=True)]
            low, high = _tukey(part, values) or (None, None)
            columns[f"{of}_fence_low_{over.replace(' ', '_')}"] = Expected(None if low is None else finite(low))
            columns[f"{of}_fence_high_{over.replace(' ', '_')}"] = Expected(None if high is None else finite(high))
    return columns


def _outliers(part: Mapping[str, Any], history: History) -> dict[str, Expected]:
    columns = {}
    for of in part["of"]:
        now = _as_number(history.current.inputs[of])
        x = None if now is None else float(now)
        if "log" in part["policy"]:
            log = None if x is None else math.copysign(math.log1p(abs(x)), x) if x else 0.0
            columns[f"{of}_log"] = Expected(log, 1e-9 * max(1.0, abs(log or 0)))
        for over in part.get("over", ()):
            values = [value for _, value in history.values(of, over, exclude_current=True)]
            fences = _tukey(part, values)
            flag = None if fences is None or x is None else x < fences[0] or x > fences[1]
            capped = x if fences is None or x is None else min(max(x, fences[0]), fences[1])
            if "flag" in part["policy"]:
                columns[f"{of}_outlier_{over.replace(' ', '_')}"] = Expected(flag)
            if "cap" in part["policy"]:
                columns[f"{of}_capped_{over.replace(' ', '_')}"] = Expected(finite(capped))
    return columns


def _rarities(part: Mapping[str, Any], history: History) -> dict[str, Expected]:
    columns = {}
    for of in part["of"]:
        now = _as_number(history.current.inputs[of])
        for over in part["over"]:
            values = [value for _, value in history.values(of, over, exclude_current=True)]
            share = values.count(now) / len(values) if values and now is not None else None
            columns[f"{of}_rarity_{over.replace(' ', '_')}"] = Expected(share)
    return columns


def _baselines(part: Mapping[str, Any], history: History) -> dict[str, Expected]:
    def hour_of_week(event: Folded) -> tuple[int, int]:
        local = _local(event, part.get("zone", "UTC"))
        return local.isoweekday(), local.hour

    columns = {}
    for of in part["of"]:
        now = _as_number(history.current.inputs[of])
        for over in part["over"]:
            alike = [
                float(value)
                for event, value in history.values(of, over, exclude_current=True)
                if hour_of_week(event) == hour_of_week(history.current)
            ]
            residual = None
            tolerance = 0.0
            if alike and now is not None:
                residual = finite(float(now) - math.fsum(alike) / len(alike))
                tolerance = RULE_11 * (math.fsum(map(abs, alike)) / len(alike) + abs(float(now)))
            columns[f"{of}_baseline_{over.replace(' ', '_')}"] = Expected(residual, tolerance)
    return columns


def _ratios(part: Mapping[str, Any], history: History) -> dict[str, Expected]:
    columns = {}
    for of in part["of"]:
        for statistic in part["take"]:
            for over in part["over"]:
                for per in part["per"]:
                    short, long = (
                        statistic_of(statistic, [v for _, v in history.values(of, extent, exclude_current=False)])
                        for extent in (over, per)
                    )
                    ratio = None
                    if short.value is not None and long.value:
                        ratio = _quotient(float(short.value), float(long.value))
                    name = f"{of}_{statistic}_{over.replace(' ', '_')}_per_{per.replace(' ', '_')}"
                    columns[name] = Expected(ratio, math.nan if short.tolerance or long.tolerance else 0.0)
    return columns


EARTH_RADIUS_KM = 6371.0088


def _kilometres(a: Sequence[Value], b: Sequence[Value]) -> float | None:
    if any(one is None for one in (*a, *b)):
        return None
    (phi, lam), (to_phi, to_lam) = ([math.radians(float(one or 0)) for one in place] for place in (a, b))
    cosine = math.sin(phi) * math.sin(to_phi) + math.cos(phi) * math.cos(to_phi) * math.cos(to_lam - lam)
    sine = math.hypot(
        math.cos(to_phi) * math.sin(to_lam - lam),
        math.cos(phi) * math.sin(to_phi) - math.sin(phi) * math.cos(to_phi) * math.cos(to_lam - lam),
    )
    # Vincenty's formula on a sphere: another one than the engines', good for any two places.
    return EARTH_RADIUS_KM * math.atan2(sine, cosine)


def _distances(part: Mapping[str, Any], history: History) -> dict[str, Expected]:
    inputs = history.current.inputs
    return {
        part["name"]: Expected(
            _kilometres([inputs[name] for name in part["from"]], [inputs[name] for name in part["to"]]), 1e-5
        )
    }


def _travels(part: Mapping[str, Any], history: History) -> dict[str, Expected]:
    km = speed = None
    if history.before:
        last = history.before[-1]
        here, there = ([e.inputs[name] for name in part["place"]] for e in (history.current, last))
        km = _kilometres(there, here)
        seconds = (history.current.clock_ms - last.clock_ms) / 1000
        speed = km * 3600 / seconds if km is not None and seconds else None
    return {"travel_km": Expected(km, 1e-5), "travel_km_per_hour": Expected(speed, math.nan)}


_KINDS: dict[str, Callable[[Mapping[str, Any], History], dict[str, Expected]]] = {
    "lag": _lags,
    "window": _windows,
    "ratio": _ratios,
    "zscore": _zscores,
    "fences": _fences,
    "outlier": _outliers,
    "rarity": _rarities,
    "baseline": _baselines,
    "since_last": _since_last,
    "calendar": _calendar,
    "distance": _distances,
    "travel": _travels,
}
