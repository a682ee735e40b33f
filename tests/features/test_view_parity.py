"""`verify`: what counts as equal, as a mismatch, as pending and as not verifiable."""

from pathlib import Path
from typing import Any

import pytest
from headrace_features.verify import ParityReport, verify
from headrace_lake import Lake
from parity_lake import ParityLake
from reference import Event
from view_cases import START_MS

_NONE: dict[str, Any] = {"x": None, "n": None, "i": None, "b": None, "s": None}


def reading(
    offset: int, *, key: str = "a", at_ms: int | None = None, event_id: str | None = None, x: float | None = None
) -> Event:
    """Return the reading at an offset, 100 ms after the one before it."""
    time_ms = START_MS + (offset * 100 if at_ms is None else at_ms)
    value = offset * 1.25 if x is None else x
    return Event(key, event_id or f"e-{offset}", offset, time_ms, {**_NONE, "x": value, "s": f"s{offset % 3}"})


def readings(count: int = 30) -> list[Event]:
    """Return readings of two series."""
    return [reading(offset, key="ab"[offset % 2]) for offset in range(count)]


def with_everything() -> list[Event]:
    """Return readings with late events, duplicates, a later repeat, ties and a jump beyond `retain`."""
    return [
        *readings(20),
        reading(20, at_ms=1_000),
        reading(21, event_id="e-20", at_ms=1_850),
        reading(22, event_id="e-0", at_ms=5_000),
        reading(23, at_ms=5_000, x=1e16),
        reading(24, at_ms=5_000, x=-1e16),
        reading(25, at_ms=100_000),
        reading(26, at_ms=100_100, x=0.1),
    ]


def report_of(made: ParityLake, **options: Any) -> ParityReport:
    return verify(made.lake(), made.view, **options)


@pytest.mark.parametrize("bucket_rows", [2_000_000, 5])
def test_rows_and_ledgers_of_the_reference_pass(tmp_path: Path, bucket_rows: int) -> None:
    made = ParityLake(tmp_path, with_everything())
    assert [len(entries) for entries in made.ledgers.values()] == [1, 1]
    report = report_of(made, bucket_rows=bucket_rows)
    assert report.first_differences == []
    assert (report.outcome, report.rows, report.verified, report.mismatches) == ("passed", 26, 26, 0)
    assert (report.pending, report.open_values, report.not_verifiable) == (0, 0, {})


def test_one_wrong_bit_of_a_lag_is_a_mismatch_that_names_event_and_column(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    made.rows[10]["x_lag_1"] = 10.000000000000002
    report = report_of(made)
    assert (report.outcome, report.differing, report.verified) == ("failed", 1, 29)
    (difference,) = report.first_differences
    assert (difference.event_id, difference.column) == ("e-10", "x_lag_1")
    assert (difference.streamed, difference.recomputed) == (10.000000000000002, 10.0)


def test_a_sum_may_be_off_by_a_billionth_of_its_values_and_no_more(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    made.rows[10]["x_sum_1s"] *= 1 + 5e-10
    made.rows[12]["x_sum_1s"] *= 1 + 2e-9
    report = report_of(made)
    assert [(d.event_id, d.column) for d in report.first_differences] == [("e-12", "x_sum_1s")]


def test_a_score_may_be_off_by_what_follows_from_mean_and_deviation(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings(40))
    assert made.rows[38]["x_zscore_3s"] is not None
    made.rows[38]["x_zscore_3s"] *= 1 + 1e-9
    made.rows[39]["x_zscore_3s"] *= 1 + 1e-7
    assert [d.event_id for d in report_of(made).first_differences] == ["e-39"]


def test_null_is_not_a_number(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    made.rows[10]["x_mean_1s"] = None
    made.rows[11]["s_lag_1"] = None
    assert [(d.event_id, d.column) for d in report_of(made).first_differences] == [
        ("e-10", "x_mean_1s"), ("e-11", "s_lag_1"),
    ]  # fmt: skip


@pytest.mark.parametrize("column", ["clock", "generation", "ingested_at", "event_id", "high", "hour"])
def test_what_stands_beside_the_numbers_is_compared_too(tmp_path: Path, column: str) -> None:
    made = ParityLake(tmp_path, readings())
    before = made.rows[3][column]
    made.rows[3][column] = (
        not before if isinstance(before, bool) else "other" if isinstance(before, str) else before + 1000
    )
    assert report_of(made).differing == 1


def test_a_row_that_is_missing_before_the_newest_is_a_mismatch(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    del made.rows[7]
    report = report_of(made)
    assert (report.outcome, report.missing, report.rows) == ("failed", 1, 29)
    (difference,) = report.first_differences
    assert (difference.event_id, difference.column, difference.streamed, difference.recomputed) == (
        "e-7", "row", "no row", "a row",
    )  # fmt: skip


def test_rows_beyond_the_newest_are_pending(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    del made.rows[25:]
    report = report_of(made)
    assert (report.outcome, report.rows, report.pending, report.missing) == ("passed", 25, 5, 0)


def test_a_row_of_a_duplicate_is_unexpected(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, [*readings(10), reading(10, event_id="e-8", at_ms=900), reading(11)])
    made.rows.append({**made.rows[8], "source_offset": 10})
    report = report_of(made)
    assert (report.outcome, report.unexpected) == ("failed", 1)
    assert [(d.offset, d.streamed, d.recomputed) for d in report.first_differences] == [(10, "a row", "no row")]


def test_a_row_whose_event_is_not_in_the_lake_yet_is_pending(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    del made.events[28:]
    report = report_of(made)
    assert (report.outcome, report.rows, report.pending) == ("passed", 28, 2)


def test_two_rows_of_one_event_and_revision_are_a_mismatch(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    made.rows.append(made.rows[4])
    report = report_of(made)
    assert (report.outcome, report.doubled, report.verified) == ("failed", 1, 30)
    assert report.first_differences[0].streamed == "2 rows"


def test_of_two_revisions_the_higher_one_is_compared(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    made.rows.append({**made.rows[4], "revision": 1})
    made.rows[4]["x_lag_1"] = -1.0
    assert report_of(made).outcome == "passed"


def test_a_later_repeat_of_an_id_is_no_double(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, [*readings(10), reading(10, event_id="e-0", at_ms=9_000)])
    report = report_of(made)
    assert (report.outcome, report.rows) == ("passed", 11)


def test_ledger_entries_that_are_missing_wrong_or_too_many_are_mismatches(tmp_path: Path) -> None:
    late = [reading(20 + i, at_ms=100 * i) for i in range(4)]
    made = ParityLake(tmp_path, [*readings(20), *late, reading(24, at_ms=9_000)])
    entries = made.ledgers["late_events"]
    assert len(entries) == 4
    entries[1]["clock"] += 1000
    del entries[0]
    made.ledgers["duplicates"].append({**entries[0], "order": None})
    report = report_of(made)
    assert [(d.event_id, d.column) for d in report.first_differences] == [
        ("e-20", "late_events"), ("e-21", "late_events"), ("e-21", "duplicates"),
    ]  # fmt: skip
    assert (report.outcome, report.ledger_differences, report.differing) == ("failed", 3, 0)


def test_a_ledger_entry_that_stands_twice_is_one_entry(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, [*readings(20), reading(20, at_ms=100)])
    made.ledgers["late_events"] *= 2
    assert report_of(made).outcome == "passed"


def test_rows_of_another_declaration_are_not_verifiable(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    made.rows += [{**row, "declaration": "0123456789ab", "x_lag_1": 99.0} for row in made.rows]
    report = report_of(made)
    assert (report.outcome, report.rows) == ("passed", 30)
    assert report.not_verifiable == {"they were made by another declaration": 30}


def test_rows_whose_events_are_gone_are_not_verifiable_nor_are_later_ones_of_their_keys(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, [*readings(10), *(reading(10 + i, key="c") for i in range(5))])
    del made.events[:5]
    report = report_of(made)
    assert (report.outcome, report.rows) == ("passed", 5)
    assert report.not_verifiable == {"their events are gone, or those before them": 10}


def test_a_key_in_two_partitions_has_no_order_to_verify(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings(), partition_of={"e-4": 1})
    report = report_of(made)
    assert (report.outcome, report.rows) == ("passed", 15)
    assert report.not_verifiable == {"the events of their key are in several partitions": 15}


def test_a_lake_without_rows_never_passes(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    made.rows.clear()
    report = report_of(made)
    assert (report.outcome, report.passed, report.pending) == ("not verifiable", False, 30)


def test_a_lake_that_does_not_exist_yet_is_not_verifiable(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    assert verify(Lake(tmp_path / "nowhere"), made.view).outcome == "not verifiable"


def test_the_report_reads_as_text_and_as_data(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    made.rows[10]["x_lag_1"] = 3.0
    report = report_of(made)
    assert report.text() == (
        f"series (declaration {made.view.digest}): failed, 29 of 30 rows verified\n"
        "  1 rows differ\n"
        "  e-10 (partition 0, offset 10) x_lag_1: streamed 3.0, recomputed 10.0"
    )
    data = report.as_dict()
    assert (data["outcome"], data["mismatches"], data["verified"]) == ("failed", 1, 29)
    assert data["first_differences"] == [
        {"event_id": "e-10", "partition": 0, "offset": 10, "column": "x_lag_1", "streamed": 3.0, "recomputed": 10.0}
    ]


def test_no_more_differences_are_listed_than_asked_for(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    for row in made.rows:
        row["x_sum_1s"] = row["x_max_1s"] = -5.0
    report = report_of(made, most_differences=3)
    assert (report.differing, len(report.first_differences)) == (30, 3)
