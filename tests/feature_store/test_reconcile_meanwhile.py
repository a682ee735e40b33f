"""Reconciling while others write: what arrives, what is on its way, what is read in batches."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from headrace_features.online import GuardedSqlite, GuardedStore, OnlineRow
from headrace_features.reconcile import IN_FLIGHT_MS
from headrace_features.reconcile_report import ReconcileReport
from headrace_features.view import View
from headrace_ingestion.testing import FakeClock
from lake_cases import at, write_rows
from reconcile_cases import SUM, Meddled, compared, counts, lake_row, one_of_each, online_row
from store_cases import NewStore


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
