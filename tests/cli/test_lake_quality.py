"""`headrace lake quality`: what each kind of rule measures, what becomes of a breach, and of rows that break a rule."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from headrace_lake import Lake
from headrace_lake.quality.check import check
from headrace_lake.quality.rules import Finding, Rule
from headrace_lake.upkeep.schedule import Upkeep
from lake_project import add_calls, answer, failure, make_project, run_on

from headrace.project import open_project
from headrace.tables import open_lake, project_tables
from headrace.upkeep.quality import quality_rules
from headrace.upkeep.tables import upkeep_policy

NOON = datetime(2025, 1, 8, 0, 0, 0, 200_000, tzinfo=UTC)
"""A week, and a little, after the calls of the project."""


class At:
    """A clock that stands."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def now_ms(self) -> int:
        """Return the time of day in milliseconds since 1970."""
        return round(self.now.timestamp() * 1_000)

    def monotonic_seconds(self) -> float:
        """Return seconds that never go back."""
        return self.now.timestamp()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of 50 calls without a device, durations 0 to 49."""
    make_project(tmp_path)
    (tmp_path / "quality").mkdir()
    return tmp_path


def expect(folder: Path, rules: str, table: str = "events.call") -> None:
    """Write what is expected of a table."""
    (folder / "quality" / "call.yaml").write_text(f"table: {table}\nrules:\n{rules}")


def finding(folder: Path, rule: str, now: datetime = NOON) -> Finding:
    """What one rule finds."""
    expect(folder, f"  - {rule}\n")
    project = open_project(folder)
    (one,) = quality_rules(project)
    return check(open_lake(project), one, At(now))


@pytest.mark.parametrize(
    ("rule", "status", "measure", "failing"),
    [
        ("null_rate: {column: duration_s}", "passed", 0, 0),
        ("null_rate: {column: device, at_most: 0.5}", "failed", 1, 50),
        ("range: {column: duration_s, minimum: 5, maximum: 39}", "failed", 0.3, 15),
        ("range: {column: duration_s, minimum: 5, maximum: 39, at_most: 0.3}", "passed", 0.3, 15),
        ("range: {column: duration_s, maximum: 100}", "passed", 0, 0),
        ("values: {column: subscriber_id, allowed: [s0, s1]}", "failed", 0.96, 48),
        ("values: {column: device, allowed: [phone]}", "passed", 0, 0),
        ("unique: {columns: [event_id]}", "passed", 0, 0),
        ("unique: {columns: [_contract]}", "failed", 0.98, 49),
        ("freshness: {at_most: 8d}", "passed", 7 * 86_400 + 0.077, None),
        ("freshness: {at_most: 1h}", "failed", 7 * 86_400 + 0.077, None),
        ("freshness: {at_most: 8d, by: record}", "passed", 7 * 86_400 + 0.151, None),
        ("volume: {window: 1m, at_least: 0.5}", "failed", 0, None),
        ("volume: {window: 8d, at_least: 1, at_most: 1}", "passed", 1, None),
    ],
)
def test_what_a_rule_measures(folder: Path, rule: str, status: str, measure: float, failing: int | None) -> None:
    found = finding(folder, rule)
    assert (found.status, found.failing) == (status, failing)
    assert found.measure == pytest.approx(measure)


def test_volume_is_compared_with_the_same_time_a_week_before(folder: Path) -> None:
    rule = "volume: {window: 1m, at_least: 0.5, at_most: 2}"
    add_calls(folder, 50, 80, started_at="2025-01-01T00:00:30.000Z")
    early = finding(folder, rule, datetime(2025, 1, 1, 0, 1, tzinfo=UTC))
    assert (early.status, early.detail) == ("unknown", "there are no rows of a week ago")
    assert finding(folder, rule).measure == 0
    half_a_minute_later = NOON + timedelta(seconds=30)
    assert finding(folder, rule, half_a_minute_later).status == "failed"


def test_over_looks_at_what_was_recorded_lately(folder: Path) -> None:
    # The calls were recorded a millisecond apart: the last ten have durations from 40.
    now = datetime(2025, 1, 1, 0, 0, 0, 49_500, tzinfo=UTC)
    expect(folder, "  - {range: {column: duration_s, maximum: 39}, over: 10s}\n")
    (rule,) = quality_rules(open_project(folder))
    assert check(open_lake(open_project(folder)), rule, At(now)).rows == 50
    lately = Rule(
        rule.table, rule.name, rule.kind, rule.columns, maximum=39, at_most=0, over=timedelta(milliseconds=10)
    )
    found = check(open_lake(open_project(folder)), lately, At(now.replace(microsecond=49_000)))
    assert (found.rows, found.failing) == (10, 10)


def test_the_command_fails_on_a_failed_rule_and_not_on_a_warning(folder: Path) -> None:
    run = run_on(folder)
    expect(folder, "  - {null_rate: {column: device}, severity: warn}\n  - {unique: {columns: [event_id]}}\n")
    (warned, passed) = answer(run("quality", "--output", "json"))
    assert (warned["rule"], warned["status"], warned["measure"]) == ("null_rate_device", "warned", 1.0)
    assert (passed["rule"], passed["status"], passed["expected"]) == ("unique_event_id", "passed", "at most 0")
    expect(folder, "  - {name: has a device, null_rate: {column: device}}\n")
    result = run("quality", "events.call")
    assert result.exit_code == 1
    assert "has a device   failed" in result.stdout
    stored = answer(run("sql", "select rule, status, who from ops.quality order by all", "--output", "json"))
    assert stored == [
        {"rule": "has a device", "status": "failed", "who": "headrace lake quality"},
        {"rule": "null_rate_device", "status": "warned", "who": "headrace lake quality"},
        {"rule": "unique_event_id", "status": "passed", "who": "headrace lake quality"},
    ]


def test_rows_that_break_a_rule_are_quarantined_once(folder: Path) -> None:
    run = run_on(folder)
    expect(
        folder,
        "  - {range: {column: duration_s, maximum: 47}, quarantine: true}\n"
        "  - {values: {column: subscriber_id, allowed: [s0]}, quarantine: true, name: known, severity: warn}\n",
    )
    first = json.loads(run("quality", "--output", "json").stdout)
    assert [one["quarantined"] for one in first] == [2, 49]
    add_calls(folder, 50, 52)
    second = json.loads(run("quality", "--output", "json").stdout)
    assert [(one["failing"], one["quarantined"]) for one in second] == [(4, 2), (50, 1)]
    query = "select * from ops.quarantine where rule = 'range_duration_s' order by event_id"
    stored: list[dict[str, Any]] = answer(run("sql", query, "--output", "json"))
    assert [one["event_id"] for one in stored] == [f"call-{number:06d}" for number in (48, 49, 50, 51)]
    assert (stored[0]["table"], stored[0]["_key"], stored[0]["_offset"]) == ("events.call", "s48", 48)
    assert json.loads(stored[0]["record"])["duration_s"] == 48


def test_two_checks_at_once_copy_a_row_once(folder: Path) -> None:
    lake = open_lake(open_project(folder))
    rule = Rule("events.call", "known", "values", ("subscriber_id",), allowed=("s0",), at_most=0, is_quarantined=True)
    with ThreadPoolExecutor(4) as threads:
        findings = list(threads.map(lambda at: check(lake, rule, At(at)), [NOON] * 4))
    assert sum(one.quarantined for one in findings) == 49
    assert lake.sql("select count(*), count(distinct event_id) from ops.quarantine").rows == [(49, 49)]


def test_a_rule_that_cannot_be_asked_is_failed_and_says_why(folder: Path) -> None:
    lake = Lake(folder / ".headrace" / "lake")
    gone = check(lake, Rule("events.call", "r", "null_rate", ("colour",), at_most=0), At(NOON))
    assert (gone.status, gone.measure) == ("failed", None)
    assert gone.detail is not None
    assert gone.detail.startswith("the query is wrong: ")
    empty = check(
        open_lake(open_project(folder)), Rule("ops.alerts", "r", "null_rate", ("score",), at_most=0), At(NOON)
    )
    assert (empty.status, empty.detail) == ("unknown", "there are no rows")


def test_upkeep_checks_by_itself_when_it_is_time(folder: Path) -> None:
    expect(folder, "  - {range: {column: duration_s, maximum: 47}, quarantine: true}\n")
    project = open_project(folder)
    lake = folder / ".headrace" / "lake"
    clock = At(datetime.now(UTC) + timedelta(hours=2))

    def checked() -> list[tuple[str, int | None]]:
        policy = upkeep_policy(project)
        upkeep = Upkeep(lake, project_tables(project), policy, clock, quality_rules(project))
        return [(entry.table, entry.rows) for entry in upkeep.turn() if entry.action == "quality"]

    assert checked() == [("events.call", 2)]
    assert checked() == []
    clock.now += timedelta(hours=1)
    assert checked() == [("events.call", 2)]
    found = open_lake(project).sql("select who, status, quarantined from ops.quality order by _recorded_at").rows
    assert found == [("headrace up", "failed", 2), ("headrace up", "failed", 0)]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            "  - {null_rate: {column: devise}}\n",
            "DeclarationError: quality/call.yaml line 3: table events.call has no column 'devise'\n"
            "  columns:  event_id, _contract, _trace, subscriber_id, started_at, duration_s, device, _partition, "
            "_offset, _key, _recorded_at\n"
            "  try:      device",
        ),
        (
            "  - {range: {column: device, minimum: 1}}\n",
            "DeclarationError: quality/call.yaml line 3: column 'device' is string, and a range is of numbers\n"
            "  numbers:  duration_s, _partition, _offset\n"
            "  try:      headrace lake tables",
        ),
        (
            "  - {severity: warn}\n",
            "DeclarationError: quality/call.yaml line 3: a rule has 0 kinds: none\n"
            "  expected:  one of null_rate, range, values, unique, freshness, volume\n"
            "  try:       null_rate: {column: device, at_most: 0.1}",
        ),
        (
            "  - {volume: {window: 1h}}\n",
            "DeclarationError: quality/call.yaml line 3: 'volume' has no bound\n"
            "  expected:  at_least, at_most or both\n"
            "  try:       at_least: 0.5",
        ),
        (
            "  - {freshness: {at_most: 1h}, quarantine: true}\n",
            "DeclarationError: quality/call.yaml line 3: 'freshness' speaks of the whole table, not of rows\n"
            "  quarantine and over:  go with null_rate, range, values, unique\n"
            "  try:                  remove quarantine and over",
        ),
        (
            "  - {unique: {columns: [event_id]}}\n  - {unique: {columns: [event_id]}}\n",
            "DeclarationError: quality/call.yaml line 4: two rules are called 'unique_event_id'\n"
            "  rules:  unique_event_id\n"
            "  try:    name: unique_event_id_2",
        ),
    ],
)
def test_a_wrong_rule_says_file_line_and_what_to_type(folder: Path, rules: str, message: str) -> None:
    expect(folder, rules)
    assert failure(run_on(folder)("quality")) == message


def test_a_table_that_is_not_there_or_of_which_nothing_is_expected(folder: Path) -> None:
    expect(folder, "  - {freshness: {at_most: 1h}}\n", table="events.cal")
    assert "line 1: there is no table 'events.cal'" in failure(run_on(folder)("quality"))
    expect(folder, "  - {freshness: {at_most: 1h}}\n")
    assert failure(run_on(folder)("quality", "ops.alerts")) == (
        "LakeError: nothing is expected of table 'ops.alerts'\n  tables:  events.call\n  try:     quality/call.yaml"
    )
