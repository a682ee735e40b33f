"""Dead letters as work: found, mended, sent once; through a real broker and a real lake."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from headrace_ingestion.headers import EVENT_ID
from headrace_ingestion.pii import PiiSecret
from headrace_ingestion.records import StoredRecord
from headrace_lake.commit import append_rows
from headrace_lake.dead_letters import store_dead_letters
from headrace_lake.decode import RefusedRecord
from headrace_lake.replays import ReplayRow, record_replays, replays_of
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import events_table

import headrace
from headrace.cli.root import root
from headrace.events.fix_and_replay import ReplayRunningError, only_one
from headrace.events.locked_sql import Condition, ExpressionError, FieldExpressions
from headrace.project import Project

AT = "2026-01-31T12:00:00Z"
Run = Callable[..., Result]


@pytest.fixture
def live(broker: Any, project: Project) -> Project:
    """The project on a real broker, with a topic of its own."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    broker.create_topic(f"{prefix}events.reading", 2)
    flags = {"kafka.bootstrap_servers": broker.bootstrap_servers, "kafka.topic_prefix": prefix}
    return headrace.open(project.folder, flags=flags)


def run(live: Project, *arguments: str) -> Result:
    """Run `headrace events` on the project."""
    kafka = live.settings.kafka
    flags = ["--set", f"kafka.bootstrap_servers={kafka.bootstrap_servers}"]
    flags += ["--set", f"kafka.topic_prefix={kafka.topic_prefix}", "--project", str(live.folder)]
    return CliRunner().invoke(root, ["events", *arguments, *flags])


def replayed(live: Project, *arguments: str) -> Any:
    """What `fix-and-replay reading` answers."""
    answer = run(live, "fix-and-replay", "reading", "--output", "json", *arguments)
    assert answer.exit_code in (0, 1), answer.stderr
    return json.loads(answer.stdout)


def letters(live: Project, *values: bytes, reason: Any = "out_of_range", ids: tuple[str | None, ...] = ()) -> None:
    """Put dead letters into the lake, at offsets from 0."""
    refused = []
    for offset, value in enumerate(values):
        own = ids[offset] if offset < len(ids) else None
        headers = [(EVENT_ID, own.encode())] if own else []
        record = StoredRecord(f"{live.settings.kafka.topic_prefix}events.reading", 0, offset, 1, b"s", value, headers)
        refused.append(RefusedRecord(record, reason, "why", "reading"))
    store_dead_letters(live.folders.lake, refused, str(uuid.uuid4()), {0: len(values)}, 1_700_000_000_000)


def reading(value: object, **more: object) -> bytes:
    """A reading as it stands on a topic."""
    return json.dumps({"series": "s", "at": AT, "value": value, **more}).encode()


def sent(live: Project) -> list[tuple[str | None, Any]]:
    """Id and value of the events on the topic."""
    found = live.events.tail("reading", start="earliest", count=None)
    return sorted((e.event_id, e.fields["value"]) for e in found if e.fields and e.event_id)


def test_each_letter_is_mended_by_sql_sent_once_and_written_down(live: Project) -> None:
    letters(live, reading(-1), reading(-2), reading("x"), ids=("a",))
    before = replayed(live, "--sql", "abs(value) AS value", "--dry-run")
    assert [one["outcome"] for one in before["answers"]] == ["would_be_sent", "would_be_sent", "refused"]
    assert before["answers"][0]["before"]["value"] == -1
    assert before["answers"][0]["after"]["value"] == 1
    assert sent(live) == []
    first = replayed(live, "--sql", "abs(value) AS value")
    assert first["counts"] == {"sent": 2, "refused": 1}
    assert first["answers"][2]["detail"].startswith("the expression fails: ")
    second = replayed(live, "--sql", "abs(value) AS value")
    assert (second["counts"], second["done_before"]) == ({"refused": 1}, 2)
    third = replayed(live, "--sql", "NULL AS value, 7 AS value, 'is ' || _reason AS series")
    assert (third["counts"], third["done_before"]) == ({"sent": 1}, 2)
    assert sorted(value for _, value in sent(live)) == [1, 2, 7]
    assert "a" in {event_id for event_id, _ in sent(live)}
    rows = replays_of(live.lake, "reading")
    assert [(row.offset, row.state) for row in sorted(rows, key=lambda row: (row.offset, row.replayed_at))] == [
        (0, "sending"), (0, "sent"), (1, "sending"), (1, "sent"), (2, "refused"), (2, "sending"), (2, "sent"),
    ]  # fmt: skip
    assert {row.fix for row in rows if row.offset == 0} == {"sql: abs(value) AS value"}
    assert all(row.who.endswith("headrace events fix-and-replay") for row in rows)


def test_a_function_of_the_project_mends_and_its_failures_are_the_letters_own(live: Project) -> None:
    (live.folder / "mending.py").write_text(
        "def mend(fields, letter):\n"
        "    if fields is None:\n"
        "        name, _, value = letter.value.decode().partition('=')\n"
        "        return {'series': name, 'at': '2026-01-31T12:00:00Z', 'value': float(value)}\n"
        "    return {**fields, 'value': 1 / fields['value']}\n"
    )
    letters(live, b"s=5", reading(0), reading(-4))
    report = replayed(live, "--python", "mending:mend")
    assert [(one["outcome"], one["detail"]) for one in report["answers"]] == [
        ("sent", None),
        ("refused", "python: mending:mend raised ZeroDivisionError: division by zero"),
        ("refused", "field 'value' expects at least 0, got a value below it"),
    ]
    assert [value for _, value in sent(live)] == [5]
    answer = run(live, "fix-and-replay", "reading", "--python", "mending:mned")
    assert answer.stderr == (
        "FixError: the module 'mending' has no function 'mned'\n"
        f"  where:  {live.folder}\n"
        "  try:    def mned(fields, letter)\n"
    )


def test_of_letters_with_one_event_id_one_is_sent(live: Project) -> None:
    letters(live, reading(-1), reading(-2), ids=("same", "same"))
    assert replayed(live, "--sql", "abs(value) AS value")["counts"] == {"sent": 1, "already_there": 1}
    assert sent(live) == [("same", 1)]


def test_a_key_that_was_hashed_before_the_refusal_is_not_hashed_again(
    live: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = live.folder / "events" / "reading.yaml"
    clear = "series: {type: string"
    assert clear in event.read_text()
    event.write_text(event.read_text().replace(clear, f"{clear}, pii: hash"))
    flags = {
        "kafka.bootstrap_servers": str(live.settings.kafka.bootstrap_servers),
        "kafka.topic_prefix": live.settings.kafka.topic_prefix,
        "pii.secret": "0123456789abcdef",
    }
    hashing = headrace.open(live.folder, flags=flags)
    alice, bob = (PiiSecret("0123456789abcdef").hash(name) for name in ("alice", "bob"))
    # The producer of the second one hashed nothing: its contract was older.
    letters(hashing, reading(-1, series=alice), reading(-2, series="bob"), ids=("h-1", "h-2"))
    monkeypatch.setenv("HEADRACE_PII__SECRET", "0123456789abcdef")
    assert replayed(live, "--sql", "abs(value) AS value")["counts"] == {"sent": 2}
    found = hashing.events.tail("reading", start="earliest", count=None)
    keys = {e.event_id: (e.key, e.fields["series"]) for e in found if e.fields}
    assert keys == {"h-1": (alice, alice), "h-2": (bob, bob)}


def test_a_label_without_its_event_is_sent_again_though_the_lake_has_it(live: Project) -> None:
    spec = events_table(live.contracts["reading"])
    there = {"event_id": "a", "series": "s", "value": 1.0, "_partition": 0, "_offset": 0}
    append_rows(live.folders.lake, spec, pa.Table.from_pylist([there], schema=arrow_schema(spec)), "test")
    letters(live, reading(1), reading(2), reason="unmatched", ids=("a",))
    assert replayed(live)["counts"] == {"sent": 2}
    assert replayed(live)["done_before"] == 2
    assert [value for _, value in sent(live)] == [1, 2]


def test_a_letter_that_was_being_sent_when_a_run_ended_is_looked_for_on_the_topic(live: Project) -> None:
    letters(live, reading(-1), reading(-2), ids=("a", "b"))
    contract = live.contracts["reading"]
    began = datetime.now(UTC)
    topic = contract.topic(live.settings.kafka.topic_prefix)
    at = datetime(1970, 1, 1, 0, 0, 0, 1_000, UTC)
    rows = [
        ReplayRow("reading", topic, 0, n, at, "out_of_range", "ab"[n], "none", "", "me", "sending", None, began)
        for n in (0, 1)
    ]
    record_replays(live.folders.lake, rows)
    live.events.send("reading", {"series": "s", "at": AT, "value": 1}, event_id="a")
    report = replayed(live, "--sql", "abs(value) AS value")
    assert (report["counts"], report["done_before"]) == ({"sent": 1}, 1)
    assert sent(live) == [("a", 1), ("b", 2)]


def test_runs_that_are_killed_leave_each_letter_once_on_the_topic(live: Project, broker: Any) -> None:
    count = 40
    letters(live, *(reading(-n - 1) for n in range(count)))
    script = Path(__file__).with_name("replay_process.py")
    prefix = live.settings.kafka.topic_prefix
    process = subprocess.Popen([sys.executable, str(script), str(live.folder), broker.bootstrap_servers, prefix])
    log = live.folders.lake / "ops" / "replays" / "_delta_log"
    deadline = time.monotonic() + 60
    while len(list(log.glob("*.json"))) < 4:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.wait()
    report = replayed(live, "--sql", "abs(value) AS value")
    assert report["done_before"] > 0
    assert report["done_before"] + report["counts"]["sent"] == count
    assert sorted(value for _, value in sent(live)) == [n + 1 for n in range(count)]


def test_one_run_works_on_a_project_at_a_time(live: Project) -> None:
    with only_one(live.folders.run), pytest.raises(ReplayRunningError), only_one(live.folders.run):
        pass


def test_letters_are_searched_by_the_time_of_their_refusal(live: Project) -> None:
    letters(live, reading(-1))
    for option, found in (("--since", 1), ("--until", 0)):
        answer = run(live, "dead-letters", option, "2023-11-14T22:13:20Z", "--output", "json")
        assert len(json.loads(answer.stdout)) == found, answer.stderr


@pytest.mark.parametrize(
    "text",
    [
        "content AS value FROM read_text('/etc/hostname') --",
        "1 AS value; SELECT 2",
        "(SELECT count(*) FROM glob('/*')) AS value",
    ],
)
def test_expressions_reach_no_files_and_are_one_statement(text: str) -> None:
    with pytest.raises(ExpressionError):
        FieldExpressions(text).applied({"value": 1}, {})


def test_a_value_is_bound_and_never_read_as_sql() -> None:
    fix = FieldExpressions('upper(name) AS name, "at"::TIMESTAMPTZ + INTERVAL 1 DAY AS "at", 1.5 AS n, NULL AS gone')
    found = fix.applied({"name": "'; drop table x --", "at": AT, "gone": 1, 'odd "name': [1]}, {"_key": None})
    assert found == {
        "name": "'; DROP TABLE X --", "at": datetime(2026, 2, 1, 12, tzinfo=UTC), "n": 1.5, "odd \"name": [1],
    }  # fmt: skip


def test_a_condition_is_checked_against_its_columns_before_any_row() -> None:
    condition = Condition("value > 1 AND \"at\" >= '2026-01-01'", {"value": "DOUBLE", "at": "TIMESTAMPTZ"})
    rows = [(1.0, AT), (2.0, AT), (None, AT), (3.0, "2025-01-01T00:00:00Z")]
    assert condition.holds(rows) == [False, True, False, False]
    with pytest.raises(ExpressionError) as wrong:
        Condition("vlaue > 1", {"value": "DOUBLE"})
    assert str(wrong.value).splitlines()[1:] == [
        "  expression:  vlaue > 1", "  columns:     value", "  try:         value IS NOT NULL",
    ]  # fmt: skip
