"""What is said of the columns of a view."""

from pathlib import Path
from typing import Any

import pytest
from headrace_features.column_words import words_of
from headrace_features.statistics import STATISTICS
from headrace_features.view import View
from view_cases import load_declaration


def view_of(folder: Path, *features: dict[str, Any], **more: Any) -> View:
    head = {"name": "v", "source": "reading", "key": "series", "ttl": "1h"}
    return load_declaration({**head, "features": list(features), **more}, folder)


CASES: list[tuple[dict[str, Any], dict[str, str]]] = [
    (
        {"lag": {"of": "x", "steps": [1, 2], "ago": "1h", "take": ["value", "difference", "ratio"]}},
        {
            "x_lag_1": "x, 1 event before",
            "x_minus_lag_1": "x less x_lag_1",
            "x_per_lag_1": "x divided by x_lag_1",
            "x_lag_2": "x, 2 events before",
            "x_minus_lag_2": "x less x_lag_2",
            "x_per_lag_2": "x divided by x_lag_2",
            "x_lag_1h": "x, 1h before",
            "x_minus_lag_1h": "x less x_lag_1h",
            "x_per_lag_1h": "x divided by x_lag_1h",
        },
    ),
    (
        {"window": {"of": "x", "over": ["1h", "50 rows"], "take": ["count", "p99.9"]}},
        {
            "x_count_1h": "number of values of x over 1h",
            "x_p99_9_1h": "p99.9 of x over 1h",
            "x_count_50_rows": "number of values of x over 50 rows",
            "x_p99_9_50_rows": "p99.9 of x over 50 rows",
        },
    ),
    (
        {"window": {"of": "x", "over": "1h", "take": ["median", "ewma"], "half_life": "10m", "exclude_current": True}},
        {
            "x_median_1h_before": "median of x over 1h, this event left out",
            "x_ewma_1h_before": "mean of x, weights halving every 10m, over 1h, this event left out",
        },
    ),
    (
        {"window": {"of": "x", "over": "1h", "take": "sum", "where": "x > 100", "suffix": "large"}},
        {"x_sum_1h_where_large": "sum of x over 1h where x > 100"},
    ),
    (
        {"ratio": {"of": "x", "take": "mean", "over": "1h", "per": "24h", "where": "b"}},
        {"x_mean_1h_per_24h_where_b": "mean of x, that over 1h divided by that over 24h where b"},
    ),
    (
        {"zscore": {"of": "x", "over": "24h"}},
        {"x_zscore_24h": "deviations of x from the mean of those before, over 24h"},
    ),
    (
        {"fences": {"of": "x", "over": "24h", "k": 3}},
        {
            "x_fence_low_24h": "lower fence of x, over 24h, k = 3",
            "x_fence_high_24h": "upper fence of x, over 24h, k = 3",
        },
    ),
    (
        {"outlier": {"of": "x", "over": "24h", "policy": ["flag", "cap", "log"]}},
        {
            "x_log": "sign(x)·ln(1 + |x|) of x",
            "x_outlier_24h": "whether x lies outside its fences, over 24h, k = 1.5",
            "x_capped_24h": "x brought to its nearer fence, over 24h, k = 1.5",
        },
    ),
    (
        {"rarity": {"of": "s", "over": "24h"}},
        {"s_rarity_24h": "share of the values that equal this s over 24h, this event left out"},
    ),
    (
        {"baseline": {"of": "x", "over": "28d", "zone": "Europe/Oslo"}},
        {"x_baseline_28d": "x less its mean in the same hour of the week, over 28d, Europe/Oslo"},
    ),
    ({"since_last": {"where": "b"}}, {"since_last_seconds_where_b": "seconds since the event before where b"}),
    (
        {"calendar": {"take": "day_of_week", "cyclic": True}},
        {
            "day_of_week": "day of week of the event's time, UTC",
            "day_of_week_sin": "sine of day of week of the event's time, UTC",
            "day_of_week_cos": "cosine of day of week of the event's time, UTC",
        },
    ),
    (
        {"distance": {"name": "km", "from": ["lat", "lon"], "to": ["lon", "lat"]}},
        {"km": "km from (lat, lon) to (lon, lat)"},
    ),
    (
        {"travel": {"place": ["lat", "lon"]}},
        {"travel_km": "km from (lat, lon) of the event before", "travel_km_per_hour": "travel_km by the hour"},
    ),
    ({"expression": {"name": "twice", "sql": "x  * 2"}}, {"twice": "x  * 2"}),
]


@pytest.mark.parametrize(("feature", "expected"), CASES, ids=lambda case: next(iter(case)))
def test_every_column_says_what_it_is_and_which_entry_declares_it(
    tmp_path: Path, feature: dict[str, Any], expected: dict[str, str]
) -> None:
    view = view_of(tmp_path, feature)
    assert {column.name: words_of(view, column) for column in view.columns} == expected
    assert set(view.kinds) == set(feature)
    assert len(view.kinds) == len(view.columns)


@pytest.mark.parametrize("statistic", [statistic for statistic in STATISTICS if statistic != "ewma"])
def test_every_statistic_has_words(tmp_path: Path, statistic: str) -> None:
    view = view_of(tmp_path, {"window": {"of": "x", "over": "1h", "take": statistic}})
    words = words_of(view, view.columns[0])
    assert " x " in words
    assert words.endswith(" over 1h")


def test_the_kind_is_that_of_the_open_entry_where_another_one_needed_the_column_before(tmp_path: Path) -> None:
    mean = {"window": {"of": "x", "over": "1h", "take": "mean"}}
    view = view_of(tmp_path, {"ratio": {"of": "x", "take": "mean", "over": "1h", "per": "24h"}}, mean)
    assert [column.name for column in view.columns] == ["x_mean_1h_per_24h", "x_mean_1h"]
    assert view.kinds == ("ratio", "window")


def test_how_an_expression_is_written_makes_no_other_input(tmp_path: Path) -> None:
    views = [
        view_of(tmp_path, {"window": {"of": "x", "over": "1h", "take": "sum", "where": where, "suffix": "large"}})
        for where in ("x > 100", "x>100")
    ]
    assert views[0].inputs == views[1].inputs
    assert [view.inputs[0].declared for view in views] == ["x > 100", "x>100"]


def test_derived_values_and_the_description_stand_in_the_view_as_declared(tmp_path: Path) -> None:
    view = view_of(tmp_path, {"since_last": {}}, derive={"double_x": "x*2"}, description="Readings of a series.")
    assert (view.derived, view.description) == ((("double_x", "x*2"),), "Readings of a series.")
    assert view_of(tmp_path, {"since_last": {}}, derive={"double_x": "x*2"}).digest == view.digest
