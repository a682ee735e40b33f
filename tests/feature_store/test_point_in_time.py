"""Point-in-time joins over a real lake, against a search through all rows."""

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from headrace_features.feature_store import At, FeatureStoreError, Lookup, join_features, lookup_of
from headrace_features.view import View
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_cases import at, write_rows
from store_cases import CELL, TICK, load_project

Rows = Sequence[Mapping[str, Any]]
SUM = "duration_s_sum_1h"


def spine_of(*rows: tuple[str, datetime]) -> pa.Table:
    keys, instants = zip(*rows, strict=True)
    return pa.table({
        "subscriber_id": pa.array(keys, pa.string()), "event_timestamp": pa.array(instants, pa.timestamp("us", "UTC")),
    })  # fmt: skip


def joined(
    lake: Path, view: View, *spine: tuple[str, datetime], as_of: At = "known", ttl_ms: int | None = None
) -> list[Any]:
    lookup = lookup_of(view, [SUM])
    if ttl_ms is not None:
        lookup = Lookup(lookup.view, lookup.key, lookup.columns, ttl_ms, lookup.declaration)
    values: list[Any] = join_features(lake, spine_of(*spine), [lookup], at=as_of).column(SUM).to_pylist()
    return values


def row(clock: float, value: float, key: str = "a", **changes: Any) -> dict[str, Any]:
    return {"subscriber_id": key, "clock": at(clock), SUM: value, **changes}


def test_the_last_row_at_or_before_the_instant_counts(tmp_path: Path, subscriber: View) -> None:
    write_rows(tmp_path, subscriber, [row(10, 1.0), row(20, 2.0), row(20, 9.0, key="b")])
    spine = [("a", at(9)), ("a", at(10)), ("a", at(19)), ("a", at(20)), ("b", at(30)), ("c", at(30)), ("a", at(10))]
    assert joined(tmp_path, subscriber, *spine) == [None, 1.0, 1.0, 2.0, 9.0, None, 1.0]


def test_of_rows_with_one_clock_the_greatest_source_offset_counts(tmp_path: Path, subscriber: View) -> None:
    rows = [row(10, 3.0, source_offset=7), row(10, 1.0, source_offset=5), row(10, 2.0, source_offset=6)]
    write_rows(tmp_path, subscriber, rows)
    assert joined(tmp_path, subscriber, ("a", at(10))) == [3.0]


def test_a_value_that_was_not_yet_made_is_not_known(tmp_path: Path, subscriber: View) -> None:
    write_rows(tmp_path, subscriber, [row(10, 1.0), row(20, 2.0, emitted_at=at(25))])
    assert joined(tmp_path, subscriber, ("a", at(24)), ("a", at(25))) == [1.0, 2.0]
    assert joined(tmp_path, subscriber, ("a", at(24)), as_of="event_time") == [2.0]


def test_an_older_row_that_was_made_later_does_not_come_back(tmp_path: Path, subscriber: View) -> None:
    write_rows(tmp_path, subscriber, [row(10, 1.0, emitted_at=at(50)), row(20, 2.0)])
    assert joined(tmp_path, subscriber, ("a", at(60))) == [2.0]


def test_a_repair_counts_from_when_it_was_made(tmp_path: Path, subscriber: View) -> None:
    wrong = row(10, 1.0, source_offset=1)
    write_rows(tmp_path, subscriber, [wrong])
    write_rows(tmp_path, subscriber, [{**wrong, SUM: 1.5, "revision": 1, "emitted_at": at(100)}])
    assert joined(tmp_path, subscriber, ("a", at(99)), ("a", at(100))) == [1.0, 1.5]
    assert joined(tmp_path, subscriber, ("a", at(99)), as_of="event_time") == [1.5]


def test_a_value_of_exactly_the_ttl_counts_and_an_older_one_does_not(tmp_path: Path, subscriber: View) -> None:
    write_rows(tmp_path, subscriber, [row(0, 1.0)])
    day = timedelta(hours=24)
    assert joined(tmp_path, subscriber, ("a", at(0) + day), ("a", at(0.001) + day)) == [1.0, None]
    assert joined(tmp_path, subscriber, ("a", at(0) + 400 * day), ttl_ms=0) == [1.0]


def test_rows_of_another_declaration_do_not_count(tmp_path: Path, subscriber: View) -> None:
    write_rows(tmp_path, subscriber, [row(10, 1.0), row(20, 2.0, declaration="another")])
    assert joined(tmp_path, subscriber, ("a", at(30))) == [1.0]


def test_columns_that_no_row_has_yet_are_null(tmp_path: Path, subscriber: View) -> None:
    write_rows(tmp_path, subscriber, [row(10, 1.0)])
    lookup = Lookup("subscriber", "subscriber_id", {"new": ("long", "new"), SUM: ("double", SUM)}, 0)
    table = join_features(tmp_path, spine_of(("a", at(10))), [lookup])
    assert table.select(["new", SUM]).to_pylist() == [{"new": None, SUM: 1.0}]
    assert table.schema.field("new").type == pa.int64()


def test_a_table_that_is_not_made_yet_gives_nulls(tmp_path: Path, subscriber: View) -> None:
    table = join_features(tmp_path, spine_of(("a", at(10))), [lookup_of(subscriber)])
    assert table.select([column.name for column in subscriber.columns]).to_pylist() == [
        {"country_lag_1": None, "duration_s_count_1h": None, SUM: None, "is_long": None}
    ]


def test_views_with_other_keys_are_looked_up_by_their_own_column(tmp_path: Path, subscriber: View) -> None:
    cell = load_project(
        tmp_path / "other",
        {"tick": TICK},
        {"cell": CELL},
    )["cell"]
    write_rows(tmp_path, subscriber, [row(10, 1.0)])
    write_rows(tmp_path, cell, [{"cell": 7, "clock": at(10), "load_lag_1": 0.25}])
    spine = spine_of(("a", at(11)), ("a", at(12))).append_column("cell", pa.array([7, 8], pa.int32()))
    found = join_features(tmp_path, spine, [lookup_of(subscriber, [SUM]), lookup_of(cell)])
    assert found.column_names == ["subscriber_id", "event_timestamp", "cell", SUM, "load_lag_1"]
    assert found.column(SUM).to_pylist() == [1.0, 1.0]
    assert found.column("load_lag_1").to_pylist() == [0.25, None]


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of two keys: clocks never go back, a generation may begin, rows are made late, some are repaired."""
    rows: list[dict[str, Any]] = []
    for key in "ab":
        clock, generation = 0, 0
        for offset in range(draw(st.integers(0, 8))):
            clock += draw(st.integers(0, 3))
            generation += draw(st.sampled_from([0, 0, 0, 1]))
            for revision in range(draw(st.sampled_from([1, 1, 2]))):
                emitted_at = at(clock + draw(st.integers(0, 6)))
                rows.append({
                    "subscriber_id": key, "clock": at(clock), "generation": generation, "source_offset": offset,
                    "revision": revision, "emitted_at": emitted_at, SUM: float(len(rows)),
                })  # fmt: skip
    return draw(st.permutations(rows))


def by_search(rows: Rows, key: str, instant: datetime, as_of: At, ttl_seconds: int) -> float | None:
    visible = [
        each for each in rows
        if each["subscriber_id"] == key
        and each["clock"] <= instant
        and (as_of == "event_time" or each["emitted_at"] <= instant)
    ]  # fmt: skip
    order = ("generation", "clock", "source_offset", "revision", "emitted_at")
    newest = max(visible, key=lambda each: tuple(each[name] for name in order), default=None)
    if newest is None or newest["clock"] < instant - timedelta(seconds=ttl_seconds):
        return None
    return float(newest[SUM])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(histories(), st.sampled_from(["known", "event_time"]), st.integers(1, 8), st.integers(0, 5))
def test_the_join_equals_a_search_through_all_rows(
    subscriber: View, rows: Rows, as_of: At, ttl_seconds: int, cut: int
) -> None:
    spine = [(key, at(second)) for second in range(-1, 30, 2) for key in "abc"]
    expected = [by_search(rows, key, instant, as_of, ttl_seconds) for key, instant in spine]
    with tempfile.TemporaryDirectory() as folder:
        for part in (rows[:cut], rows[cut:]):
            if part:
                write_rows(Path(folder), subscriber, part)
        assert joined(Path(folder), subscriber, *spine, as_of=as_of, ttl_ms=ttl_seconds * 1_000) == expected


def test_a_spine_without_the_key_is_an_error(tmp_path: Path, subscriber: View) -> None:
    with pytest.raises(FeatureStoreError) as caught:
        join_features(
            tmp_path, spine_of(("a", at(0))).rename_columns(["subscriber", "event_timestamp"]), [lookup_of(subscriber)]
        )
    assert str(caught.value) == (
        "the spine has no column 'subscriber_id'\n"
        "  columns:   subscriber, event_timestamp\n"
        "  expected:  the keys of the views, and 'event_timestamp'\n"
        "  try:       subscriber"
    )


def test_a_column_that_the_spine_has_already_is_an_error(tmp_path: Path, subscriber: View) -> None:
    with pytest.raises(FeatureStoreError) as caught:
        join_features(tmp_path, spine_of(("a", at(0))), [lookup_of(subscriber), lookup_of(subscriber, [SUM])])
    assert str(caught.value) == (
        f"the result would have the column {SUM!r} twice\n"
        "  views:  subscriber, subscriber\n"
        "  try:    full_feature_names=True, or another name in the spine"
    )


def test_a_column_that_the_view_does_not_have_is_an_error(subscriber: View) -> None:
    with pytest.raises(FeatureStoreError) as caught:
        lookup_of(subscriber, ["duration_sum_1h"])
    assert str(caught.value) == (
        "the view 'subscriber' has no column 'duration_sum_1h'\n"
        "  columns:  country_lag_1, duration_s_count_1h, duration_s_sum_1h, is_long\n"
        "  try:      duration_s_sum_1h"
    )


def test_another_word_for_at_is_an_error(tmp_path: Path, subscriber: View) -> None:
    with pytest.raises(FeatureStoreError) as caught:
        join_features(tmp_path, spine_of(("a", at(0))), [lookup_of(subscriber)], at="now")  # type: ignore[arg-type]  # the test
    assert str(caught.value) == "at is 'now'\n  expected:  known, event_time\n  try:       at=known"
