"""Figures over time: what a number does from step to step, what it repeats, how far back it is worth to look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
from numpy.typing import NDArray

from headrace_lake.profile.columns import SAMPLE
from headrace_lake.views import quoted

MOST_STEPS = 600
MOST_LAGS = 200
KEY_LAGS = 20

_STEPS_SECONDS = (1, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 604_800)
_FEWEST_PAIRS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Season:
    """What a number is at each hour of the day, or day of the week.

    Attributes:
        mean: Its mean at each, from hour 0 or Monday; None: no value.
        low: Its 25 % quantile at each.
        high: Its 75 % quantile at each.
    """

    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class SeriesFigures:
    """What a numeric column does over time; all times are UTC.

    Attributes:
        column: Its name.
        step_seconds: Length of a step.
        starts: When each step begins.
        means: Mean of the column in each step; None: no value.
        rows: Rows in each step.
        autocorrelation: Of the means, at 1, 2, … steps; None: fewer than 10 pairs.
        noise: An autocorrelation within ± this may be chance (95 %).
        key_autocorrelation: Of the values of a key, at 1, 2, … events back, over a sample of whole keys.
        hours: By hour of the day.
        days: By day of the week, from Monday.
    """

    column: str
    step_seconds: int
    starts: tuple[datetime, ...]
    means: tuple[float | None, ...]
    rows: tuple[int, ...]
    autocorrelation: tuple[float | None, ...]
    noise: float
    key_autocorrelation: tuple[float | None, ...]
    hours: Season
    days: Season

    def strongest_lags(self, most: int = 3) -> list[int]:
        """Return the lags, in steps, at which the autocorrelation peaks above its noise, the strongest first.

        Of about the same strength the shorter is first: a day is seen again after two.
        """
        found = [value if value is not None else -1.0 for value in self.autocorrelation]
        peaks = [
            (-round(value, 1), lag)
            for lag, (before, value, after) in enumerate(
                zip([-1.0, *found], found, [*found[1:], -1.0], strict=False), start=1
            )
            if value > self.noise and value >= before and value > after
        ]
        return [lag for _, lag in sorted(peaks)[:most]]


def series_figures(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, time: str, key: str | None, every_nth_key: int
) -> SeriesFigures | None:
    """Return what a column of a table does over time; None when it has no values in two instants.

    Args:
        connection: Holds the table.
        table: Its name, as SQL writes it.
        column: A numeric column.
        time: A column of timestamps.
        key: What a sequence is counted by; None: the table has no key.
        every_nth_key: 1 reads all keys, 10 every tenth: of those, all rows are read.
    """
    at, value = f"epoch_us({quoted(time)}::TIMESTAMPTZ)", f"{quoted(column)}::DOUBLE"
    rows = f"(SELECT {at} AS t, {value} AS v FROM {table} WHERE {at} IS NOT NULL AND isfinite({value}))"
    low, high = connection.execute(f"SELECT min(t), max(t) FROM {rows}").fetchall()[0]
    if low is None or low == high:
        return None
    step = _step_seconds((high - low) / 1e6)
    found = connection.execute(
        f"SELECT t // {step * 1_000_000} AS at, avg(v), count(*) FROM {rows} GROUP BY 1 ORDER BY 1"
    ).fetchall()
    first, steps = found[0][0], found[-1][0] - found[0][0] + 1
    means, counts = np.full(steps, np.nan), np.zeros(steps, dtype=np.int64)
    for place, mean, count in found:
        means[place - first], counts[place - first] = mean, count
    return SeriesFigures(
        column,
        step,
        tuple(_EPOCH + timedelta(seconds=(first + n) * step) for n in range(steps)),
        _plain(means),
        tuple(counts.tolist()),
        autocorrelation(means, min(MOST_LAGS, steps // 2)),
        1.96 / float(np.sqrt(max(int(np.isfinite(means).sum()), 1))),
        () if key is None else _key_autocorrelation(connection, table, column, time, key, every_nth_key),
        _season(connection, "hour", 24, column, time),
        _season(connection, "isodow", 7, column, time),
    )


def autocorrelation(values: NDArray[np.float64], lags: int) -> tuple[float | None, ...]:
    """Return the correlation of values with those 1 to `lags` steps before; steps without a value are left out."""
    found: list[float | None] = []
    for lag in range(1, lags + 1):
        before, now = values[:-lag], values[lag:]
        both = np.isfinite(before) & np.isfinite(now)
        before, now = before[both], now[both]
        if len(now) < _FEWEST_PAIRS or before.std() == 0 or now.std() == 0:
            found.append(None)
        else:
            found.append(float(np.corrcoef(before, now)[0, 1]))
    return tuple(found)


def _key_autocorrelation(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, time: str, key: str, every_nth_key: int
) -> tuple[float | None, ...]:
    lags = range(1, KEY_LAGS + 1)
    lagged = ", ".join(f"lag(v, {k}) OVER w AS b{k}" for k in lags)
    pairs = ", ".join(f"corr(v, b{k}), count(b{k})" for k in lags)
    (found,) = connection.execute(
        f"SELECT {pairs} FROM (SELECT v, {lagged} FROM (SELECT {quoted(key)} AS k, {quoted(time)} AS t, "
        f"{quoted(column)}::DOUBLE AS v FROM {table}) WHERE isfinite(v) AND hash(k) % {every_nth_key} = 0 "
        "WINDOW w AS (PARTITION BY k ORDER BY t))"
    ).fetchall()
    return tuple(
        float(r) if r is not None and np.isfinite(r) and n >= _FEWEST_PAIRS else None
        for r, n in zip(found[::2], found[1::2], strict=True)
    )


def _season(connection: duckdb.DuckDBPyConnection, part: str, parts: int, column: str, time: str) -> Season:
    first = 0 if parts == 24 else 1
    found = {
        at - first: (mean, *quartiles)
        for at, mean, quartiles in connection.execute(
            f"SELECT date_part('{part}', {quoted(time)}::TIMESTAMPTZ), avg({quoted(column)}::DOUBLE), "
            f"quantile_cont({quoted(column)}::DOUBLE, [0.25, 0.75]) FROM {SAMPLE} "
            f"WHERE isfinite({quoted(column)}::DOUBLE) AND {quoted(time)} IS NOT NULL GROUP BY 1"
        ).fetchall()
    }
    none = (None, None, None)
    mean, low, high = (tuple(found.get(at, none)[which] for at in range(parts)) for which in range(3))
    return Season(mean, low, high)


def _step_seconds(span_seconds: float) -> int:
    return next((step for step in _STEPS_SECONDS if span_seconds / step <= MOST_STEPS), _longest(span_seconds))


def _longest(span_seconds: float) -> int:
    week = _STEPS_SECONDS[-1]
    return week * (int(span_seconds / week / MOST_STEPS) + 1)


def _plain(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else float(value) for value in values)
