"""Roll-ups: closed panes have their rows, late events and changes of the past correct them, whoever is killed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake
from headrace_lake.commit import append_rows
from headrace_lake.decode import compile_decoder
from headrace_lake.delta_table import DELETED_BEFORE
from headrace_lake.errors import LakeError
from headrace_lake.rollups import refresh as refreshing
from headrace_lake.rollups.refresh import Refreshed
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import duplicates_table, events_table
from headrace_lake.upkeep.schedule import Upkeep, UpkeepPolicy
from lake_project import EVENT, answer, failure, run_on
from lake_records import CALL, call_record

from headrace.project import Project, open_project
from headrace.tables import project_tables
from headrace.upkeep.rollups import project_rollups, refresh_rollups

NOON = datetime(2024, 12, 31, 12, tzinfo=UTC)
ROLLUP = """
name: calls_per_hour
source: call
by: device
every: 1h
lateness: 10m
take: {duration_s: [count, sum, mean, min, max, std, distinct], subscriber_id: distinct}
"""


class Calls:
    """A project with roll-ups, and calls that are added as the writer adds them."""

    def __init__(self, folder: Path) -> None:
        for name, text in {"events/call.yaml": EVENT, "headrace.yaml": "name: t\n", "rollups/a.yaml": ROLLUP}.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        self.folder = folder
        self._sent = 0

    @property
    def project(self) -> Project:
        """The project as its files are now."""
        return open_project(self.folder)

    def add(self, *calls: tuple[float, str, float]) -> None:
        """Add calls: minutes after noon, device, duration."""
        records = []
        for minutes, device, seconds in calls:
            at = (NOON + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
            records.append(call_record(self._sent, started_at=at, device=device, duration_s=seconds))
            self._sent += 1
        spec = events_table(CALL)
        append_rows(self.project.folders.lake, spec, compile_decoder(spec)(records).rows, "test")

    def refresh(self) -> Refreshed:
        """Bring the roll-up up to date."""
        (done,) = refresh_rollups(self.project)
        return done

    def rows(self, columns: str = "events, duration_s_sum") -> list[tuple[Any, ...]]:
        """What stands in the roll-up, by pane (hours after noon) and device."""
        hours = f"(epoch(pane_start) - {NOON.timestamp()}) / 3600"
        query = f"SELECT CAST({hours} AS INT), device, {columns} FROM rollups.calls_per_hour ORDER BY 1, 2"
        return self.project.lake.sql(query).rows


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    """Calls of two hours and of a third that is not over."""
    made = Calls(tmp_path)
    made.add((0, "a", 1), (59, "a", 3), (30, "b", 5), (60, "a", 7), (140, "b", 9))
    return made


def test_closed_panes_have_a_row_of_each_key(calls: Calls) -> None:
    assert calls.refresh().rows == 3
    assert calls.rows() == [(0, "a", 2, 4.0), (0, "b", 1, 5.0), (1, "a", 1, 7.0)]
    every = "duration_s_count, duration_s_mean, duration_s_min, duration_s_max, duration_s_std, duration_s_distinct"
    assert calls.rows(f"{every}, subscriber_id_distinct")[0] == (0, "a", 2, 2.0, 1.0, 3.0, 1.0, 2, 2)


def test_a_pane_is_closed_when_the_newest_event_is_past_its_end_by_the_lateness(calls: Calls) -> None:
    calls.add((189.9, "a", 1))
    assert calls.refresh().closed_before == NOON + timedelta(hours=2)
    calls.add((190, "a", 1))
    done = calls.refresh()
    assert done.closed_before == NOON + timedelta(hours=3)
    assert (done.begin, done.rows) == (NOON + timedelta(hours=2), 1)
    assert calls.rows()[-1] == (2, "b", 1, 9.0)


def test_nothing_is_written_while_nothing_has_changed(calls: Calls) -> None:
    calls.refresh()
    version = DeltaTable(calls.project.folders.lake / "rollups" / "calls_per_hour").version()
    assert not calls.refresh().did_something
    calls.add((150, "b", 1))
    assert not calls.refresh().did_something
    assert DeltaTable(calls.project.folders.lake / "rollups" / "calls_per_hour").version() == version


def test_a_late_event_corrects_its_pane_and_a_duplicate_that_is_noted_later_leaves_it(calls: Calls) -> None:
    calls.refresh()
    calls.add((10, "c", 2), (20, "a", 4))
    assert calls.refresh().begin == NOON
    assert calls.rows() == [(0, "a", 3, 8.0), (0, "b", 1, 5.0), (0, "c", 1, 2.0), (1, "a", 1, 7.0)]
    spec = duplicates_table()
    noted: dict[str, Any] = {
        "view": "v", "event": "call", "event_id": "x", "key": "k", "partition": 0, "offset": 6,
        "event_time": NOON + timedelta(minutes=20), "clock": NOON, "declaration": "d",
    }  # fmt: skip
    append_rows(calls.project.folders.lake, spec, _rows(spec, noted), "test")
    calls.refresh()
    assert calls.rows()[0] == (0, "a", 2, 4.0)


def _rows(spec: Any, row: dict[str, Any]) -> Any:
    import pyarrow as pa

    return pa.Table.from_pylist([row], schema=arrow_schema(spec))


def test_compaction_of_events_and_of_the_roll_up_changes_no_row(calls: Calls) -> None:
    calls.refresh()
    calls.add((141, "b", 1))
    calls.refresh()
    before = calls.rows()
    done = run_on(calls.folder)("compact")
    assert done.exit_code == 0, done.output
    calls.refresh()
    assert calls.rows() == before
    calls.add((200, "b", 1))
    assert calls.refresh().rows > 0
    assert calls.rows() == [*before, (2, "b", 2, 10.0)]


def test_one_that_is_killed_before_its_commit_has_done_nothing(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    calls.refresh()
    calls.add((10, "c", 2), (200, "b", 1))
    before = calls.rows()

    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(refreshing, "write_deltalake", killed)
        with pytest.raises(KeyboardInterrupt):
            calls.refresh()
    assert calls.rows() == before
    calls.refresh()
    assert calls.rows() == [(0, "a", 2, 4.0), (0, "b", 1, 5.0), (0, "c", 1, 2.0), (1, "a", 1, 7.0), (2, "b", 1, 9.0)]


def test_of_two_at_once_one_begins_again_and_no_row_is_doubled(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    write, others = write_deltalake, [True]

    def raced(*arguments: Any, **options: Any) -> None:
        if others:
            others.clear()
            calls.refresh()
        write(*arguments, **options)

    monkeypatch.setattr(refreshing, "write_deltalake", raced)
    calls.refresh()
    assert calls.rows() == [(0, "a", 2, 4.0), (0, "b", 1, 5.0), (1, "a", 1, 7.0)]


def test_a_changed_declaration_computes_everything_anew_while_the_events_are_there(calls: Calls) -> None:
    calls.refresh()
    file = calls.folder / "rollups" / "a.yaml"
    file.write_text(ROLLUP.replace("1h", "30m").replace("sum, ", "").replace("take:", "description: halves\ntake:"))
    calls.refresh()
    assert [row[:3] for row in calls.rows("events")] == [(0, "a", 1), (0, "a", 1), (0, "b", 1), (1, "a", 1)]
    assert "duration_s_sum" not in calls.project.lake.describe("rollups.calls_per_hour").columns


def test_panes_whose_events_were_deleted_for_their_age_keep_their_rows(calls: Calls) -> None:
    calls.refresh()
    handle = DeltaTable(calls.project.folders.lake / "events" / "call")
    gone = (NOON + timedelta(minutes=45)).isoformat()
    handle.alter.set_table_properties({DELETED_BEFORE: gone}, raise_if_not_exists=False)
    handle.delete(f"started_at < '{gone}'")
    calls.add((80, "b", 2))
    calls.refresh()
    assert calls.rows() == [(0, "a", 2, 4.0), (0, "b", 1, 5.0), (1, "a", 1, 7.0), (1, "b", 1, 2.0)]
    (calls.folder / "rollups" / "a.yaml").write_text(ROLLUP.replace("1h", "30m"))
    with pytest.raises(LakeError) as caught:
        calls.refresh()
    assert str(caught.value) == (
        "the roll-up 'calls_per_hour' was changed, and events of its old panes are gone\n"
        "  events:  complete from 2024-12-31T13:00:00+00:00\n"
        "  kept:    rollups.calls_per_hour, as it was declared before\n"
        "  try:     name: calls_per_hour_2"
    )


def test_the_schedule_does_it_by_itself_and_says_so(calls: Calls) -> None:
    project = calls.project
    tables, rollups = project_tables(project), project_rollups(project)
    upkeep = Upkeep(project.folders.lake, tables, UpkeepPolicy(small_files=None, vacuum_every=None), rollups=rollups)
    assert [(entry.table, entry.action, entry.rows) for entry in upkeep.turn()] == [
        ("rollups.calls_per_hour", "rollup", 3)
    ]
    assert upkeep.turn() == []
    recorded = project.lake.sql('SELECT "table", action, who, rows FROM ops.upkeep').rows
    assert recorded == [("rollups.calls_per_hour", "rollup", "headrace up", 3)]


def test_the_command_says_what_was_written(calls: Calls) -> None:
    run = run_on(calls.folder)
    (done,) = answer(run("rollup", "--output", "json"))
    assert (done["table"], done["rows written"]) == ("rollups.calls_per_hour", 3)
    assert answer(run("describe", "rollups.calls_per_hour", "--output", "json"))["rows"] == 3
    assert failure(run("rollup", "calls_per_day")) == (
        "LakeError: the project declares no roll-up 'calls_per_day'\n"
        "  roll-ups:  calls_per_hour\n  try:       calls_per_hour"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("source: call", "source: cal"), "line 3: there is no event 'cal'\n  events:  call\n  try:     call"),
        (
            ("by: device", "by: phone"),
            "line 4: 'by' reads the field 'phone', which event 'call' does not have\n"
            "  fields:  subscriber_id, started_at, duration_s, device",
        ),
        (
            ("subscriber_id: distinct", "subscriber_id: sum"),
            "line 7: 'sum' reads the field 'subscriber_id', which is string\n"
            "  expected:  one of int, long, double, decimal, bool\n  fields:    duration_s\n  try:       duration_s",
        ),
        (("by: device", "by: [device, device]"), "line 2: the roll-up has the column 'device' twice"),
        (("every: 1h", "every: 0s"), "line 5: 'every' is no length of a pane\n  expected:  more than 0, at most 366d"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong_and_where(calls: Calls, change: tuple[str, str], said: str) -> None:
    (calls.folder / "rollups" / "a.yaml").write_text(ROLLUP.replace(*change))
    refused = run_on(calls.folder)("rollup")
    assert failure(refused).startswith(f"DeclarationError: rollups/a.yaml {said}")


def test_a_roll_up_declared_twice_names_both_files(calls: Calls) -> None:
    for name in ("a.yaml", "b.yaml"):
        (calls.folder / "rollups" / name).write_text(ROLLUP.replace("calls_per_hour", "by_hour"))
    assert failure(run_on(calls.folder)("rollup")) == (
        "DeclarationError: rollups/b.yaml: the roll-up 'by_hour' is declared twice\n"
        "  first:     rollups/a.yaml\n"
        "  expected:  one declaration a roll-up\n"
        "  try:       rename or remove one of the two"
    )
