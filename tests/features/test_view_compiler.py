"""The statement of a view: its text under review, and the corners of the semantics that random events seldom reach."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from headrace_features.duckdb_compiler import compile_view
from parity_lake import DECLARATION
from reference import Event
from view_cases import START_MS, duckdb_rows, load_declaration

SNAPSHOTS = Path(__file__).parents[1] / "snapshots" / "features"
SMALL: dict[str, Any] = {
    "name": "small",
    "source": "reading",
    "key": "series",
    "derive": {"doubled": "x * 2", "is_a": "s = 'a'"},
    "features": [
        {"lag": {"of": "is_a", "steps": [1]}},
        {"window": {"of": "doubled", "over": ["5m", "50 rows"], "take": ["sum", "min"], "exclude_current": True}},
        {"window": {"of": "n", "over": ["5m"], "take": ["mean", "max"]}},
        {"calendar": {"take": ["hour"], "zone": "Europe/Berlin"}},
        {"expression": {"name": "share", "sql": "x / (n_mean_5m + 1)"}},
    ],
    "ttl": "1h",
}
_NONE: dict[str, Any] = {"x": None, "n": None, "i": None, "b": None, "s": None}


@pytest.mark.parametrize("declaration", [SMALL, DECLARATION], ids=lambda declaration: declaration["name"])
def test_the_statement_is_the_one_under_review(declaration: Mapping[str, Any], tmp_path: Path) -> None:
    file = SNAPSHOTS / f"{declaration['name']}.sql"
    sql = compile_view(load_declaration(declaration, tmp_path)).sql + ";\n"
    if os.environ.get("HEADRACE_WRITE_SNAPSHOTS"):
        file.write_text(sql)
    assert sql == file.read_text(), "if it is meant: HEADRACE_WRITE_SNAPSHOTS=1 uv run pytest tests/features"


def rows_of(folder: Path, features: list[dict[str, Any]], events: list[Event]) -> list[dict[str, Any]]:
    """Return the rows of a view with these features, in the order of the events."""
    declaration = {"name": "v", "source": "reading", "key": "series", "features": features, "ttl": "1h"}
    return sorted(duckdb_rows(load_declaration(declaration, folder), events)[1], key=lambda row: row["source_offset"])


def values(*x: float | None, step_ms: int = 1000, start_ms: int = START_MS) -> list[Event]:
    """Return readings of one series, one step after the other."""
    return [Event("k", f"e-{i}", i, start_ms + i * step_ms, {**_NONE, "x": value}) for i, value in enumerate(x)]


def window(*take: str, over: str = "3s", **options: Any) -> dict[str, Any]:
    return {"window": {"of": "x", "over": over, "take": list(take), **options}}


def test_a_sum_is_right_again_after_a_huge_value_has_come_and_gone(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [window("sum", "std")], values(1.0, 2.0, 1e16, 1.0, 1.0, 1.0, 2.0))
    assert [row["x_sum_3s"] for row in rows][-2:] == [3.0, 4.0]
    assert rows[-2]["x_std_3s"] == 0.0


def test_the_event_exactly_one_length_before_is_outside_the_window(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [window("count", over="3s"), window("count", over="3001ms")], values(1.0, 1.0, 1.0, 1.0))
    assert [(row["x_count_3s"], row["x_count_3001ms"]) for row in rows] == [(1, 1), (2, 2), (3, 3), (3, 4)]


def test_windows_reach_to_the_year_9999(tmp_path: Path) -> None:
    end_ms = int(datetime(9999, 12, 31, 23, 59, 58, tzinfo=UTC).timestamp()) * 1000
    features = [window("sum"), {"calendar": {"take": ["hour", "day_of_week"], "zone": "Asia/Kathmandu"}}]
    rows = rows_of(tmp_path, features, values(1.0, 2.0, start_ms=end_ms))
    assert [(row["x_sum_3s"], row["hour"], row["day_of_week"]) for row in rows] == [(1.0, 5, 6), (3.0, 5, 6)]


def test_windows_begin_in_1970(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [window("count", over="24h")], values(1.0, 2.0, start_ms=0))
    assert [row["x_count_24h"] for row in rows] == [1, 2]


def test_values_whose_squares_overflow_have_no_deviation_and_break_nothing(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [window("std", "max")], values(1e200, -1e200, 1e308, 1e308, 1e308))
    assert [row["x_std_3s"] for row in rows] == [0.0, None, None, None, 0.0]
    assert rows[-1]["x_max_3s"] == 1e308


def test_a_sum_that_overflows_is_null(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [window("sum", "mean")], values(1e308, 1e308, None, None, None))
    assert [row["x_sum_3s"] for row in rows] == [1e308, None, None, 1e308, 0.0][:5]
    assert [row["x_mean_3s"] for row in rows] == [1e308, None, None, 1e308, None]


def test_different_values_never_deviate_by_zero(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [window("std")], values(1e-300, 2e-300, 1e16, 1e16 + 2))
    assert rows[1]["x_std_3s"] > 0
    assert rows[3]["x_std_3s"] > 0


def test_a_score_needs_eleven_earlier_values_that_differ(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [{"zscore": {"of": "x", "over": "1h"}}], values(*([1.0, 2.0] * 5), None, 1.0, 4.0))
    assert [row["x_zscore_1h"] is None for row in rows] == [True] * 12 + [False]
    flat = rows_of(tmp_path, [{"zscore": {"of": "x", "over": "1h"}}], values(*[1.0] * 12, 5.0))
    assert flat[-1]["x_zscore_1h"] is None


def test_calendar_parts_follow_the_zone_through_its_changes_of_offset(tmp_path: Path) -> None:
    random = Random(4)
    seconds = [random.randrange(0, 2_000_000_000) for _ in range(3000)]
    seconds += [int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()) + d for d in (-1, 0, 1)]
    events = [Event(f"k{i}", f"e{i}", i, second * 1000 + 999, _NONE) for i, second in enumerate(seconds)]
    for zone in ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"):
        rows = rows_of(tmp_path, [{"calendar": {"take": ["hour", "day_of_week"], "zone": zone}}], events)
        local = [datetime.fromtimestamp(second, ZoneInfo(zone)) for second in seconds]
        assert [(row["hour"], row["day_of_week"]) for row in rows] == [(at.hour, at.isoweekday()) for at in local]


def test_a_column_called_like_a_value_of_the_event_is_not_taken_for_it(tmp_path: Path) -> None:
    features: list[dict[str, Any]] = [
        {"expression": {"name": "x", "sql": "x * 100"}},
        {"lag": {"of": "x", "steps": [1], "take": ["difference"]}},
        {"outlier": {"of": "x", "policy": "log"}},
    ]
    rows = rows_of(tmp_path, features, values(1.0, 5.0))
    assert [row["x_minus_lag_1"] for row in rows] == [None, 4.0]
    assert rows[0]["x_log"] == pytest.approx(0.6931471805599453)


def test_the_places_of_a_distance_may_lie_anywhere_in_the_numbers(tmp_path: Path) -> None:
    places = [{**_NONE, "lat": 1.7e308, "lon": -1.7e308}, {**_NONE, "lat": 0.0, "lon": 0.0}]
    events = [Event("k", f"e-{i}", i, START_MS + i, place) for i, place in enumerate(places)]
    rows = rows_of(tmp_path, [{"distance": {"name": "km", "from": ["lat", "lon"], "to": ["lon", "lat"]}}], events)
    assert [row["km"] for row in rows] == [None, 0.0]
