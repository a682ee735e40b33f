"""What each kind of entry under `features` adds to the columns of a view."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, cast

from headrace_ingestion.contract import FieldType
from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.durations import duration_ms

from headrace_features.columns import NUMERIC, VALUES, WHOLE, Columns, statistic_type
from headrace_features.entries import (
    Baseline,
    Calendar,
    CalendarPart,
    Distance,
    Expression,
    Fences,
    Filtered,
    Lag,
    Outlier,
    Part,
    Rarity,
    Ratio,
    SinceLast,
    Travel,
    Window,
    ZScore,
)
from headrace_features.extents import Over
from headrace_features.statistics import quantile_of
from headrace_features.view import KernelFeature, KernelOperation

LEAST_VALUES = 11
"""Fewer earlier values are too few to judge a spread by."""

_OF_ANYTHING: tuple[FieldType, ...] = (*VALUES, "timestamp")
_MOST_HALF_LIVES = 256
"""A window may be so many half-lives long: what lies beyond weighs nothing."""

_PERIODS: dict[CalendarPart, tuple[int, int]] = {
    "minute_of_day": (0, 1440), "hour": (0, 24), "day_of_week": (1, 7), "day": (1, 31), "week": (1, 53),
    "day_of_year": (1, 366), "month": (1, 12), "quarter": (1, 4),
}  # fmt: skip
"""First value and number of values of a part, for the angle of the cyclic form."""

_SIDES = {"low": "lower", "high": "upper"}


def add_feature(columns: Columns, part: Part) -> None:
    """Add the columns of one entry.

    Raises:
        DeclarationProblem: It does not fit the event, or a name is taken.
    """
    _KINDS[type(part)](columns, part)


def _filter(part: Filtered) -> str:
    return f" where {part.where}" if part.where else ""


def _judged_by(part: Fences, over: Over) -> str:
    return f", over {over.text}, k = {part.k:g}{_filter(part)}"


def _lag(columns: Columns, part: Lag) -> None:
    where, suffix = columns.where(part.where, part.suffix)
    for of in part.of:
        kind = columns.read(of, "lag", VALUES)
        for step in part.steps:
            feature = KernelFeature(f"{of}_lag_{step}{suffix}", "lag", WHOLE[kind], of=of, where=where, steps=step)
            _lagged(columns, part, feature, f"lag_{step}{suffix}")
        for ago in part.ago:
            name = f"{of}_lag_{ago.suffix}{suffix}"
            feature = KernelFeature(name, "ago", WHOLE[kind], of=of, where=where, ago=ago)
            _lagged(columns, part, feature, f"lag_{ago.suffix}{suffix}")


def _lagged(columns: Columns, part: Lag, feature: KernelFeature, end: str) -> None:
    of = str(feature.of)
    if "value" in part.take:
        columns.add(feature)
    if set(part.take) == {"value"}:
        return
    columns.read(of, "the difference or ratio of a lag", NUMERIC)
    columns.hide(feature)
    if "difference" in part.take:
        columns.express(f"{of}_minus_{end}", f"({columns.number(of)}) - {feature.name}", f"{of} less {feature.name}")
    if "ratio" in part.take:
        words = f"{of} divided by {feature.name}"
        columns.express(f"{of}_per_{end}", f"({columns.number(of)}) / {feature.name}", words)


def _statistic(
    columns: Columns, of: str, statistic: str, over: Over, ends: tuple[str | None, str], half_life_ms: int = 0
) -> KernelFeature:
    """Return the column of a statistic; `ends` are the filter and the end of the name."""
    fitting = {"count": _OF_ANYTHING, "distinct": VALUES, "first": VALUES, "last": VALUES}.get(statistic, NUMERIC)
    kind = columns.read(of, f"{statistic} of a window", fitting)
    where, end = ends
    quantile = quantile_of(statistic)
    name = f"{of}_{statistic.replace('.', '_')}_{over.suffix}{end}"
    operation = cast(KernelOperation, "quantile" if quantile else statistic)
    return KernelFeature(
        name,
        operation,
        statistic_type(statistic, kind),
        of=of,
        over=over,
        where=where,
        exclude_current=end.startswith("_before"),
        quantile=quantile or (1, 2),
        half_life_ms=half_life_ms if statistic == "ewma" else 0,
    )


def _window(columns: Columns, part: Window) -> None:
    where, suffix = columns.where(part.where, part.suffix)
    ends = (where, ("_before" if part.exclude_current else "") + suffix)
    half_life_ms = duration_ms(part.half_life) if part.half_life else 0
    resolution_ms = duration_ms(part.resolution) if part.resolution else 0
    overs = [over.model_copy(update={"resolution_ms": resolution_ms}) for over in part.over]
    for of in part.of:
        for over in overs:
            for statistic in part.take:
                if statistic == "ewma":
                    _check_decay(columns, over, half_life_ms)
                columns.add(_statistic(columns, of, statistic, over, ends, half_life_ms))


def _check_decay(columns: Columns, over: Over, half_life_ms: int) -> None:
    if over.rows or half_life_ms == 0 or over.length_ms > _MOST_HALF_LIVES * half_life_ms:
        raise DeclarationProblem(
            f"'ewma' over {over.text} does not fit its half-life",
            {"expected": f"a window of time that is at most {_MOST_HALF_LIVES} half-lives long"},
            "over: 1h with half_life: 10m",
            (*columns.place, "half_life"),
        )


def _ratio(columns: Columns, part: Ratio) -> None:
    ends = columns.where(part.where, part.suffix)
    for of in part.of:
        for statistic in part.take:
            if statistic == "ewma":
                raise DeclarationProblem("a ratio does not take 'ewma'", {}, "take: mean", (*columns.place, "take"))
            columns.read(of, f"{statistic} of a ratio", NUMERIC)
            for over in part.over:
                for per in part.per:
                    short, long = (
                        columns.hide(_statistic(columns, of, statistic, extent, ends)) for extent in (over, per)
                    )
                    label = statistic.replace(".", "_")
                    name = f"{of}_{label}_{over.suffix}_per_{per.suffix}{ends[1]}"
                    words = f"{statistic} of {of}, that over {over.text} divided by that over {per.text}{_filter(part)}"
                    columns.express(name, f"{short} / {long}", words)


def _before(
    columns: Columns, of: str, over: Over, statistics: tuple[str, ...], ends: tuple[str | None, str]
) -> Iterator[str]:
    """Have statistics of the values before the event computed, and yield the names of their columns."""
    where, suffix = ends
    for statistic in statistics:
        yield columns.hide(_statistic(columns, of, statistic, over, (where, f"_before{suffix}")))


def _zscore(columns: Columns, part: ZScore) -> None:
    ends = columns.where(part.where, part.suffix)
    for of in part.of:
        columns.read(of, "zscore", NUMERIC)
        for over in part.over:
            count, mean, std = _before(columns, of, over, ("count", "mean", "std"), ends)
            sql = f"CASE WHEN {count} >= {LEAST_VALUES} THEN ({columns.number(of)} - {mean}) / {std} END"
            words = f"deviations of {of} from the mean of those before, over {over.text}{_filter(part)}"
            columns.express(f"{of}_zscore_{over.suffix}{ends[1]}", sql, words)


def _fences_of(
    columns: Columns, part: Fences, of: str, over: Over, ends: tuple[str | None, str]
) -> tuple[str, str, str]:
    """Return the SQL of the number of values before, and of the fences."""
    count, low, high = _before(columns, of, over, ("count", "p25", "p75"), ends)
    return count, f"({low} - {part.k!r} * ({high} - {low}))", f"({high} + {part.k!r} * ({high} - {low}))"


def _fences(columns: Columns, part: Fences) -> None:
    ends = columns.where(part.where, part.suffix)
    for of in part.of:
        columns.read(of, "fences", NUMERIC)
        for over in part.over:
            count, *fences = _fences_of(columns, part, of, over, ends)
            for side, fence in zip(("low", "high"), fences, strict=True):
                sql = f"CASE WHEN {count} >= {LEAST_VALUES} THEN {fence} END"
                words = f"{_SIDES[side]} fence of {of}{_judged_by(part, over)}"
                columns.express(f"{of}_fence_{side}_{over.suffix}{ends[1]}", sql, words)


def _outlier(columns: Columns, part: Outlier) -> None:
    ends = columns.where(part.where, part.suffix)
    for of in part.of:
        columns.read(of, "outlier", NUMERIC)
        x = f"({columns.number(of)})"
        if "log" in part.policy:
            sql = f"CASE WHEN {x} >= 0 THEN ln(1 + {x}) ELSE - ln(1 - {x}) END"
            columns.express(f"{of}_log{ends[1]}", sql, f"sign(x)·ln(1 + |x|) of {of}")
        for over in part.over:
            count, low, high = _fences_of(columns, part, of, over, ends)
            end = f"{over.suffix}{ends[1]}"
            if "flag" in part.policy:
                sql = f"CASE WHEN {count} >= {LEAST_VALUES} THEN {x} < {low} OR {x} > {high} END"
                words = f"whether {of} lies outside its fences{_judged_by(part, over)}"
                columns.express(f"{of}_outlier_{end}", sql, words)
            if "cap" in part.policy:
                whens = f"WHEN {x} < {low} THEN {low} WHEN {x} > {high} THEN {high}"
                sql = f"CASE WHEN {count} < {LEAST_VALUES} THEN {x} {whens} ELSE {x} END"
                words = f"{of} brought to its nearer fence{_judged_by(part, over)}"
                columns.express(f"{of}_capped_{end}", sql, words)


def _rarity(columns: Columns, part: Rarity) -> None:
    where, suffix = columns.where(part.where, part.suffix)
    for of in part.of:
        columns.read(of, "rarity", VALUES)
        for over in part.over:
            name = f"{of}_rarity_{over.suffix}{suffix}"
            columns.add(KernelFeature(name, "rarity", "double", of=of, over=over, where=where, exclude_current=True))


def _baseline(columns: Columns, part: Baseline) -> None:
    where, suffix = columns.where(part.where, part.suffix)
    for of in part.of:
        columns.read(of, "baseline", NUMERIC)
        for over in part.over:
            zone = "" if part.zone == "UTC" else "_" + _word(part.zone)
            mean = columns.hide(
                KernelFeature(
                    f"{of}_hour_of_week_mean_{over.suffix}_before{zone}{suffix}",
                    "group_mean",
                    "double",
                    of=of,
                    over=over,
                    where=where,
                    exclude_current=True,
                    zone=part.zone,
                )
            )
            words = f"{of} less its mean in the same hour of the week, over {over.text}, {part.zone}{_filter(part)}"
            columns.express(f"{of}_baseline_{over.suffix}{suffix}", f"({columns.number(of)}) - {mean}", words)


def _word(zone: str) -> str:
    """Return the name of a zone as a part of the name of a column."""
    return re.sub(r"\W", "_", zone.lower().replace("+", "_plus_").replace("-", "_minus_"))


def _since_last(columns: Columns, part: SinceLast) -> None:
    where, suffix = columns.where(part.where, part.suffix)
    columns.add(KernelFeature(f"since_last_seconds{suffix}", "since_last", "double", where=where))


def _calendar(columns: Columns, part: Calendar) -> None:
    for piece in part.take:
        columns.add(KernelFeature(piece, "calendar", "long", piece=piece, zone=part.zone))
        if part.cyclic:
            for wave in ("sin", "cos"):
                operation = cast(Literal["cyclic_sin", "cyclic_cos"], f"cyclic_{wave}")
                columns.add(KernelFeature(f"{piece}_{wave}", operation, "double", piece=piece, zone=part.zone))


def _distance(columns: Columns, part: Distance) -> None:
    for field, place in (("from", part.from_), ("to", part.to)):
        for name in place:
            columns.read(name, "a place", ("double",), field)
    columns.add(KernelFeature(part.name, "distance", "double", place=(*part.from_, *part.to)))


def _travel(columns: Columns, part: Travel) -> None:
    for name in part.place:
        columns.read(name, "a place", ("double",), "place")
    columns.add(KernelFeature(f"{part.name}_km", "travel", "double", place=part.place))
    seconds = columns.hide(KernelFeature("since_last_seconds", "since_last", "double"))
    columns.express(f"{part.name}_km_per_hour", f"{part.name}_km * 3600 / {seconds}", f"{part.name}_km by the hour")


def _expression(columns: Columns, part: Expression) -> None:
    columns.express(part.name, part.sql, part.sql, "sql")


_KINDS: dict[type[Any], Callable[[Columns, Any], None]] = {
    Lag: _lag,
    Window: _window,
    Ratio: _ratio,
    ZScore: _zscore,
    Fences: _fences,
    Outlier: _outlier,
    Rarity: _rarity,
    Baseline: _baseline,
    SinceLast: _since_last,
    Calendar: _calendar,
    Distance: _distance,
    Travel: _travel,
    Expression: _expression,
}


def cyclic_period(piece: CalendarPart) -> tuple[int, int]:
    """Return the first value of a part of the time, and how many there are."""
    return _PERIODS[piece]
