"""The features in Python: exactly those of the semantics page, for the windows and lags of the benchmark."""

import math

import pytest

from headrace.bench.contestants.quix_features import WINDOWS_MS, History

MINUTE_MS = 60_000


def test_lags_are_null_until_there_are_events_enough() -> None:
    history = History()
    rows = [history.add(number * MINUTE_MS, float(number)) for number in range(4)]
    assert [rows[2][f"duration_s_lag_{step}"] for step in (1, 2, 3)] == [1.0, 0.0, None]
    assert [rows[3][f"duration_s_lag_{step}"] for step in (1, 2, 3)] == [2.0, 1.0, 0.0]


def test_a_lag_reaches_behind_the_longest_window() -> None:
    history = History()
    history.add(0, 7.0)
    row = history.add(3 * WINDOWS_MS["24h"], 8.0)
    assert row["duration_s_lag_1"] == 7.0
    assert row["duration_s_count_24h"] == 1


def test_an_event_at_the_lower_end_of_a_window_is_outside() -> None:
    history = History()
    history.add(0, 1.0)
    assert history.add(WINDOWS_MS["5m"] - 1, 2.0)["duration_s_count_5m"] == 2
    assert history.add(WINDOWS_MS["5m"], 3.0)["duration_s_count_5m"] == 2


def test_statistics_are_those_of_the_window() -> None:
    history = History()
    for number, value in enumerate((1.0, 2.0, 6.0)):
        row = history.add(number, value)
    found = {name: row[f"duration_s_{name}_1h"] for name in ("count", "sum", "mean", "std", "max")}
    assert found == {"count": 3, "sum": 9.0, "mean": 3.0, "std": pytest.approx(math.sqrt(14 / 3)), "max": 6.0}


def test_the_deviation_of_equal_values_is_zero() -> None:
    history = History()
    for number in range(3):
        row = history.add(number, 0.1)
    assert row["duration_s_std_5m"] == 0.0


def test_an_event_that_is_older_counts_at_the_clock_of_its_key() -> None:
    history = History()
    history.add(10 * MINUTE_MS, 1.0)
    assert history.add(0, 2.0)["duration_s_count_5m"] == 2


def test_a_history_is_the_same_after_it_was_packed() -> None:
    history = History()
    for number in range(5):
        history.add(number * MINUTE_MS, number / 3)
    assert History.unpack(history.pack()) == history
    assert History.unpack(None) == History()


def test_what_no_window_and_no_lag_needs_is_forgotten() -> None:
    history = History()
    for number in range(50):
        history.add(number * MINUTE_MS, 1.0)
    history.add(10 * WINDOWS_MS["24h"], 1.0)
    assert len(history.clocks_ms) == 4
