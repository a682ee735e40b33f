"""Figures of repeated measurements: medians, percentiles, ratios."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

QUANTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}


def percentile(ascending: Sequence[float], quantile: float) -> float:
    """Return the nearest-rank percentile: the smallest value that at least this share of all values does not exceed.

    Args:
        ascending: The values, sorted, at least one.
        quantile: Share, above 0 and at most 1.

    Raises:
        ValueError: There is no value, or `quantile` is out of range.
    """
    if not ascending:
        raise ValueError("a percentile needs at least one value")
    if not 0 < quantile <= 1:
        raise ValueError(f"quantile must be above 0 and at most 1, got {quantile}")
    return ascending[math.ceil(quantile * len(ascending)) - 1]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p90, p99 and max of the values, in their unit, rounded to three decimals. Empty without values."""
    if not values:
        return {}
    ascending = sorted(values)
    shown = {name: percentile(ascending, quantile) for name, quantile in QUANTILES.items()}
    return {name: round(value, 3) for name, value in {**shown, "max": ascending[-1]}.items()}


def ratios(rates: Mapping[str, Sequence[float]], pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Return `a/b` → median of a's rates over median of b's, for the pairs whose rates are both there.

    Args:
        rates: Name → its rates, one a round.
        pairs: Which to compare.
    """
    return {
        f"{one}/{other}": round(median(rates[one]) / median(rates[other]), 3)
        for one, other in pairs
        if rates.get(one) and rates.get(other)
    }
