"""`headrace features list` and `describe`: what they say of a project that never ran, and of one with rows."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from deltalake import write_deltalake
from headrace_lake.layout import table_folder
from headrace_lake.schemas import arrow_schema

import headrace
from headrace.cli.root import root
from headrace.cli.view_text import age_text
from headrace.project import Project
from headrace.tables import project_tables

READING = """\
name: reading
version: 3
key: series
time: at
fields:
  series: {type: string}
  at:     {type: timestamp}
  value:  {type: double}
  place:  {type: string, required: false}
"""
HEAT = """\
name: heat
description: How warm a series has been.
source: reading
key: series
derive:
  is_hot: value > 30
features:
  - lag:        {of: value, steps: [1]}
  - window:     {of: value, over: [1h], take: [mean], where: value > 0, suffix: above_zero}
  - window:     {of: place, over: [50 rows], take: [last]}
  - expression: {name: hot, sql: is_hot}
ttl: 24h
"""
CALM = "{name: calm, source: reading, key: series, features: [since_last: {}], ttl: 90s}\n"
ALARM = "{name: alarm, view: heat}\n"

Run = Callable[..., Result]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with two views, one of them read by a model; nothing has run."""
    for part, name, text in (
        ("events", "reading", READING),
        ("features", "heat", HEAT),
        ("features", "calm", CALM),
        ("models", "alarm", ALARM),
    ):
        (tmp_path / part).mkdir(exist_ok=True)
        (tmp_path / part / f"{name}.yaml").write_text(text)
    (tmp_path / "headrace.yaml").write_text("name: trial\nkafka: {topic_prefix: t.}\n")
    return headrace.open(tmp_path, environ={})


@pytest.fixture
def run(project: Project) -> Run:
    """Runs `headrace features` on the project."""

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(root, ["features", *arguments, "--project", str(project.folder)])

    return invoke


def add_rows(project: Project, *changes: dict[str, Any]) -> None:
    """Write a row of the view `heat` for each of the changes, a second apart from noon on."""
    (spec,) = (spec for spec in project_tables(project) if spec.full_name == "features.heat")
    noon = int(NOON.timestamp()) * 1_000_000
    rows = [
        {
            "event_id": f"e-{number}", "series": "s", "event_time": at, "clock": at, "generation": 0,
            "source_partition": 0, "source_offset": number, "revision": 0,
            "declaration": project.views["heat"].digest, "ingested_at": at + 4_000, "emitted_at": at + 15_000,
            "_partition": 0, "_offset": number, **change,
        }
        for number, change in enumerate(changes)
        for at in [noon + number * 1_000_000]
    ]  # fmt: skip
    folder = table_folder(project.folders.lake, "features", "heat")
    write_deltalake(folder, pa.Table.from_pylist(rows, schema=arrow_schema(spec)), mode="append")


def with_rows(project: Project) -> None:
    """Three rows of the present declaration and one of another."""
    add_rows(
        project,
        {"value_lag_1": None, "value_mean_1h_where_above_zero": 20.0, "place_last_50_rows": "roof", "hot": False},
        {"value_lag_1": 20.0, "value_mean_1h_where_above_zero": 26.0, "place_last_50_rows": "roof", "hot": True},
        {"value_lag_1": 32.0, "value_mean_1h_where_above_zero": 27.0, "place_last_50_rows": "cellar", "hot": False},
        {"declaration": "0123456789ab", "value_lag_1": 1e9},
    )


def test_the_list_of_a_project_that_never_ran_has_no_rows(run: Run, project: Project) -> None:
    answer = run("list", "--output", "json")
    assert answer.exit_code == 0
    calm, heat = json.loads(answer.stdout)
    assert heat == {
        "view": "heat",
        "event": "reading",
        "key": "series",
        "order": "arrival",
        "job": "reading.series",
        "columns": 4,
        "ttl_seconds": 86_400,
        "declaration": project.views["heat"].digest,
        "models": ["alarm"],
        "rows": 0,
        "other_rows": 0,
        "newest_event_time": None,
        "newest_clock": None,
    }
    assert (calm["view"], calm["columns"], calm["models"], calm["ttl_seconds"]) == ("calm", 1, [], 90)


def test_the_list_says_what_the_lake_holds(run: Run, project: Project) -> None:
    with_rows(project)
    calm, heat = json.loads(run("list", "--output", "json").stdout)
    assert (calm["rows"], calm["other_rows"], calm["newest_clock"]) == (0, 0, None)
    assert (heat["rows"], heat["other_rows"]) == (3, 1)
    assert heat["newest_event_time"] == heat["newest_clock"] == "2026-03-02T12:00:02+00:00"


def test_the_list_reads_as_two_tables_for_people(run: Run, project: Project) -> None:
    with_rows(project)
    lines = run("list").stdout.splitlines()
    digest = project.views["heat"].digest
    (declared, stored) = (line.split() for line in lines if line.startswith("heat"))
    assert declared == ["heat", "reading", "series", "arrival", "reading.series", "4", "1d", digest]
    assert stored == ["heat", "alarm", "3", "1", "2026-03-02", "12:00:02", "2026-03-02", "12:00:02"]
    assert max(map(len, lines)) <= 100


def test_a_plan_says_which_view_was_changed(run: Run, project: Project) -> None:
    assert "changed:" not in run("plan").stdout
    add_rows(project, {"declaration": "0123456789ab"})
    said = "changed: the lake has 1 rows of earlier declarations and none of this one; headrace features backfill heat"
    assert said in run("plan").stdout.splitlines()
    planned = {entry["view"]: entry["changed"] for entry in json.loads(run("plan", "--output", "json").stdout)}
    assert planned == {"calm": False, "heat": True}
    add_rows(project, {})
    assert "changed:" not in run("plan").stdout


def test_a_plan_hints_at_hours_without_a_zone(run: Run, project: Project) -> None:
    file = project.folder / "features" / "heat.yaml"
    entries = [
        "calendar: {take: hour}",
        "calendar: {take: day, zone: UTC}",
        "calendar: {take: month, zone: Asia/Tokyo}",
    ]
    declared = file.read_text().replace("features:\n", "features:\n" + "".join(f"  - {entry}\n" for entry in entries))
    file.write_text(declared)
    line = declared.splitlines().index("  - calendar: {take: hour}") + 1
    said = f"line {line}: calendar has no zone: its hours are those of UTC; zone: Europe/Oslo, or UTC"
    assert [text for text in run("plan").stdout.splitlines() if text.startswith("hint:")] == [
        f"hint: features/heat.yaml {said}"
    ]
    hints = {entry["view"]: entry["hints"] for entry in json.loads(run("plan", "--output", "json").stdout)}
    assert hints == {"calm": [], "heat": [said]}


@pytest.mark.parametrize(
    ("age_ms", "said"),
    [(999, "999 ms"), (1_500, "1.5 s"), (86_400_000 * 3, "3 d"), (86_400_000 * 1234, "1234 d")],
)
def test_an_age_has_no_exponent(age_ms: int, said: str) -> None:
    assert age_text(age_ms) == said


def test_a_project_without_views_says_so(run: Run, project: Project) -> None:
    for path in ("features/heat.yaml", "features/calm.yaml", "models/alarm.yaml"):
        (project.folder / path).unlink()
    assert run("list").stdout == "the project declares no view: features/*.yaml is empty\n"
    assert json.loads(run("list", "--output", "json").stdout) == []


def test_without_a_lake_a_view_has_its_definition_and_its_lineage(run: Run, project: Project) -> None:
    answer = run("describe", "heat", "--output", "json")
    assert answer.exit_code == 0
    report = json.loads(answer.stdout)
    assert report["definition"] == {
        "file": "features/heat.yaml",
        "description": "How warm a series has been.",
        "owner": None,
        "tags": [],
        "key": "series",
        "order": "arrival",
        "ttl_seconds": 86_400,
        "dedup_seconds": 600,
        "retain_seconds": 2_592_000,
        "declaration": project.views["heat"].digest,
        "derived": {"is_hot": "value > 30"},
        "columns": [
            {"name": "value_lag_1", "type": "double", "entry": "lag", "means": "value, 1 event before"},
            {
                "name": "value_mean_1h_where_above_zero",
                "type": "double",
                "entry": "window",
                "means": "mean of value over 1h where value > 0",
            },
            {"name": "place_last_50_rows", "type": "string", "entry": "window", "means": "newest place over 50 rows"},
            {"name": "hot", "type": "bool", "entry": "expression", "means": "is_hot"},
        ],
    }
    assert report["lineage"] == {
        "topic": "t.events.reading",
        "event": "reading",
        "contract_version": 3,
        "contract_file": "events/reading.yaml",
        "job": "reading.series",
        "feature_topic": "t.features.heat",
        "table": "features.heat",
        "online_store": "sqlite",
        "models": {"alarm": "t.scores.alarm"},
    }
    assert (report["stored"]["rows"], report["freshness"], report["quality"]) == (0, None, None)


def test_without_a_lake_people_are_told_that_no_rows_are_there_yet(run: Run) -> None:
    shown = run("describe", "heat").stdout
    assert "value, 1 event before" in shown
    assert "reading version 3" in shown
    assert shown.endswith(
        "\nthe lake holds no row of this declaration yet: send events, or wait until they are stored\n"
    )
    assert "quality" not in shown


def test_rows_give_freshness_and_quality(run: Run, project: Project) -> None:
    with_rows(project)
    report = json.loads(run("describe", "heat", "--output", "json").stdout)
    assert report["stored"]["other_rows"] == 1
    assert report["freshness"]["rows"] == 3
    assert [(hop["name"], hop["p50_ms"], hop["max_ms"]) for hop in report["freshness"]["hops"]] == [
        ("event_time → ingested_at", 4.0, 4),
        ("ingested_at → emitted_at", 11.0, 11),
    ]
    # 2 s and 15 ms after noon; the clock of the machine goes on while the test runs.
    age_ms = (datetime.now(UTC) - NOON).total_seconds() * 1000 - 2_015
    assert 0 <= age_ms - report["freshness"]["age_ms"] < 60_000
    quality = report["quality"]
    assert (quality["rows"], quality["late_rows"], quality["duplicates"]) == (3, 0, 0)
    lag, mean, place, hot = quality["columns"]
    assert (lag["null_rate"], lag["min"], lag["max"], lag["mean"]) == (pytest.approx(1 / 3), 20.0, 32.0, 26.0)
    assert (mean["p50"], mean["null_rate"]) == (26.0, 0)
    assert (place["distinct"], hot["distinct"], hot["mean"]) == (2, 2, pytest.approx(1 / 3))


def test_last_restricts_the_quality_and_nothing_else(run: Run, project: Project) -> None:
    with_rows(project)
    report = json.loads(run("describe", "heat", "--last", "2s", "--output", "json").stdout)
    assert (report["stored"]["rows"], report["freshness"]["rows"], report["quality"]["rows"]) == (3, 3, 2)
    assert report["quality"]["oldest_event_time"] == "2026-03-02T12:00:01+00:00"


def test_the_text_fits_a_hundred_characters(run: Run, project: Project) -> None:
    long = "value > 0 and value < 1000000 and value <> 3.14159 and place <> 'a rather long name of a place'"
    (project.folder / "features" / "heat.yaml").write_text(HEAT.replace("where: value > 0", f'where: "{long}"'))
    fresh = headrace.open(project.folder, environ={})
    add_rows(fresh, {"value_lag_1": -1.23456789e-12, "value_mean_1h_where_above_zero": 123456789.123, "hot": True})
    shown = run("describe", "heat").stdout
    assert max(map(len, shown.splitlines())) <= 100
    assert "-1.235e-12" in shown
    assert "late 0 (0.00%), duplicates 0 (0.00%)" in shown
    for word in long.split():
        assert word in shown


def test_an_unknown_view_is_named_with_those_that_exist(run: Run, project: Project) -> None:
    answer = run("describe", "heats")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr == (
        "UnknownViewError: the project declares no view 'heats'\n"
        "  views:  calm, heat\n"
        f"  where:  {project.folder}/features\n"
        "  try:    heat\n"
    )


@pytest.mark.parametrize("text", ["7", "0s", "-1d", "a week"])
def test_a_range_that_is_no_length_of_time_is_a_usage_error(run: Run, text: str) -> None:
    answer = run("describe", "heat", f"--last={text}")
    assert answer.exit_code == 2
    assert f"{text!r} is not a length of time above zero, such as 7d" in answer.stderr
