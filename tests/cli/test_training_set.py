"""`headrace features training-set` as it is typed, and the Python call behind it."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from headrace_features.feature_store import FeatureStoreError
from lake_cases import START, at, write_rows
from store_cases import CALL, CELL, SUBSCRIBER, TICK, load_project

import headrace
from headrace.cli.root import root
from headrace.features.project_features import UnknownViewError
from headrace.pii import stored_key
from headrace.project import Project

SUM, LAG = "duration_s_sum_1h", "load_lag_1"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with two views of other keys, rows of both in the lake, and labels as a file."""
    folder = tmp_path / "project"
    load_project(folder, {"call": CALL, "tick": TICK}, {"subscriber": SUBSCRIBER, "cell": CELL})
    (folder / "headrace.yaml").write_text("name: trial\n")
    project = headrace.open(folder, environ={})
    lake = project.folders.lake
    write_rows(lake, project.views["subscriber"], [{"subscriber_id": "007", "clock": at(10), SUM: 1.5}])
    write_rows(lake, project.views["cell"], [{"cell": 7, "clock": at(10), LAG: 0.25, "emitted_at": at(15)}])
    (tmp_path / "labels.csv").write_text(
        "subscriber_id,cell_id,event_timestamp,churned\n"
        "007,7,2026-03-02T00:00:12Z,1\n"
        "007,7,2026-03-02T01:00:00Z,0\n"
        "008,8,2026-03-02T01:00:00Z,0\n"
    )
    return project


def training_set(project: Project, *arguments: str) -> Result:
    command = ["features", "training-set", *arguments, "--project", str(project.folder)]
    return CliRunner().invoke(root, command)


def test_a_csv_and_two_views_become_a_file(project: Project, tmp_path: Path) -> None:
    labels, target = str(tmp_path / "labels.csv"), tmp_path / "set.csv"
    options = ("--views", "cell,subscriber", "--key", "cell=cell_id", "--exclude", "country_lag_1", "--to", str(target))
    answer = training_set(project, labels, *options)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.splitlines()[0] == f"{target}: 3 rows, 8 columns"
    assert target.read_text().splitlines() == [
        '"subscriber_id","cell_id","event_timestamp","churned","load_lag_1","duration_s_count_1h",'
        '"duration_s_sum_1h","is_long"',
        '"007",7,2026-03-02 00:00:12Z,1,,,1.5,',
        '"007",7,2026-03-02 01:00:00Z,0,0.25,,1.5,',
        '"008",8,2026-03-02 01:00:00Z,0,,,,',
    ]
    told = json.loads(training_set(project, labels, *options, "--output", "json").stdout)
    assert (told["rows"], told["format"], told["columns"][-1]) == (3, "csv", "is_long")
    assert [(name, view["rows_with_values"]) for name, view in told["views"].items()] == [
        ("cell", 1),
        ("subscriber", 2),
    ]


def test_views_of_which_nothing_was_known_yet_are_named_with_what_to_type(project: Project, tmp_path: Path) -> None:
    late = at(7200)
    write_rows(
        project.folders.lake, project.views["cell"], [{"cell": 9, "clock": at(20), LAG: 0.5, "emitted_at": late}]
    )
    spine = tmp_path / "spine.csv"
    spine.write_text("cell,event_timestamp\n9,2026-03-02T00:30:00Z\n")
    answer = training_set(project, str(spine), "--views", "cell", "--to", str(tmp_path / "set.csv"))
    assert answer.stderr == (
        "warning: no row has a value of cell: all that fits was written after its instant, as the rows of "
        "replayed or backfilled history are\n"
        "  would have values:  1 rows, by event time\n"
        "  try:                --at event_time\n"
    )
    happened = training_set(project, str(spine), "--views", "cell", "--at", "event_time", "--format", "csv")
    assert happened.stderr == ""
    spine.write_text(f"cell,event_timestamp,{LAG}\n9,2026-03-02T00:30:00Z,0.25\n")
    own = training_set(project, str(spine), "--views", "cell", "--exclude", LAG, "--format", "csv")
    assert own.stderr.startswith("warning: no row has a value of cell")
    assert own.stdout.splitlines()[0].startswith(f'"cell","event_timestamp","{LAG}"')
    unknown = tmp_path / "unknown.csv"
    unknown.write_text("cell,event_timestamp\n10,2026-03-02T00:30:00Z\n")
    assert training_set(project, str(unknown), "--views", "cell", "--format", "csv").stderr == ""


def test_libsvm_says_which_columns_it_has(project: Project, tmp_path: Path) -> None:
    answer = training_set(
        project, str(tmp_path / "labels.csv"), "--views", "subscriber", "--exclude", "country_lag_1",
        "--to", str(tmp_path / "set.svm"), "--label", "churned", "--at", "event_time", "--output", "json",
    )  # fmt: skip
    assert json.loads(answer.stdout)["columns"] == ["duration_s_count_1h", SUM, "is_long"]
    assert (tmp_path / "set.svm").read_text().splitlines()[1:] == ["0 1:nan 2:1.5 3:nan", "0 1:nan 2:nan 3:nan"]


def test_a_query_of_the_lake_is_a_spine(project: Project) -> None:
    query = "select subscriber_id, clock + interval 1 second as event_timestamp from features.subscriber"
    answer = training_set(project, "--sql", query, "--views", "subscriber", "--format", "jsonl")
    (line,) = answer.stdout.splitlines()
    assert (json.loads(line)["event_timestamp"], json.loads(line)[SUM]) == (at(11).isoformat(), 1.5)


def test_what_cannot_be_meant_is_a_usage_error(project: Project) -> None:
    for arguments, said in (
        (["--views", "cell"], "give a file, or --sql\n  try:  headrace features training-set labels.csv --views"),
        (["a.csv", "--views", "cell", "--format", "parquet"], "Parquet goes to a file\n  try:  --to training-set"),
        (["a.csv", "--views", "cell", "--to", "a.csv", "--label", "x"], "--label is for libsvm: the other formats"),
        (["a.csv", "--views", ","], "no view is named"),
        (["a.csv", "--views", "cell", "--key", "cell"], "'cell' is not VIEW=COLUMN, such as subscriber=caller_id"),
    ):  # fmt: skip
        answer = training_set(project, *arguments)
        assert (answer.exit_code, said in answer.output) == (2, True), answer.output


def test_python_takes_frames_paths_and_queries(project: Project, tmp_path: Path) -> None:
    frame = pd.DataFrame({"subscriber_id": ["007"], "cell": [7], "moment": [pd.Timestamp(START) + pd.Timedelta("20s")]})
    views = ["subscriber", "cell"]
    of_frame = project.features.training_set(views, frame, time_column="moment")
    assert (of_frame.column(SUM).to_pylist(), of_frame.column(LAG).to_pylist()) == ([1.5], [0.25])
    of_path = project.features.training_set("subscriber", tmp_path / "labels.csv")
    assert of_path.column(SUM).to_pylist() == [1.5, 1.5, None]
    assert project.features.training_set("subscriber").column(SUM).to_pylist() == [1.5]


def test_an_unknown_view_and_a_missing_or_doubled_spine_are_errors(project: Project) -> None:
    with pytest.raises(UnknownViewError, match="the project declares no view 'cells'"):
        project.features.training_set(["subscriber", "cells"], sql="select 1")
    with pytest.raises(FeatureStoreError) as caught:
        project.features.training_set(["subscriber", "cell"])
    assert str(caught.value) == (
        "a training set of 2 views needs a spine\n"
        "  views:  subscriber, cell\n"
        "  try:    spine=table, or sql='select …, started_at as event_timestamp from events.…'"
    )
    with pytest.raises(FeatureStoreError) as caught:
        project.features.training_set("cell", "labels.csv", sql="select 1")
    assert str(caught.value) == (
        "the spine is given twice\n  given:  spine, sql\n  try:    one of them: spine=table, or sql='select …'"
    )


def test_labels_may_name_hashed_entities_clear_or_by_their_hashes(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    call = CALL.replace("subscriber_id: {type: string}", "subscriber_id: {type: string, pii: hash}")
    assert call != CALL
    load_project(folder, {"call": call}, {"subscriber": SUBSCRIBER})
    (folder / "headrace.yaml").write_text("name: trial\n")
    project = headrace.open(folder, environ={"HEADRACE_PII__SECRET": "0123456789abcdef"})
    view = project.views["subscriber"]
    stored = stored_key(project, view.contract, view.key, "anna")
    write_rows(project.folders.lake, view, [{"subscriber_id": stored, "clock": at(10), SUM: 1.5}])
    spine = pd.DataFrame(
        {"subscriber_id": ["anna", stored, "berit", "anna"], "event_timestamp": pd.to_datetime([at(12)] * 4, utc=True)}
    )
    rows = project.features.training_set("subscriber", spine).to_pylist()
    assert [(row["subscriber_id"], row[SUM]) for row in rows] == [
        ("anna", 1.5),
        (stored, 1.5),
        ("berit", None),
        ("anna", 1.5),
    ]
