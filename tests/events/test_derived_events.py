"""Events that are made of others: nobody sends them, and everything else knows them."""

import json
from pathlib import Path

import pytest
from as_typed import run

import headrace
from headrace.events.errors import DerivedEventError
from headrace.project import Project
from headrace.tables import project_tables
from headrace.topics import project_topics

LOGIN = """\
name: login
version: 1
key: series
time: at
fields:
  series: {type: string}
  at:     {type: timestamp}
"""
MERGE = "name: activity\nversion: 1\nkey: series\nmerge: [reading, login]\ntopic: {partitions: 2}\n"


@pytest.fixture
def merged(project: Project) -> Project:
    """The project with a second event, and a merge of both."""
    (project.folder / "events" / "login.yaml").write_text(LOGIN)
    (project.folder / "events" / "activity.yaml").write_text(MERGE)
    return headrace.open(project.folder)


def test_what_is_made_of_others_is_not_sent(merged: Project) -> None:
    for command in (["send", "activity", "{}"], ["replay", "--event", "activity", "x.csv"], ["check", "activity", "-"]):
        found = run(merged, "events", *command)
        assert found.exit_code == 1, found.output
        assert found.stderr == (
            "DerivedEventError: the event 'activity' is made of others, and nobody sends it\n"
            "  made of:      reading, login\n"
            "  declared in:  events/activity.yaml\n"
            "  try:          the same with reading\n"
        )
    with pytest.raises(DerivedEventError):
        merged.events.fix_and_replay("activity")


def test_it_has_a_topic_a_table_and_a_schema_of_its_own(merged: Project) -> None:
    topics = project_topics(merged)
    assert topics["events.activity"].partitions == 2
    assert [topics[name].config.get("max.message.bytes") for name in ("events.activity", "events.login")] == [
        "8388608",
        None,
    ]
    (table,) = [table for table in project_tables(merged) if table.full_name == "events.activity"]
    assert (table.committed_only, table.dead_letters_here) == (True, False)
    found = run(merged, "events", "schema", "activity")
    assert json.loads(found.stdout)["properties"]["event"] == {"type": "string", "enum": ["reading", "login"]}
    described = run(merged, "lake", "describe", "events.activity", "--output", "json")
    assert described.exit_code == 0, described.output
    columns = {column["column"] for column in json.loads(described.stdout)["columns"]}
    assert {"event", "at", "series", "value"} <= columns


def test_a_view_reads_it_like_any_event(merged: Project) -> None:
    (merged.folder / "features").mkdir()
    (merged.folder / "features" / "person.yaml").write_text(
        "name: person\nsource: activity\nkey: series\nttl: 1h\nfeatures:\n"
        "  - window: {of: value, over: [1h], take: [count], where: event = 'login', suffix: logins}\n"
    )
    project = headrace.open(merged.folder)
    assert list(project.plans) == ["activity.series"]
    planned = run(project, "features", "plan")
    assert planned.exit_code == 0, planned.output


def test_a_wrong_declaration_is_told_by_whoever_reads_events(merged: Project, tmp_path: Path) -> None:
    (merged.folder / "events" / "activity.yaml").write_text(MERGE.replace("login", "logins"))
    found = run(merged, "events", "check", "reading", "-")
    assert found.exit_code == 1
    assert found.stderr.startswith("DeclarationError: events/activity.yaml line 4: 'merge' names the event 'logins'")
