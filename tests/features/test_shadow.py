"""The rows of a shadow run against those of production in a real lake: what is equal, what differs, what is missing."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from headrace_features.shadow import compare_shadow, reach_of_rows
from headrace_features.shadow_report import ShadowReport
from headrace_lake import features_table, late_events_table
from headrace_lake.schemas import arrow_schema
from parity_lake import ParityLake
from view_cases import make_events

EVENTS = make_events(7, 60, 3)
BEGIN, END = 10, 50


def in_range(lake: ParityLake) -> list[dict[str, Any]]:
    return [dict(row) for row in lake.rows if BEGIN <= row["source_offset"] < END]


def compared(
    lake: ParityLake,
    rows: list[dict[str, Any]],
    late: list[dict[str, Any]] | None = None,
    tolerance: float = 1e-9,
    more: tuple[str, ...] = (),
) -> ShadowReport:
    view = lake.view
    features = [*((column.name, column.type) for column in view.columns), *((name, "double") for name in more)]
    schema = arrow_schema(features_table("series", "series", "string", features))
    report = ShadowReport(view.name, view.digest, begins={0: BEGIN}, ends={0: END})
    tables = [pa.Table.from_pylist(rows, schema=schema)] if rows else []
    noted = [pa.Table.from_pylist(late, schema=arrow_schema(late_events_table()))] if late else []
    with lake.lake().connect() as connection:
        assert reach_of_rows(connection, view) == {0: max(row["source_offset"] for row in lake.rows) + 1}
        compare_shadow(connection, report, view, tables, noted, tolerance=tolerance)
    return report


def test_the_same_rows_are_equal_and_those_outside_of_the_range_do_not_count(tmp_path: Path) -> None:
    lake = ParityLake(tmp_path, EVENTS)
    rows = in_range(lake)
    report = compared(lake, rows)
    assert report.passed
    assert (report.equal, report.events, report.production) == (len(rows), len(rows), {lake.view.digest: len(rows)})
    assert report.compared == ["event_id", "clock", "generation", *(column.name for column in lake.view.columns)]
    assert report.text().splitlines()[0].endswith(f"{len(rows)} of {len(rows)} events are equal in 20 columns")


def test_a_value_that_differs_is_counted_by_column_and_shown(tmp_path: Path) -> None:
    lake = ParityLake(tmp_path, EVENTS)
    rows = in_range(lake)
    changed = next(row for row in rows if row["x_sum_1s"] and abs(row["x_sum_1s"]) > 1)
    old, changed["x_sum_1s"] = changed["x_sum_1s"], changed["x_sum_1s"] * 2
    report = compared(lake, rows)
    assert not report.passed
    assert (report.equal, report.different, report.differing) == (len(rows) - 1, 1, {"x_sum_1s": 1})
    assert report.largest == {"x_sum_1s": abs(old)}
    (difference,) = report.first_differences
    assert (difference.offset, difference.column) == (changed["source_offset"], "x_sum_1s")
    assert float(str(difference.production)) == old


def test_rounding_counts_only_without_tolerance(tmp_path: Path) -> None:
    lake = ParityLake(tmp_path, EVENTS)
    rows = in_range(lake)
    for row in rows:
        row["x_sum_1s"] *= 1 + 1e-12
    assert compared(lake, rows).passed
    assert compared(lake, rows, tolerance=0).differing["x_sum_1s"] > 0


def test_rows_of_one_side_only_are_told_apart(tmp_path: Path) -> None:
    lake = ParityLake(tmp_path, EVENTS)
    rows = in_range(lake)
    gone, stranger = rows.pop(), {**rows[0], "source_partition": 3}
    report = compared(lake, [*rows, stranger])
    assert (report.only_production, report.only_shadow, report.different) == (1, 1, 0)
    shown = {(d.partition, d.offset, d.shadow, d.production) for d in report.first_differences}
    assert shown == {
        (0, gone["source_offset"], "no row", "a row"),
        (3, rows[0]["source_offset"], "a row", "no row"),
    }
    nothing = compared(lake, [])
    assert (nothing.passed, nothing.only_production) == (False, len(rows) + 1)


def test_a_changed_declaration_is_compared_in_the_columns_that_both_have(tmp_path: Path) -> None:
    lake = ParityLake(tmp_path, EVENTS)
    for row in lake.rows:
        row |= {"declaration": "an older one", "hour": None}
    rows = [{**row, "declaration": lake.view.digest, "hour": 3} for row in in_range(lake)]
    report = compared(lake, rows)
    assert report.passed, report.text()
    assert report.production == {"an older one": len(rows)}
    assert report.columns_only_shadow == ["hour"]
    assert "hour" not in report.compared


def test_in_the_order_of_event_times_it_says_which_events_one_side_took_for_late(tmp_path: Path) -> None:
    lake = ParityLake(tmp_path, EVENTS, in_event_time=True)
    late = [entry for entry in lake.ledgers["late_events"] if BEGIN <= entry["offset"] < END]
    assert late
    rows = in_range(lake)
    taken = {**rows[0], "source_offset": late[0]["offset"], "event_time": late[0]["event_time"]}
    left = rows.pop(0)
    noted = {**late[0], "offset": left["source_offset"]}
    report = compared(lake, [*rows, taken], [noted])
    assert (report.only_shadow, report.late_in_production) == (1, 1)
    assert (report.only_production, report.late_in_shadow) == (1, 1)
    ahead = {**rows[0], "source_partition": 1, "event_time": max(row["event_time"] for row in lake.rows) + 1_000_000}
    assert compared(lake, [left, *rows, ahead]).pending == 1
