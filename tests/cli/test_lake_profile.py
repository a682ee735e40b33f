"""`headrace lake profile`: known numbers give known figures, and the page needs nothing else."""

import json
import math
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from headrace_lake.profile.series import autocorrelation
from lake_project import answer, failure, make_project, run_on

HOURS = 24 * 28
ROWS = HOURS * 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project and a file of four weeks: a wave of a day, a heavy key, a third of nulls."""
    made = tmp_path_factory.mktemp("project")
    make_project(made)
    chance = random.Random(1)
    start = datetime(2025, 3, 3, tzinfo=UTC)
    hours = [row % HOURS for row in range(ROWS)]
    rows: dict[str, Any] = {
        "at": [start + timedelta(hours=hour) for hour in hours],
        "who": ["heavy" if row % 4 else f"k{row}" for row in range(ROWS)],
        "wave": [math.sin(hour / 24 * 2 * math.pi) + chance.gauss(0, 0.1) for hour in hours],
        "double_wave": [None] * ROWS,
        "<b>tag</b>": [None if row % 3 == 0 else ("$a", "b")[row % 2] for row in range(ROWS)],
        "constant": [7] * ROWS,
    }
    rows["double_wave"] = [math.exp(value) for value in rows["wave"]]
    pa.parquet.write_table(pa.table(rows), made / "waves.parquet")
    assert run_on(made)("register", "waves.parquet", "--name", "waves").exit_code == 0
    return made


@pytest.fixture(scope="module")
def figures(folder: Path) -> Any:
    """The figures of the file."""
    return answer(run_on(folder)("profile", "ext.waves", "--key", "who", "--time", "at", "--output", "json"))


def test_columns_have_nulls_distinct_values_and_a_distribution(figures: Any) -> None:
    columns = {one["name"]: one for one in figures["columns"]}
    assert (figures["rows"], figures["sampled_rows"]) == (ROWS, ROWS)
    tag = columns["<b>tag</b>"]
    assert tag["null_rate"] == pytest.approx(1 / 3)
    assert (tag["distinct"], dict(tag["top"])) == (2, {"$a": ROWS // 3, "b": ROWS // 3})
    wave, grown = columns["wave"], columns["double_wave"]
    assert wave["mean"] == pytest.approx(0, abs=0.02)
    assert abs(wave["skew"]) < 0.05 < grown["skew"]
    assert sum(wave["counts"]) + wave["outside"] == ROWS
    assert len(wave["edges"]) == len(wave["counts"]) + 1
    assert (columns["constant"]["distinct"], columns["constant"]["skew"]) == (1, None)


def test_correlation_is_of_ranks_and_leaves_constants_out(figures: Any) -> None:
    assert figures["correlated"] == ["wave", "double_wave"]
    assert figures["correlation"][0][1] == pytest.approx(1)


def test_a_heavy_key_is_seen(figures: Any) -> None:
    keys = figures["keys"]
    assert (keys["keys"], keys["heaviest"], keys["most_rows"]) == (ROWS // 4 + 1, 0.75, ROWS * 3 // 4)
    assert keys["median_rows"] == 1


def test_a_wave_of_a_day_is_found_by_its_lag_and_its_season(figures: Any) -> None:
    series = next(one for one in figures["series"] if one["column"] == "wave")
    assert series["step_seconds"] == 7_200
    assert sum(series["rows"]) == ROWS
    assert series["autocorrelation"][11] > 0.9 > -0.9 > series["autocorrelation"][5]
    hours = series["hours"]["mean"]
    assert abs(hours.index(max(hours)) - 6) <= 1
    assert abs(hours.index(min(hours)) - 18) <= 1
    assert len(series["days"]["mean"]) == 7


def test_autocorrelation_leaves_steps_without_a_value_out() -> None:
    import numpy as np

    values = np.array([0.0, 1.0] * 20)
    assert list(autocorrelation(values, 2)) == pytest.approx([-1, 1])
    values[7] = np.nan
    assert list(autocorrelation(values, 2)) == pytest.approx([-1, 1])
    assert autocorrelation(np.ones(40), 1) == (None,)


def test_the_page_needs_nothing_else_and_escapes_what_others_wrote(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run_on(folder)("profile", "ext.waves", "--key", "who", "--time", "at", "--column", "wave",
                            "--out", str(page))  # fmt: skip
    assert (result.exit_code, result.stdout) == (0, f"{ROWS} rows, 6 columns: {page}\n")
    text = page.read_text()
    assert text.count("<svg") == 3 + 1 + 4  # over time, correlation, columns with more than one value that repeats
    assert "strongest lags: 12 (1d), 24 (2d), 36 (3d) steps" in text
    assert "<b>tag</b>" not in text
    assert "&lt;b&gt;tag&lt;/b&gt;" in text
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"|<script|url\((?!#)', text) == []


def test_a_sample_is_stated(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run_on(folder)("profile", "ext.waves", "--sample", "200", "--out", str(page), "--output", "json")
    assert json.loads(result.stdout)["sampled_rows"] == 200
    assert f"200 of {ROWS:,} rows, drawn at random" in page.read_text()


def test_a_column_that_is_no_number_is_an_error_that_lists_those_that_are(folder: Path) -> None:
    assert failure(run_on(folder)("profile", "ext.waves", "--column", "who")) == (
        "QueryError: column 'who' of ext.waves is VARCHAR\n"
        "  numbers:  wave, double_wave, constant\n"
        "  try:      headrace lake describe ext.waves"
    )
    assert "column 'who' of ext.waves is VARCHAR\n  times:  at\n" in failure(
        run_on(folder)("profile", "ext.waves", "--time", "who")
    )
    assert failure(run_on(folder)("profile", "ext.waves", "--time", "att")).endswith("  try:      at")


def test_odd_values_have_figures(folder: Path) -> None:
    count = 40
    odd: dict[str, Any] = {
        "at": [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=row) for row in range(count)],
        "nothing": pa.array([None] * count, pa.float64()),
        "endless": [math.inf] * count,
        "some": [math.nan, 1.0] * (count // 2),
        "large": [2**62 + row for row in range(count)],
        "listed": [[1, 2]] * count,
        "truth": [True, False] * (count // 2),
        'quo"ted': list(range(count)),
    }
    pa.parquet.write_table(pa.table(odd), folder / "odd.parquet")
    run = run_on(folder)
    assert run("register", "odd.parquet", "--name", "odd").exit_code == 0
    found = answer(run("profile", "ext.odd", "--time", "at", "--output", "json"))
    figures = {one["name"]: (one["distinct"], one["null_rate"], one["maximum"]) for one in found["columns"]}
    assert figures == {
        "at": (count, 0, None), "nothing": (0, 1, None), "endless": (0, 0, None), "some": (1, 0, 1.0),
        "large": (count, 0, float(2**62)), "listed": (None, 0, None), "truth": (2, 0, None),
        'quo"ted': (count, 0, count - 1),
    }  # fmt: skip


def test_a_table_without_rows_has_a_page(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run_on(folder)("profile", "ops.dead_letters", "--out", str(page)).exit_code == 0
    assert "All 0 rows." in page.read_text()
