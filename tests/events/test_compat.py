"""`headrace events compat` as it is typed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from headrace_ingestion.contract import Contract
from headrace_lake.delta_table import open_for_append
from headrace_lake.tables import events_table

from headrace.cli.root import root
from headrace.project import Project

EARLIER = """\
name: reading
version: 1
key: series
time: at
fields:
  series: {type: string, max_length: 64}
  at:     {type: timestamp}
  value:  {type: double, minimum: 0}
"""


@pytest.fixture
def second(project: Project) -> Project:
    """The project with an earlier version of its contract beside the running one."""
    events = project.folder / "events"
    running = events / "reading.yaml"
    running.write_text(running.read_text().replace("version: 1", "version: 2"))
    (events / "reading.v1.yaml").write_text(EARLIER)
    return project


def run(project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(root, ["events", "compat", *arguments, "--project", str(project.folder)])


def test_versions_that_fit_are_said_to(second: Project) -> None:
    answer = run(second)
    assert answer.exit_code == 0
    head, _, row = answer.stdout.splitlines()
    assert head.split() == ["event", "older", "newer", "backward", "forward", "lake"]
    assert row.split() == ["reading", "reading/1", "reading/2", "yes", "yes", "yes"]


def test_one_version_has_nothing_to_be_compared_with(project: Project) -> None:
    answer = run(project, "reading")
    assert (answer.exit_code, answer.stdout) == (0, "one version, and no table in the lake\n")


def test_the_offending_field_is_named_and_the_exit_status_is_one(second: Project) -> None:
    earlier = second.folder / "events" / "reading.v1.yaml"
    earlier.write_text(EARLIER.replace("minimum: 0", "minimum: -5"))
    answer = run(second, "reading", "--output", "json")
    assert answer.exit_code == 1
    found = json.loads(answer.stdout)
    assert (found["compatible"], found["mode"]) == (False, "full")
    (compared,) = found["comparisons"]
    assert (compared["backward"], compared["forward"], compared["lake"]) == (False, True, True)
    assert compared["problems"] == [
        {"direction": "backward", "field": "value", "problem": "minimum is -5 in reading/1 and 0 in reading/2"}
    ]
    assert run(second, "--mode", "forward").exit_code == 0
    assert "minimum is -5 in reading/1 and 0 in reading/2" in run(second, "--mode", "backward").stdout


def test_another_file_can_be_compared_with(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "theirs.yaml"
    file.write_text(EARLIER.replace("version: 1", "version: 7"))
    assert run(project, "reading", "--against", str(file)).exit_code == 0
    file.write_text(EARLIER)
    answer = run(project, "reading", "--against", str(file))
    assert answer.exit_code == 1
    assert "both are version 1 and demand different things" in answer.stdout
    assert run(project, "--against", str(file)).exit_code == 2
    file.write_text(EARLIER.replace("name: reading", "name: order"))
    assert run(project, "reading", "--against", str(file)).stderr == (
        f"DeclarationError: {file} declares the event 'order', and 'reading' is compared\n"
        "  expected:  a contract of 'reading'\n"
        f"  try:       headrace events compat order --against {file}\n"
    )


def test_the_table_of_the_lake_is_compared_too(project: Project) -> None:
    stored = project.contracts["reading"].model_dump(mode="json", exclude_defaults=True)
    stored["fields"]["count"]["type"] = "long"
    open_for_append(project.lake.path, events_table(Contract.model_validate(stored)))
    answer = run(project, "reading")
    assert answer.exit_code == 1
    assert "the column is int64, reading/1 needs int32" in answer.stdout
