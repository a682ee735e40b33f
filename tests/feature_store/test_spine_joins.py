"""Training sets of several views: names, keys, the cut, Feast's own call, and what a wrong spine is told."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from headrace_features.feature_store import FeatureStoreError, generate_repository
from headrace_features.feature_store.spine import read_spine
from headrace_features.feature_store.training_set import make_training_set, origin, training_lookups
from headrace_features.online import OnlineConfig
from headrace_features.view import View
from lake_cases import at, write_rows
from store_cases import CALL, CELL, SUBSCRIBER, TICK, load_project

SUM, LAG = "duration_s_sum_1h", "load_lag_1"
CALLER = SUBSCRIBER.replace("name: subscriber", "name: caller").replace("ttl: 24h", "ttl: 10s")


@pytest.fixture
def both(tmp_path: Path) -> list[View]:
    """Two views with other keys, a string and a long, each with rows in the lake."""
    events, features = {"call": CALL, "tick": TICK}, {"subscriber": SUBSCRIBER, "cell": CELL}
    views = load_project(tmp_path / "project", events, features)
    write_rows(tmp_path / "lake", views["subscriber"], [
        {"subscriber_id": "a", "clock": at(10), SUM: 1.0},
        {"subscriber_id": "a", "clock": at(20), SUM: 2.0, "emitted_at": at(25)},
        {"subscriber_id": "b", "clock": at(10), SUM: 3.0},
    ])  # fmt: skip
    write_rows(tmp_path / "lake", views["cell"], [
        {"cell": 7, "clock": at(15), LAG: 0.25}, {"cell": 7, "clock": at(30), LAG: 0.5},
    ])  # fmt: skip
    return [views["subscriber"], views["cell"]]


def spine(**columns: Sequence[Any]) -> pa.Table:
    """Make a spine of four rows; given columns replace its own."""
    own = {
        "subscriber_id": ["a", "b", "a", "nobody"],
        "cell": [7, 7, 7, 8],
        "event_timestamp": pa.array([at(24), at(12), at(25), at(40)], pa.timestamp("us", "UTC")),
        "label": [True, False, True, False],
    }
    return pa.table({**own, **columns})


def test_each_view_is_joined_by_its_own_key_with_its_own_ttl(tmp_path: Path, both: list[View]) -> None:
    late = at(3_700)  # an hour and more: beyond the ttl of the one view, within that of the other
    given = spine(event_timestamp=pa.array([at(24), at(12), late, late], pa.timestamp("us", "UTC")))
    table = make_training_set(tmp_path / "lake", given, training_lookups(both))
    assert table.column_names[:4] == given.column_names
    assert table.column(SUM).to_pylist() == [1.0, 3.0, 2.0, None]
    assert table.column(LAG).to_pylist() == [0.25, None, None, None]


def test_a_training_set_says_what_it_was_made_of(tmp_path: Path, both: list[View]) -> None:
    table = make_training_set(tmp_path / "lake", spine(), training_lookups(both), at="event_time")
    pq.write_table(table, tmp_path / "set.parquet")
    told = origin(pq.read_table(tmp_path / "set.parquet"))
    assert (told["at"], told["time"]) == ("event_time", "event_timestamp")
    assert told["views"]["cell"] == {
        "declaration": both[1].digest, "key": "cell", "table_version": 1, "rows_with_values": 2, "columns": [LAG],
    }  # fmt: skip
    assert told["views"]["subscriber"]["rows_with_values"] == 3


def test_only_columns_of_one_name_carry_the_name_of_their_view(tmp_path: Path) -> None:
    features = {"subscriber": SUBSCRIBER, "caller": CALLER.replace("take: [count, sum]", "take: [sum, max]")}
    views = load_project(tmp_path / "project", {"call": CALL}, features)
    write_rows(tmp_path / "lake", views["subscriber"], [{"subscriber_id": "a", "clock": at(10), SUM: 1.0}])
    write_rows(tmp_path / "lake", views["caller"], [{"subscriber_id": "a", "clock": at(11), SUM: 9.0}])
    chosen = [views["subscriber"], views["caller"]]
    lookups = training_lookups(chosen, {"caller": "callee"}, ["caller__is_long", "duration_s_count_1h"])
    given = spine(callee=["a", "b", "b", "b"]).slice(0, 1)
    assert make_training_set(tmp_path / "lake", given, lookups).drop_columns(given.column_names).to_pylist() == [{
        "subscriber__country_lag_1": None, f"subscriber__{SUM}": 1.0, "subscriber__is_long": None,
        "caller__country_lag_1": None, f"caller__{SUM}": None, "duration_s_max_1h": None,
    }]  # fmt: skip


@pytest.mark.parametrize("as_of", ["known", "event_time"])
def test_feast_gives_the_same_values_of_several_views(tmp_path: Path, both: list[View], as_of: Any) -> None:
    named = {view.name: view for view in both}
    online = OnlineConfig("sqlite", path=tmp_path / "online.db")
    feast: Any = generate_repository(tmp_path / "feast", "trial", named, tmp_path / "lake", online, at=as_of)
    ours = make_training_set(tmp_path / "lake", spine(), training_lookups(both), at=as_of)
    wanted = [f"{view.name}:{column.name}" for view in both for column in view.columns]
    theirs = feast.get_historical_features(entity_df=spine().to_pandas(), features=wanted).to_arrow()
    assert theirs.column(SUM).to_pylist() == ([1.0, 3.0, 2.0, None] if as_of == "known" else [2.0, 3.0, 2.0, None])
    assert theirs.to_pylist() == ours.to_pylist()


def test_a_csv_keeps_keys_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(
        "subscriber_id,event_timestamp,churned,note\n007,2026-03-02T00:00:20Z,1,NA\n,2026-03-02T01:00:00+01:00,0,\n"
    )
    table = read_spine(file, ["subscriber_id"])
    assert table.column("subscriber_id").to_pylist() == ["007", None]
    assert table.column("churned").to_pylist() == [1, 0]
    assert table.column("note").to_pylist() == ["NA", None]
    start = datetime(2026, 3, 2, tzinfo=UTC)
    assert [each.timestamp() - start.timestamp() for each in table.column("event_timestamp").to_pylist()] == [20, 0]


Wrong = Callable[[pa.Table], pa.Table]


def _unzoned(table: pa.Table) -> pa.Table:
    return table.set_column(2, "event_timestamp", table.column("event_timestamp").cast(pa.timestamp("us")))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda table: table.slice(0, 0),
            "the spine has no rows\n"
            "  columns:   subscriber_id, cell, event_timestamp, label\n"
            "  expected:  a row for each value of the training set\n"
            "  try:       headrace lake tables",
        ),
        (
            lambda table: table.rename_columns({"cell": "cell_id"}),
            "the spine has no column 'cell'\n"
            "  columns:   subscriber_id, cell_id, event_timestamp, label\n"
            "  expected:  the keys of the views, and 'event_timestamp'\n"
            "  try:       cell_id",
        ),
        (
            lambda table: table.rename_columns({"event_timestamp": "at"}),
            "the spine has no column 'event_timestamp'\n"
            "  columns:   subscriber_id, cell, at, label\n"
            "  expected:  the keys of the views, and 'event_timestamp'\n"
            "  try:       add a column 'event_timestamp'",
        ),
        (
            _unzoned,
            "the time column 'event_timestamp' of the spine has no time zone\n"
            "  first value:  2026-03-02 00:00:24\n"
            "  expected:     a zone with each value, such as 2026-01-31T00:00:00Z\n"
            "  try:          in SQL: event_timestamp at time zone 'UTC' as event_timestamp; "
            "in pandas: frame.event_timestamp.dt.tz_localize('UTC')",
        ),
        (
            lambda table: table.set_column(2, "event_timestamp", pa.array(["yesterday"] * 4)),
            "the time column 'event_timestamp' of the spine is of the type string\n"
            "  first value:  'yesterday'\n"
            "  expected:     timestamps with a zone, such as 2026-01-31T00:00:00Z\n"
            "  try:          --time COLUMN for another one",
        ),
        (
            lambda table: table.set_column(1, "cell", pa.array([7, None, None, 7])),
            "the column 'cell' of the spine is null in 2 of 4 rows\n"
            "  first:     row 2\n"
            "  expected:  an entity and an instant in every row\n"
            "  try:       leave these rows out: where cell is not null",
        ),
        (
            lambda table: table.append_column(LAG, pa.array([1.0] * 4)),
            "the spine has a column 'load_lag_1', and the view 'cell' has one, too\n"
            "  columns of the spine:  subscriber_id, cell, event_timestamp, label, load_lag_1\n"
            "  try:                   another name in the spine, such as spine_load_lag_1; "
            "or leave the view's out: --exclude load_lag_1",
        ),
    ],
    ids=["empty", "no key", "no time", "no zone", "no timestamps", "nulls", "clash"],
)  # fmt: skip
def test_a_spine_that_is_wrong_says_how(tmp_path: Path, both: list[View], wrong: Wrong, message: str) -> None:
    with pytest.raises(FeatureStoreError) as caught:
        make_training_set(tmp_path / "lake", wrong(spine()), training_lookups(both))
    assert str(caught.value) == message


def test_a_spine_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("a\n1\n")
    with pytest.raises(FeatureStoreError) as caught:
        read_spine(tmp_path / "label.csv")
    assert str(caught.value) == (
        f"the spine {tmp_path}/label.csv does not exist\n"
        "  files:  labels.csv\n"
        f"  where:  {tmp_path}\n"
        f"  try:    {tmp_path}/labels.csv"
    )


def test_a_spine_of_another_kind_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "labels.xlsx").write_text("")
    with pytest.raises(FeatureStoreError) as caught:
        read_spine(tmp_path / "labels.xlsx")
    assert str(caught.value) == (
        f"the name of the spine {tmp_path}/labels.xlsx does not say its format\n"
        "  suffixes:  .parquet, .csv, .csv.gz\n"
        "  try:       labels.csv"
    )


def test_a_file_that_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "labels.parquet").write_text("no parquet at all")
    with pytest.raises(FeatureStoreError, match="cannot be read: ") as caught:
        read_spine(tmp_path / "labels.parquet")
    assert "expected:  Parquet, or CSV with a header, in UTF-8" in str(caught.value)


def test_a_column_to_leave_out_and_a_key_must_be_there(both: list[View]) -> None:
    with pytest.raises(FeatureStoreError) as caught:
        training_lookups(both, exclude=["load_lag_2"])
    assert str(caught.value) == (
        "no view has the column 'load_lag_2' that is to be left out\n"
        "  columns:  country_lag_1, duration_s_count_1h, duration_s_sum_1h, is_long, load_lag_1\n"
        "  try:      load_lag_1"
    )
    with pytest.raises(FeatureStoreError) as caught:
        training_lookups(both, keys={"cells": "cell"})
    assert str(caught.value) == (
        "a key is given for the view 'cells', which is not joined\n  views:  subscriber, cell\n  try:    cell"
    )


def test_a_frame_without_a_zone_is_utc_for_feast(tmp_path: Path, both: list[View]) -> None:
    online = OnlineConfig("sqlite", path=tmp_path / "online.db")
    named = {view.name: view for view in both}
    feast: Any = generate_repository(tmp_path / "feast", "trial", named, tmp_path / "lake", online)
    frame = spine().to_pandas()
    frame["event_timestamp"] = pd.to_datetime(frame["event_timestamp"]).dt.tz_localize(None)
    found = feast.get_historical_features(entity_df=frame, features=[f"subscriber:{SUM}"]).to_arrow()
    assert found.column(SUM).to_pylist() == [1.0, 3.0, 2.0, None]
