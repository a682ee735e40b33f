"""Percentiles, summaries, ratios and interpolated CPU time."""

import pytest

from headrace.bench.cpu import cpu_seconds_between
from headrace.bench.figures import percentile, ratios, summary


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, quantile) for quantile in (0.001, 0.5, 0.9, 0.99, 1.0)] == [1, 50, 90, 99, 100]


def test_the_p99_of_few_values_is_the_largest() -> None:
    assert percentile([1.0, 2.0, 9.0], 0.99) == 9.0


@pytest.mark.parametrize("quantile", [0.0, -0.1, 1.1])
def test_a_quantile_out_of_range_is_refused(quantile: float) -> None:
    with pytest.raises(ValueError, match=f"quantile must be above 0 and at most 1, got {quantile}"):
        percentile([1.0], quantile)


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a percentile needs at least one value"):
        percentile([], 0.5)


def test_a_summary_sorts_and_rounds() -> None:
    assert summary([3.00049, 1.0, 2.0]) == {"p50": 2.0, "p90": 3.0, "p99": 3.0, "max": 3.0}


def test_a_summary_of_nothing_is_empty() -> None:
    assert summary([]) == {}


def test_a_ratio_is_one_of_medians() -> None:
    rates = {"a": [90.0, 100.0, 900.0], "b": [50.0, 40.0, 60.0], "c": []}
    assert ratios(rates, [("a", "b"), ("a", "c"), ("d", "a")]) == {"a/b": 2.0}


def test_cpu_time_is_interpolated_between_samples() -> None:
    samples = [(10.0, 1.0), (12.0, 3.0), (14.0, 3.5)]
    assert cpu_seconds_between(samples, 11_000, 13_000) == pytest.approx(3.25 - 2.0)


def test_cpu_time_outside_the_samples_is_that_of_the_nearest_one() -> None:
    samples = [(10.0, 1.0), (12.0, 3.0)]
    assert cpu_seconds_between(samples, 0, 99_000) == 2.0
    assert cpu_seconds_between([], 0, 1000) == 0.0
