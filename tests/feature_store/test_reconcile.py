"""Reconciling: a real lake against a real store, every kind of finding made on purpose."""

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from headrace_features.online import GuardedSqlite, GuardedStore, OnlineRow, Order
from headrace_features.reconcile import IN_FLIGHT_MS, reconcile
from headrace_features.reconcile_report import Finding, ReconcileReport
from headrace_features.view import View
from headrace_ingestion.testing import FakeClock
from headrace_lake import Lake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_cases import START, at, write_rows
from store_cases import CALL, CELL, SUBSCRIBER, TICK, NewStore, load_project

SUM = "duration_s_sum_1h"
ODD_KEYS = ["", " ", "a:b", "*", "[a]", "zoë", "\n", "'", '"', "\\", "日本", "a\x00b", "%", "NULL", "a" * 3_000]
START_MS = int(START.timestamp() * 1_000)


def lake_row(key: str, clock: float = 10, offset: int = 1, **values: Any) -> dict[str, Any]:
    """Make a row of the lake; its clock is in seconds after the start."""
    place = {"source_offset": offset, "event_id": f"{key}-{offset}"}
    return {"subscriber_id": key, "clock": at(clock), **place, "duration_s_count_1h": 3, SUM: 4.5, **values}


def online_row(view: View, row: Mapping[str, Any], **changes: Any) -> OnlineRow:
    """Make what the online writer stores of a row of the lake."""
    full = {"event_time": row["clock"], "emitted_at": row["clock"], "declaration": view.digest, **row, **changes}
    order = Order(
        full.get("generation", 0), ms(full["clock"]), full["source_offset"], full.get("revision", 0),
        ms(full["emitted_at"]),
    )  # fmt: skip
    features = {column.name: full.get(column.name) for column in view.columns}
    key = str(full[view.key])
    return OnlineRow(key, order, ms(full["event_time"]), full["declaration"], OnlineRow.encode(features))


def ms(instant: datetime) -> int:
    return (instant - START) // timedelta(milliseconds=1) + START_MS


def compared(folder: Path, store: GuardedStore, view: View, **options: Any) -> ReconcileReport:
    """Compare at once: nothing is on its way."""
    return reconcile(Lake(folder), store, view, **{"patience_seconds": 0, **options})


def counts(report: ReconcileReport) -> dict[str, int]:
    """Return the kinds that were found."""
    kinds = ("equal", "missing", "stale", "different", "ahead", "unknown")
    return {kind: getattr(report, kind) for kind in kinds if getattr(report, kind)}


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[GuardedSqlite]:
    store = GuardedSqlite(tmp_path / "one.db")
    yield store
    store.close()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Folder of a lake that nobody wrote yet."""
    return tmp_path / "lake"


def one_of_each(lake: Path, store: GuardedStore, view: View) -> None:
    """Make keys of every kind; the lake's youngest row is two minutes younger than the others."""
    rows = [lake_row(key) for key in ("equal", "missing", "stale", "different", "ahead")]
    earlier = [lake_row(key, 5, 0) for key in ("equal", "stale")]
    write_rows(lake, view, [*rows, *earlier, lake_row("youngest", 130, 9)])
    store.write(view.name, [
        online_row(view, rows[0]), online_row(view, earlier[1]), online_row(view, rows[3], **{SUM: 4.0}),
        online_row(view, lake_row("ahead", 11, 2)), online_row(view, lake_row("unknown")),
        online_row(view, lake_row("new", 131, 10)), online_row(view, lake_row("youngest", 130, 9)),
    ])  # fmt: skip


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


class Meddled:
    """A store in which something happens after it was read for the first time.

    Args:
        store: The store.
        happens: What happens.
    """

    def __init__(self, store: GuardedStore, happens: Any) -> None:
        self._store = store
        self._happens = happens
        self.write, self.restore, self.keys = store.write, store.restore, store.keys
        self.forget, self.drop, self.close = store.forget, store.drop, store.close

    def read(self, view: str, keys: Sequence[str]) -> list[OnlineRow | None]:
        found = self._store.read(view, keys)
        happens, self._happens = self._happens, lambda: None
        happens()
        return found


def test_a_newer_row_that_arrives_during_a_mend_stays(lake: Path, store: GuardedStore, subscriber: View) -> None:
    one_of_each(lake, store, subscriber)
    newer = [online_row(subscriber, lake_row(key, 20, 5)) for key in ("missing", "stale", "different")]
    meddled = Meddled(store, lambda: store.write("subscriber", newer))
    report = compared(lake, meddled, subscriber, mend=True)
    assert (report.wrong, report.mended, report.left, report.outcome) == (3, 0, 0, "mended")
    assert store.read("subscriber", ["missing", "stale", "different"]) == newer


def test_two_mends_at_once_share_the_rows(lake: Path, new_store: NewStore, subscriber: View) -> None:
    rows = [lake_row(f"k{n}") for n in range(300)]
    write_rows(lake, subscriber, rows)
    wrong = [online_row(subscriber, row, **{SUM: 0.5}) for row in rows[:100]]
    stale = [online_row(subscriber, {**row, "source_offset": 0}) for row in rows[100:200]]
    new_store().write("subscriber", wrong + stale)
    both_have_read = threading.Barrier(2)
    reports: list[ReconcileReport] = []

    def mend() -> None:
        meddled = Meddled(new_store(), lambda: both_have_read.wait(30))
        reports.append(compared(lake, meddled, subscriber, mend=True))

    threads = [threading.Thread(target=mend) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [(report.wrong, report.left, report.outcome) for report in reports] == [(300, 0, "mended")] * 2
    assert sum(report.mended or 0 for report in reports) == 300
    assert counts(compared(lake, new_store(), subscriber)) == {"equal": 300}


def test_what_is_removed_during_a_mend_is_left_over(lake: Path, sqlite: GuardedSqlite, subscriber: View) -> None:
    class Forgetful(Meddled):
        def read(self, view: str, keys: Sequence[str]) -> list[OnlineRow | None]:
            return [None for _ in keys]

    write_rows(lake, subscriber, [lake_row("a")])
    report = compared(lake, Forgetful(sqlite, None), subscriber, mend=True)
    assert (report.mended, report.left, report.outcome) == (1, 1, "failed")


def test_keys_with_odd_characters_are_compared_and_mended(lake: Path, store: GuardedStore, subscriber: View) -> None:
    write_rows(lake, subscriber, [lake_row(key) for key in ODD_KEYS] + [lake_row("youngest", 130)])
    store.write("subscriber", [online_row(subscriber, lake_row(key), **{SUM: 1.0}) for key in ODD_KEYS[::2]])
    store.write("subscriber", [online_row(subscriber, lake_row(f"{key}?")) for key in ODD_KEYS])
    report = compared(lake, store, subscriber, mend=True, batch_keys=4)
    assert counts(report) == {"different": 8, "missing": 8, "unknown": 15}
    assert (report.mended, report.left) == (16, 0)
    assert counts(compared(lake, store, subscriber, batch_keys=4)) == {"equal": 16, "unknown": 15}


def test_a_row_that_reaches_the_store_within_the_patience_is_no_finding(
    lake: Path, sqlite: GuardedSqlite, subscriber: View
) -> None:
    write_rows(lake, subscriber, [lake_row("a"), lake_row("b")])
    clock = FakeClock(datetime(2026, 3, 2, tzinfo=UTC))
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.advance(timedelta(seconds=seconds))
        sqlite.write("subscriber", [online_row(subscriber, lake_row("a"))])

    report = compared(lake, sqlite, subscriber, patience_seconds=1.5, clock=clock, sleep=sleep, batch_keys=1)
    assert counts(report) == {"equal": 1, "missing": 1}
    assert waits == [1.5]


def test_nothing_is_waited_for_when_nothing_is_wrong(lake: Path, sqlite: GuardedSqlite, subscriber: View) -> None:
    write_rows(lake, subscriber, [lake_row("a")])
    sqlite.write("subscriber", [online_row(subscriber, lake_row("a"))])

    def sleep(seconds: float) -> None:
        raise AssertionError(seconds)

    assert compared(lake, sqlite, subscriber, patience_seconds=9, sleep=sleep).passed


def test_rows_that_arrive_during_the_comparison_are_ahead(lake: Path, store: GuardedStore, subscriber: View) -> None:
    rows = [lake_row("a"), lake_row("b")]
    write_rows(lake, subscriber, rows)
    store.write("subscriber", [online_row(subscriber, row) for row in rows])

    def arrive() -> None:
        arriving = [lake_row("b", 500, 5), lake_row("c", 500, 6)]
        write_rows(lake, subscriber, arriving)
        store.write("subscriber", [online_row(subscriber, row) for row in arriving])

    report = compared(lake, Meddled(store, arrive), subscriber, batch_keys=1)
    assert counts(report) == {"equal": 1, "ahead": 2}
    assert counts(compared(lake, store, subscriber)) == {"equal": 3}


@pytest.mark.parametrize(("older_by_ms", "kind"), [(0, "ahead"), (1, "unknown")])
def test_a_key_is_unknown_when_the_lake_has_a_row_that_was_made_a_minute_later(
    lake: Path, sqlite: GuardedSqlite, subscriber: View, older_by_ms: int, kind: str
) -> None:
    made = at(10) + timedelta(milliseconds=IN_FLIGHT_MS + older_by_ms)
    # The youngest row is not the newest one of its key: a changed declaration makes history anew.
    write_rows(lake, subscriber, [lake_row("a", 5, 0, emitted_at=made), lake_row("a")])
    sqlite.write("subscriber", [online_row(subscriber, lake_row("a")), online_row(subscriber, lake_row("b"))])
    report = compared(lake, sqlite, subscriber)
    assert counts(report) == {"equal": 1, kind: 1}
    assert (report.passed, report.outcome) == (True, "passed")


def test_no_more_keys_than_a_batch_are_read_at_a_time(lake: Path, sqlite: GuardedSqlite, subscriber: View) -> None:
    write_rows(lake, subscriber, [lake_row(f"k{n}") for n in range(5_000)])
    sqlite.write("subscriber", [online_row(subscriber, lake_row(f"other{n}")) for n in range(5_000)])
    sizes: list[int] = []

    class Measured(Meddled):
        def read(self, view: str, keys: Sequence[str]) -> list[OnlineRow | None]:
            sizes.append(len(keys))
            return sqlite.read(view, keys)

    report = compared(lake, Measured(sqlite, None), subscriber, batch_keys=700)
    assert counts(report) == {"missing": 5_000, "ahead": 5_000}
    assert max(sizes) <= 700
    assert sum(sizes) == 10_000


def test_a_key_that_the_store_lists_twice_is_counted_once(lake: Path, sqlite: GuardedSqlite, subscriber: View) -> None:
    sqlite.write("subscriber", [online_row(subscriber, lake_row("a"))])
    twice = Meddled(sqlite, lambda: None)
    twice.keys = lambda view: iter([["a", "a"], ["a"]])
    assert counts(compared(lake, twice, subscriber)) == {"ahead": 1}


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
