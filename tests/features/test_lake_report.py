"""What the lake holds of a view: figures that were worked out by hand."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from headrace_features.lake_report import ColumnQuality, Quality, StoredRows, freshness, quality, stored_rows
from headrace_lake import Lake, features_table, ops_tables
from headrace_lake.layout import table_folder
from headrace_lake.schemas import arrow_schema
from parity_lake import ParityLake
from reference import Event
from view_cases import START_MS, load_declaration

_NONE: dict[str, Any] = {"x": None, "n": None, "i": None, "b": None, "s": None}
START = datetime.fromtimestamp(START_MS / 1000, UTC)


def reading(offset: int, event_id: str | None = None, at_ms: int | None = None) -> Event:
    """Return the reading at an offset, a second after the one before it."""
    time_ms = START_MS + (1_000 * offset if at_ms is None else at_ms)
    return Event("a", event_id or f"e-{offset}", offset, time_ms, {**_NONE, "x": 1.0})


def made_of(folder: Path, *events: Event) -> ParityLake:
    """Return a lake of these events, by default of four, a second apart."""
    return ParityLake(folder, events or [reading(offset) for offset in range(4)])


def with_columns(made: ParityLake, **columns: list[Any]) -> ParityLake:
    """Put these values into the columns of the rows."""
    for name, values in columns.items():
        for row, value in zip(made.rows, values, strict=True):
            assert name in row
            row[name] = value
    return made


def quality_of(made: ParityLake, **options: Any) -> Quality:
    lake = made.lake()
    found = quality(lake, made.view, stored_rows(lake, [made.view])[0], **options)
    assert found is not None
    return found


def columns_of(found: Quality) -> Mapping[str, ColumnQuality]:
    return {column.name: column for column in found.columns}


def test_rows_of_earlier_declarations_are_counted_beside_the_present_ones(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    made.rows[3]["declaration"] = "0123456789ab"
    made.rows[1]["clock"] += 7_000_000
    assert stored_rows(made.lake(), [made.view]) == [
        StoredRows(3, 1, START + timedelta(seconds=2), START + timedelta(seconds=8))
    ]


def test_each_view_is_counted_in_the_order_that_was_asked_for(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    other = load_declaration(
        {"name": "a", "source": "reading", "key": "series", "features": [{"since_last": {}}], "ttl": "1h"}, tmp_path
    )
    specs = [features_table(view.name, "series", "string", []) for view in (other, made.view)]
    made.lake()
    found = stored_rows(Lake(tmp_path / "lake", specs), [made.view, other])
    assert [stored.rows for stored in found] == [4, 0]
    assert found[1] == StoredRows(0, 0, None, None)
    assert stored_rows(Lake(tmp_path / "lake", specs), []) == []


def test_the_figures_of_a_number_are_those_of_its_values(tmp_path: Path) -> None:
    made = with_columns(made_of(tmp_path), x_lag_1=[5.0, None, 1.0, 2.0], x_count_1s=[4, 1, 2, 3])
    columns = columns_of(quality_of(made))
    x = columns["x_lag_1"]
    assert (x.type, x.null_rate, x.min, x.p50, x.max, x.distinct) == ("double", 0.25, 1.0, 2.0, 5.0, None)
    assert x.mean == pytest.approx(8 / 3)
    assert x.p99 == pytest.approx(2 + 0.98 * 3)  # rank (3 - 1)·0.99 = 1.98
    count = columns["x_count_1s"]
    assert (count.null_rate, count.min, count.p50, count.max, count.mean) == (0, 1, 2.5, 4, 2.5)
    assert isinstance(count.max, int)


def test_texts_and_bools_have_different_values_and_a_bool_a_share_that_is_true(tmp_path: Path) -> None:
    made = with_columns(made_of(tmp_path), s_lag_1=["b", "a", None, "b"], high=[True, None, False, True])
    columns = columns_of(quality_of(made))
    assert columns["s_lag_1"] == ColumnQuality("s_lag_1", "string", 0.25, distinct=2)
    high = columns["high"]
    assert (high.type, high.null_rate, high.distinct, high.min, high.p50) == ("bool", 0.25, 2, None, None)
    assert high.mean == pytest.approx(2 / 3)


def test_a_column_without_a_value_has_no_figures(tmp_path: Path) -> None:
    made = with_columns(made_of(tmp_path), x_lag_1=[None] * 4, s_lag_1=[None] * 4)
    columns = columns_of(quality_of(made))
    assert columns["x_lag_1"] == ColumnQuality("x_lag_1", "double", 1.0)
    assert columns["s_lag_1"] == ColumnQuality("s_lag_1", "string", 1.0, distinct=0)


def test_a_mean_beyond_what_a_double_holds_is_none(tmp_path: Path) -> None:
    made = with_columns(made_of(tmp_path), x_lag_1=[1.7e308] * 4)
    x = columns_of(quality_of(made))["x_lag_1"]
    assert (x.mean, x.max) == (None, 1.7e308)


def test_only_rows_of_the_present_declaration_are_judged(tmp_path: Path) -> None:
    made = with_columns(made_of(tmp_path), x_lag_1=[1.0, 2.0, 3.0, 1e6])
    made.rows[3]["declaration"] = "0123456789ab"
    found = quality_of(made)
    assert (found.rows, found.newest_event_time) == (3, START + timedelta(seconds=2))
    assert columns_of(found)["x_lag_1"].max == 3.0


@pytest.mark.parametrize(("last_ms", "judged"), [(1_000, [3]), (1_001, [2, 3]), (3_000, [1, 2, 3]), (3_001, 4)])
def test_the_range_counts_back_from_the_newest_event_without_its_first_instant(
    tmp_path: Path, last_ms: int, judged: list[int] | int
) -> None:
    made = with_columns(made_of(tmp_path), x_lag_1=[0.0, 1.0, 2.0, 3.0])
    offsets = list(range(4)) if isinstance(judged, int) else judged
    found = quality_of(made, last=timedelta(milliseconds=last_ms))
    assert found.rows == len(offsets)
    assert found.oldest_event_time == START + timedelta(seconds=offsets[0])
    assert columns_of(found)["x_lag_1"].min == offsets[0]


def with_ledgers(folder: Path) -> ParityLake:
    """Return three rows, the second of an event that was late, and a duplicate."""
    events = ((0, "e-0", 5_000), (1, "e-1", 4_000), (2, "e-0", 5_000), (3, "e-3", 6_000))
    made = made_of(folder, *(reading(offset, event_id, at_ms) for offset, event_id, at_ms in events))
    assert [len(made.rows), *(len(entries) for entries in made.ledgers.values())] == [3, 1, 1]
    return made


def test_late_rows_and_duplicates_are_shares(tmp_path: Path) -> None:
    found = quality_of(with_ledgers(tmp_path))
    assert (found.rows, found.late_rows, found.duplicates) == (3, 1, 1)
    assert found.late_share == pytest.approx(1 / 3)
    assert found.duplicate_share == 0.25


def test_entries_of_other_views_and_repeated_entries_do_not_count(tmp_path: Path) -> None:
    made = with_ledgers(tmp_path)
    for entries in made.ledgers.values():
        entries += [{**entries[0], "view": "another", "offset": 0}, {**entries[0], "_offset": 70}]
    found = quality_of(made)
    assert (found.late_rows, found.duplicates) == (1, 1)


def test_what_an_earlier_declaration_has_noted_does_not_count(tmp_path: Path) -> None:
    made = with_ledgers(tmp_path)
    for entries in made.ledgers.values():
        entries[0]["declaration"] = "0123456789ab"
    assert (quality_of(made).late_rows, quality_of(made).duplicates) == (0, 0)


def test_the_range_holds_for_the_ledgers_too(tmp_path: Path) -> None:
    made = with_ledgers(tmp_path)
    lake = made.lake()
    (stored,) = stored_rows(lake, [made.view])
    counts = []
    for seconds in (1, 2, 3):
        found = quality(lake, made.view, stored, last=timedelta(seconds=seconds))
        assert found is not None
        counts.append((found.rows, found.late_rows, found.duplicates))
    assert counts == [(1, 0, 0), (2, 0, 1), (3, 1, 1)]


def test_many_values_are_approximated_but_not_counted_wrong(tmp_path: Path) -> None:
    events = [reading(offset) for offset in range(200)]
    made = with_columns(
        made_of(tmp_path, *events), x_lag_1=[float(i) for i in range(200)], s_lag_1=[str(i % 40) for i in range(200)]
    )
    lake = made.lake()
    (stored,) = stored_rows(lake, [made.view])
    values = 200 * len(made.view.columns)
    exact, found = (quality(lake, made.view, stored, exact_values=most) for most in (values, values - 1))
    assert exact is not None
    assert found is not None
    assert (exact.is_approximate, found.is_approximate) == (False, True)
    x, s = (columns_of(found)[name] for name in ("x_lag_1", "s_lag_1"))
    assert (x.null_rate, x.min, x.max, x.mean) == (0, 0.0, 199.0, 99.5)
    assert x.p50 == pytest.approx(99.5, abs=3)
    assert x.p99 == pytest.approx(197.01, abs=3)
    assert s.distinct == pytest.approx(40, abs=10)


def with_hops(folder: Path) -> ParityLake:
    """Return four rows that took 10 to 40 ms to be ingested, then 1, 2, 3 and 100 ms to be emitted."""
    made = made_of(folder)
    for row, ingested_ms, emitted_ms in zip(made.rows, (10, 20, 30, 40), (1, 2, 3, 100), strict=True):
        row["ingested_at"] = row["event_time"] + ingested_ms * 1000
        row["emitted_at"] = row["ingested_at"] + emitted_ms * 1000
    return made


def test_the_hops_of_the_newest_rows_are_measured(tmp_path: Path) -> None:
    made = with_hops(tmp_path)
    emitted = START + timedelta(seconds=3, milliseconds=140)
    found = freshness(made.lake(), made.view, now=emitted + timedelta(seconds=90))
    assert found is not None
    assert (found.rows, found.newest_emitted_at, found.age_ms) == (4, emitted, 90_000)
    ingested, emitted_ = found.hops
    # rank (4 - 1)·0.99 = 2.97
    assert (ingested.name, ingested.p50_ms, ingested.max_ms) == ("event_time → ingested_at", 25.0, 40)
    assert ingested.p99_ms == pytest.approx(30 + 0.97 * 10)
    assert (emitted_.name, emitted_.p50_ms, emitted_.max_ms) == ("ingested_at → emitted_at", 2.5, 100)
    assert emitted_.p99_ms == pytest.approx(3 + 0.97 * 97)


def test_only_so_many_of_the_newest_rows_are_measured(tmp_path: Path) -> None:
    made = with_hops(tmp_path)
    found = freshness(made.lake(), made.view, now=START, newest_rows=2)
    assert found is not None
    assert (found.rows, found.hops[0].p50_ms) == (2, 35.0)
    assert found.age_ms == -3_140


def test_rows_that_a_repair_wrote_say_nothing_about_the_stream(tmp_path: Path) -> None:
    made = with_hops(tmp_path)
    made.rows.append({**made.rows[0], "revision": 1, "emitted_at": made.rows[0]["emitted_at"] + 10**12, "_offset": 9})
    found = freshness(made.lake(), made.view, now=START)
    assert found is not None
    assert (found.rows, found.hops[1].max_ms) == (3, 100)


def test_a_lake_without_rows_has_neither_freshness_nor_quality(tmp_path: Path) -> None:
    made = made_of(tmp_path)
    made.rows.clear()
    lake = made.lake()
    (stored,) = stored_rows(lake, [made.view])
    assert stored == StoredRows(0, 0, None, None)
    assert freshness(lake, made.view, now=START) is None
    assert quality(lake, made.view, stored) is None


def test_names_that_are_words_of_sql_are_read_as_names(tmp_path: Path) -> None:
    declaration = {
        "name": "select", "source": "reading", "key": "series", "ttl": "1h",
        "features": [{"expression": {"name": "order", "sql": "x"}}, {"expression": {"name": "group", "sql": "b"}}],
    }  # fmt: skip
    view = load_declaration(declaration, tmp_path)
    spec = features_table("select", "series", "string", [(column.name, column.type) for column in view.columns])
    made = made_of(tmp_path)
    row = {**made.rows[0], "declaration": view.digest, "order": 2.5, "group": True}
    table = pa.Table.from_pylist([row], schema=arrow_schema(spec))
    write_deltalake(table_folder(tmp_path / "lake", "features", "select"), table)
    lake = Lake(tmp_path / "lake", [spec, *ops_tables()])
    found = quality(lake, view, stored_rows(lake, [view])[0])
    assert found is not None
    assert [(column.name, column.mean) for column in found.columns] == [("order", 2.5), ("group", 1.0)]
