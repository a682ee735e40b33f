"""`headrace lake` as it is typed: upkeep, history and time travel, with exact messages."""

from pathlib import Path

import pytest
from click.testing import Result
from headrace_lake.upkeep.vacuum import LEAST_AGE
from lake_project import Run, add_calls, answer, failure, make_project

from headrace.settings.upkeep import LEAST_VACUUM_AGE


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `headrace lake` on a project whose lake holds 50 calls of 2025-01-01 in five files."""
    run = make_project(tmp_path, "upkeep: {retain: {events: {delete_after: 100d}}}\n", calls=10)
    for first in range(10, 50, 10):
        add_calls(tmp_path, first, first + 10)
    return run


def lines(result: Result) -> list[list[str]]:
    """The words of each line."""
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


def test_compact_answers_with_files_and_bytes_before_and_after_and_history_and_tables_show_it(run: Run) -> None:
    assert lines(run("compact", "--dry-run"))[-1] == ["dry", "run:", "nothing", "was", "changed"]
    (done,) = answer(run("compact", "events.call", "--output", "json"))
    assert (done["table"], done["files_before"], done["files_after"], done["rows"]) == ("events.call", 5, 1, 50)
    assert done["bytes_after"] < done["bytes_before"]
    (change,) = answer(run("history", "events.call", "--rows", "1", "--output", "json"))
    assert {name: change[name] for name in ("version", "operation", "files_removed", "rows_added", "who")} == {
        "version": 6, "operation": "compact", "files_removed": 5, "rows_added": 50, "who": "headrace lake compact",
    }  # fmt: skip
    found = {row["table"]: row for row in answer(run("tables", "--output", "json"))}
    assert (found["events.call"]["files"], found["events.call"]["small_files"]) == (1, 1)
    assert found["events.call"]["last_compaction"] is not None
    assert found["ops.upkeep"]["rows"] == 1


def test_sql_reads_a_table_as_it_was(run: Run) -> None:
    query = "select count(*) as calls from events.call"
    assert answer(run("sql", query, "--as-of", "events.call=2", "--output", "json")) == [{"calls": 20}]
    assert answer(run("sql", query, "--as-of", "2020-01-01T00:00:00Z", "--output", "json")) == [{"calls": 0}]
    assert failure(run("sql", query, "--as-of", "2")).splitlines()[0] == (
        "QueryError: '2' says no instant and no version of a table"
    )


def test_retain_says_what_it_would_delete_and_deletes_it(run: Run) -> None:
    (planned,) = answer(run("retain", "--dry-run", "--output", "json"))
    assert (planned["table"], planned["deleted_rows"], planned["files_after"]) == ("events.call", 50, None)
    (done,) = answer(run("retain", "--output", "json"))
    assert (done["deleted_rows"], done["files_after"]) == (50, 0)


def test_retain_of_a_table_for_which_nothing_is_set_says_where_to_set_it(run: Run) -> None:
    assert answer(run("compact", "--output", "json"))
    assert failure(run("retain", "ops.upkeep")) == (
        "SettingsError: nothing is set for old rows of ops.upkeep\n"
        "  setting:  upkeep.retain in headrace.yaml\n"
        "  set for:  events\n"
        "  try:      upkeep: {retain: {ops.upkeep: {delete_after: 400d}}}"
    )


def test_the_least_age_of_the_settings_is_that_of_the_lake(run: Run, tmp_path: Path) -> None:
    assert LEAST_VACUUM_AGE == LEAST_AGE
    (tmp_path / "headrace.yaml").write_text("name: trial\nupkeep: {vacuum_age: 1h}\n")
    assert failure(run("vacuum")) == (
        "DeclarationError: headrace.yaml line 2: files that went 1h ago may still be read by a query\n"
        "  least:  2h\n"
        "  try:    vacuum_age: 7d"
    )


def test_vacuum_refuses_an_age_that_queries_may_still_read(run: Run) -> None:
    assert answer(run("vacuum", "--age", "2h", "--output", "json"))
    assert failure(run("vacuum", "--age", "90m")).splitlines()[0] == (
        "LakeError: files that went 90m ago may still be read: no vacuum"
    )
    assert "'soon' is not a duration" in failure(run("vacuum", "--age", "soon"))


@pytest.mark.parametrize(("retain", "text"), [
    (
        "{event: {delete_after: 1d}}",
        "DeclarationError: headrace.yaml line 2: 'event' is neither a schema nor a table of the lake\n"
        "  schemas:  events, features, scores, ops\n"
        "  try:      events.call",
    ),
    (
        "{events.cal: {delete_after: 1d}}",
        "SettingsError: upkeep.retain names the table 'events.cal', which the project does not have\n"
        "  tables:  events.call, ops.dead_letters, ops.late_events, ops.duplicates, ops.alerts\n"
        "  try:     events.call",
    ),
    (
        "{events: {recompress_after: 10d, delete_after: 5d}}",
        "DeclarationError: headrace.yaml line 2: recompress_after is not shorter than delete_after: "
        "the rows would be gone\n"
        "  recompress_after:  10d\n"
        "  delete_after:      5d\n"
        "  try:               recompress_after: 60h",
    ),
])  # fmt: skip
def test_a_wrong_setting_of_retention_is_named(run: Run, tmp_path: Path, retain: str, text: str) -> None:
    (tmp_path / "headrace.yaml").write_text(f"name: trial\nupkeep: {{retain: {retain}}}\n")
    assert failure(run("retain")) == text
