"""Reconciling: a real lake against a real store, every kind of finding made on purpose."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from headrace_features.online import GuardedSqlite, GuardedStore, OnlineRow, Order
from headrace_features.reconcile_report import Finding
from headrace_features.view import View
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_cases import at, write_rows
from reconcile_cases import START_MS, SUM, compared, counts, lake_row, one_of_each, online_row
from store_cases import CALL, CELL, SUBSCRIBER, TICK, load_project

ODD_KEYS = ["", " ", "a:b", "*", "[a]", "zoë", "\n", "'", '"', "\\", "日本", "a\x00b", "%", "NULL", "a" * 3_000]


@pytest.mark.parametrize("batch_keys", [10_000, 2])
def test_every_kind_is_found(lake: Path, store: GuardedStore, subscriber: View, batch_keys: int) -> None:
    one_of_each(lake, store, subscriber)
    report = compared(lake, store, subscriber, batch_keys=batch_keys)
    assert counts(report) == {"equal": 2, "missing": 1, "stale": 1, "different": 1, "ahead": 2, "unknown": 1}
    assert (report.keys, report.wrong, report.left, report.outcome) == (8, 3, 3, "failed")

    def place(seconds: int, offset: int) -> str:
        instant = START_MS + seconds * 1_000
        return f"generation 0, clock_ms {instant}, source_offset {offset}, revision 0, emitted_at_ms {instant}"

    assert report.first_differences == [
        Finding("different", "different", SUM, 4.5, 4.0),
        Finding("missing", "missing", "row", place(10, 1), None),
        Finding("stale", "stale", "row", place(10, 1), place(5, 0)),
        Finding("unknown", "unknown", "row", None, place(10, 1)),
    ]


def test_the_report_says_how_many_of_each_and_the_first(lake: Path, sqlite: GuardedSqlite, subscriber: View) -> None:
    one_of_each(lake, sqlite, subscriber)
    report = compared(lake, sqlite, subscriber, most_differences=1)
    assert report.text() == (
        f"subscriber (declaration {subscriber.digest}): failed, 2 of 8 keys are equal online and in the lake\n"
        "  1 missing: in the lake, not online\n"
        "  1 stale: an older row is online\n"
        "  1 different: the same row is online, with other values\n"
        "  2 ahead: on their way to the lake\n"
        "  1 unknown: online, never seen by the lake\n"
        f"  different 'different' {SUM}: lake 4.5, online 4.0"
    )
    found = report.as_dict()
    assert found["first_differences"] == [
        {"kind": "different", "key": "different", "column": SUM, "lake": 4.5, "online": 4.0}
    ]
    assert (found["outcome"], found["wrong"], found["keys"], found["mended"]) == ("failed", 3, 8, None)


@pytest.mark.parametrize("batch_keys", [10_000, 2])
def test_a_mend_puts_right_what_is_wrong_and_a_second_finds_nothing(
    lake: Path, store: GuardedStore, subscriber: View, batch_keys: int
) -> None:
    one_of_each(lake, store, subscriber)
    first = compared(lake, store, subscriber, mend=True, batch_keys=batch_keys)
    assert (first.outcome, first.wrong, first.mended, first.left, first.passed) == ("mended", 3, 3, 0, True)
    assert first.text().splitlines()[6] == "  3 rows mended, 0 keys still wrong"
    second = compared(lake, store, subscriber, mend=True, batch_keys=batch_keys)
    assert counts(second) == {"equal": 5, "ahead": 2, "unknown": 1}
    assert (second.outcome, second.mended, second.left) == ("passed", 0, 0)
    mended = [online_row(subscriber, lake_row(key)) for key in ("missing", "stale", "different")]
    there = store.read("subscriber", ["missing", "stale", "different"])
    assert [(each.order, each.declaration, each.features()) for each in there if each] == [
        (each.order, each.declaration, each.features()) for each in mended
    ]


PARTS = [
    ({"generation": 1}, {"clock": at(99), "source_offset": 99}),
    ({"clock": at(11)}, {"source_offset": 99}),
    ({"source_offset": 7}, {"revision": 5, "emitted_at": at(99)}),
    ({"revision": 2}, {"revision": 1, "emitted_at": at(99)}),
    ({"emitted_at": at(20)}, {"emitted_at": at(19)}),
]


@pytest.mark.parametrize(("newer", "older"), PARTS)
@pytest.mark.parametrize("is_online_newer", [True, False])
def test_every_part_of_the_order_decides(
    lake: Path, sqlite: GuardedSqlite, subscriber: View, newer: dict[str, Any], older: dict[str, Any],
    is_online_newer: bool,
) -> None:  # fmt: skip
    rows = {**lake_row("a"), **newer}, {**lake_row("a"), **older}
    held, online = reversed(rows) if is_online_newer else rows
    write_rows(lake, subscriber, [held])
    sqlite.write("subscriber", [online_row(subscriber, online)])
    assert counts(compared(lake, sqlite, subscriber)) == ({"ahead": 1} if is_online_newer else {"stale": 1})
    write_rows(lake, subscriber, [online])
    assert counts(compared(lake, sqlite, subscriber)) == ({"equal": 1} if is_online_newer else {"stale": 1})


PLACES = st.fixed_dictionaries({
    "generation": st.integers(0, 1), "clock": st.integers(0, 2).map(at), "source_offset": st.integers(0, 2),
    "revision": st.integers(0, 1), "emitted_at": st.integers(0, 2).map(at),
})  # fmt: skip


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.tuples(st.sampled_from("abc"), PLACES), min_size=1, max_size=15))
def test_the_newest_row_of_the_lake_is_the_one_that_the_guard_of_the_store_leaves(
    tmp_path_factory: pytest.TempPathFactory, subscriber: View, places: list[tuple[str, dict[str, Any]]]
) -> None:
    folder = tmp_path_factory.mktemp("case")
    # Rows of one order are one row: they have one value.
    rows = [{**lake_row(key), **place, SUM: float(hash(str(place)) % 1_000)} for key, place in places]
    write_rows(folder, subscriber, rows)
    store = GuardedSqlite(folder / "online.db")
    for each in rows:
        store.write("subscriber", [online_row(subscriber, each)])
    report = compared(folder, store, subscriber)
    assert counts(report) == {"equal": len({key for key, _ in places})}, report.text()
    store.close()


@pytest.mark.parametrize(
    ("column", "in_lake", "online", "is_equal"),
    [
        (SUM, 0.1 + 0.2, 0.3, False),
        (SUM, 0.0, -0.0, False),
        (SUM, -0.0, -0.0, True),
        (SUM, 5.0, 5, True),
        (SUM, 1e300, 1e300, True),
        (SUM, 5.0, True, False),
        (SUM, 5.0, "5.0", False),
        (SUM, None, None, True),
        (SUM, None, 0.0, False),
        (SUM, 0.0, None, False),
        (SUM, math.inf, None, True),
        (SUM, math.nan, None, True),
        ("duration_s_count_1h", 2**53 + 1, 2**53 + 1, True),
        ("duration_s_count_1h", 2**53 + 1, 2**53, False),
        ("duration_s_count_1h", 1, 1.0, False),
        ("duration_s_count_1h", 1, True, False),
        ("is_long", True, True, True),
        ("is_long", True, False, False),
        ("is_long", True, 1, False),
        ("is_long", False, None, False),
        ("country_lag_1", "NO", "NO", True),
        ("country_lag_1", "NO", "no", False),
        ("country_lag_1", "é", "e\u0301", False),
        ("country_lag_1", "", None, False),
    ],
)
def test_values_are_equal_bit_for_bit_or_not_at_all(
    lake: Path, sqlite: GuardedSqlite, subscriber: View, column: str, in_lake: Any, online: Any, is_equal: bool
) -> None:
    write_rows(lake, subscriber, [lake_row("a", **{column: in_lake})])
    sqlite.write("subscriber", [online_row(subscriber, lake_row("a"), **{column: online})])
    report = compared(lake, sqlite, subscriber)
    assert counts(report) == ({"equal": 1} if is_equal else {"different": 1})
    assert [found.column for found in report.first_differences] == ([] if is_equal else [column])
    assert compared(lake, sqlite, subscriber, mend=True).mended == (0 if is_equal else 1)
    assert counts(compared(lake, sqlite, subscriber)) == {"equal": 1}


def test_a_column_that_is_absent_online_is_null(lake: Path, sqlite: GuardedSqlite, subscriber: View) -> None:
    write_rows(lake, subscriber, [lake_row("a"), lake_row("b", country_lag_1="NO")])
    for key in "ab":
        order = Order(0, START_MS + 10_000, 1, 0, START_MS + 10_000)
        values = OnlineRow.encode({"duration_s_count_1h": 3, SUM: 4.5})
        sqlite.write("subscriber", [OnlineRow(key, order, order.clock_ms, subscriber.digest, values)])
    report = compared(lake, sqlite, subscriber)
    assert report.first_differences == [Finding("different", "b", "country_lag_1", "NO", None)]


@pytest.mark.parametrize(
    ("changes", "column"), [({"declaration": "another"}, "declaration"), ({"event_time": at(3)}, "event_time_ms")]
)
def test_another_declaration_or_event_time_of_the_same_row_is_a_difference(
    lake: Path, sqlite: GuardedSqlite, subscriber: View, changes: dict[str, Any], column: str
) -> None:
    write_rows(lake, subscriber, [lake_row("a")])
    sqlite.write("subscriber", [online_row(subscriber, lake_row("a"), **changes)])
    assert [found.column for found in compared(lake, sqlite, subscriber).first_differences] == [column]
    assert compared(lake, sqlite, subscriber, mend=True).mended == 1
    assert counts(compared(lake, sqlite, subscriber)) == {"equal": 1}


def test_keys_with_odd_characters_are_compared_and_mended(lake: Path, store: GuardedStore, subscriber: View) -> None:
    write_rows(lake, subscriber, [lake_row(key) for key in ODD_KEYS] + [lake_row("youngest", 130)])
    store.write("subscriber", [online_row(subscriber, lake_row(key), **{SUM: 1.0}) for key in ODD_KEYS[::2]])
    store.write("subscriber", [online_row(subscriber, lake_row(f"{key}?")) for key in ODD_KEYS])
    report = compared(lake, store, subscriber, mend=True, batch_keys=4)
    assert counts(report) == {"different": 8, "missing": 8, "unknown": 15}
    assert (report.mended, report.left) == (16, 0)
    assert counts(compared(lake, store, subscriber, batch_keys=4)) == {"equal": 16, "unknown": 15}


def test_a_lake_and_a_store_without_rows_agree(lake: Path, sqlite: GuardedSqlite, subscriber: View) -> None:
    report = compared(lake, sqlite, subscriber, mend=True)
    assert (counts(report), report.outcome, report.mended) == ({}, "passed", 0)
    assert "neither the lake nor the online store holds a row of it yet" in report.text()


def test_without_a_table_in_the_lake_every_row_is_on_its_way(
    lake: Path, sqlite: GuardedSqlite, subscriber: View
) -> None:
    sqlite.write("subscriber", [online_row(subscriber, lake_row("a"))])
    assert counts(compared(lake, sqlite, subscriber)) == {"ahead": 1}


def test_other_views_are_left_alone(lake: Path, store: GuardedStore, subscriber: View) -> None:
    write_rows(lake, subscriber, [lake_row("a"), lake_row("youngest", 130)])
    store.write("subscriber2", [online_row(subscriber, lake_row("b"))])
    report = compared(lake, store, subscriber, mend=True)
    assert (counts(report), report.mended) == ({"missing": 2}, 2)
    assert store.read("subscriber2", ["a", "youngest"]) == [None, None]


def test_a_row_before_1970_which_no_store_takes_does_not_count(
    lake: Path, sqlite: GuardedSqlite, subscriber: View
) -> None:
    early = datetime(1969, 12, 31, tzinfo=UTC)
    write_rows(lake, subscriber, [lake_row("a", generation=1) | {"clock": early}, lake_row("a")])
    sqlite.write("subscriber", [online_row(subscriber, lake_row("a"))])
    assert counts(compared(lake, sqlite, subscriber)) == {"equal": 1}


def test_of_rows_of_one_order_the_first_of_the_topic_counts(
    lake: Path, sqlite: GuardedSqlite, subscriber: View
) -> None:
    rows = [{**lake_row("a", _offset=8), SUM: 2.0}, {**lake_row("a", _offset=7), SUM: 1.0}]
    write_rows(lake, subscriber, rows)
    sqlite.write("subscriber", [online_row(subscriber, rows[1])])
    assert counts(compared(lake, sqlite, subscriber)) == {"equal": 1}


def test_a_row_that_stands_in_the_lake_twice_is_one_key(lake: Path, sqlite: GuardedSqlite, subscriber: View) -> None:
    write_rows(lake, subscriber, [lake_row("a", _offset=7)])
    write_rows(lake, subscriber, [lake_row("a", _offset=7)])
    assert counts(compared(lake, sqlite, subscriber)) == {"missing": 1}


def test_keys_that_are_numbers_are_compared_as_the_store_spells_them(
    lake: Path, sqlite: GuardedSqlite, tmp_path: Path
) -> None:
    cell = load_project(tmp_path / "cells", {"tick": TICK}, {"cell": CELL})["cell"]
    rows = [{"cell": key, "clock": at(10), "source_offset": 1, "load_lag_1": 0.5} for key in (7, -8, 2**53 + 1, 10, 9)]
    write_rows(lake, cell, rows)
    sqlite.write("cell", [online_row(cell, row) for row in rows[:3]])
    report = compared(lake, sqlite, cell, mend=True, batch_keys=2)
    assert (counts(report), report.mended) == ({"equal": 3, "missing": 2}, 2)
    assert [row.key for row in sqlite.read("cell", ["10", "9"]) if row] == ["10", "9"]


def test_a_row_of_a_former_declaration_is_compared_in_the_columns_that_the_view_still_has(
    lake: Path, sqlite: GuardedSqlite, subscriber: View, tmp_path: Path
) -> None:
    changed = SUBSCRIBER.replace("steps: [1]", "steps: [2]")
    now = load_project(tmp_path / "changed", {"call": CALL}, {"subscriber": changed})["subscriber"]
    former = [lake_row(key, country_lag_1="NO") for key in ("same", "other", "gone")]
    write_rows(lake, subscriber, former)
    sqlite.write("subscriber", [
        online_row(subscriber, former[0], country_lag_1="SE"), online_row(subscriber, former[1], **{SUM: 1.0})
    ])  # fmt: skip
    report = compared(lake, sqlite, now, mend=True)
    assert counts(report) == {"equal": 1, "different": 1, "missing": 1}
    assert (report.mended, report.left) == (2, 0)
    (gone,) = sqlite.read("subscriber", ["gone"])
    assert gone is not None
    # Should the former declaration come back, its rows are whole.
    assert (gone.declaration, gone.features()["country_lag_1"]) == (subscriber.digest, "NO")
    assert gone.features()["country_lag_2"] is None
