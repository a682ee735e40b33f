"""The statistics of the semantics page in slow, plain Python: sums and deviations are exact."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Value = float | int | str | bool | None
RULE_11 = 1e-9


@dataclass(frozen=True)
class Expected:
    """A value, and how far an engine may be off; `math.inf` where nothing follows."""

    value: Value
    tolerance: float = 0.0


def finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def statistic_of(statistic: str, values: Sequence[Any]) -> Expected:
    if statistic == "count":
        return Expected(len(values))
    if statistic == "sum":
        return Expected(_sum(values), RULE_11 * _sum([abs(float(v)) for v in values]))
    if statistic == "distinct":
        return Expected(len(set(values)))
    if not values:
        return Expected(None)
    if statistic == "median" or statistic[0] == "p":
        return Expected(quantile(values, Fraction(1, 2) if statistic == "median" else Fraction(statistic[1:]) / 100))
    return _OF_SOME[statistic](values)


def _mean(values: Sequence[Any]) -> Expected:
    return Expected(_sum(values) / len(values), RULE_11 * _sum([abs(float(v)) for v in values]) / len(values))


def _std(values: Sequence[Any]) -> Expected:
    if min(values) == max(values):
        return Expected(0.0)
    return Expected(
        max(statistics.pstdev([float(v) for v in values]), 5e-324), RULE_11 * max(abs(float(v)) for v in values)
    )


_OF_SOME: dict[str, Callable[[Sequence[Any]], Expected]] = {
    "first": lambda values: Expected(values[0]),
    "last": lambda values: Expected(values[-1]),
    "min": lambda values: Expected(min(values)),
    "max": lambda values: Expected(max(values)),
    "range": lambda values: Expected(float(max(values)) - float(min(values))),
    "mean": _mean,
    "std": _std,
    "skew": lambda values: _skew([float(v) for v in values]),
}


def quantile(values: Sequence[Any], q: Fraction) -> float:
    ordered = sorted(float(v) for v in values)
    rank = (len(ordered) - 1) * q
    low = ordered[math.floor(rank)]
    if rank.denominator == 1:
        return low
    return low + (ordered[math.floor(rank) + 1] - low) * float(rank - math.floor(rank))


def _skew(values: Sequence[float]) -> Expected:
    if len(values) < 3 or min(values) == max(values):
        return Expected(None)
    largest = max(map(abs, values))
    if not 1e-100 <= largest <= 1e100:
        return Expected(None, math.inf)
    exact = [Fraction(v) for v in values]
    mean = sum(exact) / len(exact)
    squares = sum((x - mean) ** 2 for x in exact) / len(exact)
    cubes = sum((x - mean) ** 3 for x in exact) / len(exact)
    scaled = Fraction(largest)
    deviation = math.sqrt(squares / scaled**2)
    return Expected(float(cubes / scaled**3) / deviation**3, RULE_11 / deviation**3)


def _sum(values: Sequence[Any]) -> float:
    return math.fsum(float(v) for v in values)
