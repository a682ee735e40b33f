"""`headrace features reconcile` as it is typed: text, JSON and exit statuses, on a real lake and store."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from headrace_features.online import OnlineRow, Order
from lake_cases import START, at, write_rows
from store_cases import CALL, SUBSCRIBER, load_project

import headrace
from headrace.cli.root import root
from headrace.features.online import open_online_store
from headrace.project import Project

SUM = "duration_s_sum_1h"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose lake has three keys, and whose online store has one of them, in another value."""
    load_project(tmp_path, {"call": CALL}, {"subscriber": SUBSCRIBER})
    (tmp_path / "headrace.yaml").write_text("name: trial\n")
    project = headrace.open(tmp_path)
    view = project.views["subscriber"]
    rows: list[dict[str, Any]] = [
        {"subscriber_id": key, "clock": at(10), "source_offset": 1, SUM: 4.5} for key in ("a", "b", "c")
    ]
    write_rows(project.folders.lake, view, rows)
    clock_ms = int(START.timestamp() * 1_000) + 10_000
    values = OnlineRow.encode({SUM: 4.0})
    with open_online_store(project) as store:
        row = OnlineRow("a", Order(0, clock_ms, 1, 0, clock_ms), clock_ms, view.digest, values)
        store.write("subscriber", [row])
    return project


def reconcile(project: Project, *arguments: str) -> Result:
    command = ["features", "reconcile", *arguments, "--project", str(project.folder), "--patience", "0"]
    return CliRunner().invoke(root, command)


def test_people_are_told_what_is_wrong_and_programs_see_the_exit_status(project: Project) -> None:
    answer = reconcile(project, "subscriber", "--limit", "1")
    assert answer.exit_code == 1
    assert answer.stdout == (
        f"subscriber (declaration {project.views['subscriber'].digest}): failed,"
        " 0 of 3 keys are equal online and in the lake\n"
        "  2 missing: in the lake, not online\n"
        "  1 different: the same row is online, with other values\n"
        f"  different 'a' {SUM}: lake 4.5, online 4.0\n"
    )


def test_programs_are_told_the_same_as_data(project: Project) -> None:
    answer = reconcile(project, "--output", "json", "--limit", "2")
    assert answer.exit_code == 1
    report = json.loads(answer.stdout)["subscriber"]
    differences = report.pop("first_differences")
    assert differences[0] == {"kind": "different", "key": "a", "column": SUM, "lake": 4.5, "online": 4.0}
    assert [(found["kind"], found["key"], found["online"]) for found in differences[1:]] == [("missing", "b", None)]
    assert report == {
        "outcome": "failed", "keys": 3, "wrong": 3, "view": "subscriber",
        "declaration": project.views["subscriber"].digest, "equal": 0, "missing": 2, "stale": 0, "different": 1,
        "ahead": 0, "unknown": 0, "mended": None, "left": 3,
    }  # fmt: skip


def test_a_mend_ends_well_and_so_does_what_comes_after_it(project: Project) -> None:
    mended = reconcile(project, "--mend", "--output", "json")
    assert mended.exit_code == 0
    report = json.loads(mended.stdout)["subscriber"]
    assert (report["outcome"], report["mended"], report["left"]) == ("mended", 3, 0)
    again = reconcile(project, "--mend")
    assert again.exit_code == 0
    assert again.stdout.endswith(
        "passed, 3 of 3 keys are equal online and in the lake\n  0 rows mended, 0 keys still wrong\n"
    )
    assert reconcile(project).exit_code == 0


def test_an_unknown_view_is_refused_by_name(project: Project) -> None:
    answer = reconcile(project, "subscribers")
    assert answer.exit_code == 1
    assert answer.stderr.startswith("UnknownViewError: the project declares no view 'subscribers'\n")
    assert answer.stderr.endswith("  try:    subscriber\n")


def test_values_that_are_too_old_are_withheld_and_it_is_said_how_to_see_them(project: Project) -> None:
    command = ["features", "get", "subscriber", "a", "--project", str(project.folder), "--output", "json"]
    withheld = CliRunner().invoke(root, command)
    assert withheld.exit_code == 1
    assert withheld.stderr == (
        "warning: the values are older than the ttl of subscriber, and withheld\n  try:  --allow-expired\n"
    )
    shown = CliRunner().invoke(root, [*command, "--allow-expired"])
    assert (shown.exit_code, shown.stderr, json.loads(shown.stdout)["values"][SUM]) == (0, "", 4.0)
