"""Rows of two contestants side by side: what counts as equal, and what is told of what is not."""

from pathlib import Path
from typing import Any

import pytest
from headrace_features.view import KernelFeature

from headrace.bench.agreement import Agreement, compare
from headrace.bench.contestants.flink_sql import kernel_columns
from headrace.bench.errors import BenchError
from headrace.bench.project import make_project

PLACE = ("sub-1", 1000)


@pytest.fixture
def columns(tmp_path: Path) -> list[KernelFeature]:
    """The columns of the measured view."""
    return kernel_columns(make_project(tmp_path, 1).views["subscriber"])


@pytest.fixture
def row(columns: list[KernelFeature]) -> dict[str, Any]:
    """A row."""
    return {column.name: 3 if column.type == "long" else 3.25 for column in columns}


def test_equal_rows_agree(columns: list[KernelFeature], row: dict[str, Any]) -> None:
    assert compare({PLACE: row}, {PLACE: dict(row), ("sub-2", 5): row}, columns, 1) == Agreement(1, 0)


def test_a_sum_may_differ_in_the_last_digits_and_a_lag_may_not(
    columns: list[KernelFeature], row: dict[str, Any]
) -> None:
    other = {**row, "duration_s_sum_1h": 3.25 + 1e-9, "duration_s_lag_2": 3.25 + 1e-9}
    assert compare({PLACE: row}, {PLACE: other}, columns, 1) == Agreement(
        1, 1, "sub-1 at 1000: duration_s_lag_2 is 3.25 and 3.250000001"
    )


def test_a_value_that_one_lacks_differs(columns: list[KernelFeature], row: dict[str, Any]) -> None:
    other = {**row, "duration_s_lag_1": None}
    assert compare({PLACE: row}, {PLACE: other}, columns, 1).differences == 1
    assert compare({PLACE: other}, {PLACE: other}, columns, 1).differences == 0


def test_no_number_for_a_deviation_of_zero_is_counted_by_itself(
    columns: list[KernelFeature], row: dict[str, Any]
) -> None:
    ours = {**row, "duration_s_std_5m": 0.0}
    theirs = {**row, "duration_s_std_5m": "NaN", "duration_s_std_1h": "NaN"}
    found = compare({PLACE: ours}, {PLACE: theirs}, columns, 1)
    assert (found.differences, found.not_numbers) == (1, 1)


def test_too_few_common_rows_prove_nothing(columns: list[KernelFeature], row: dict[str, Any]) -> None:
    with pytest.raises(BenchError) as raised:
        compare({PLACE: row}, {}, columns, 100)
    assert str(raised.value).splitlines() == [
        "only 0 rows can be compared",
        "  expected:  100 or more",
        "  try:       more --events",
    ]
