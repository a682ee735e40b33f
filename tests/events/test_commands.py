"""`headrace events` as it is typed: answers, exact messages and exit statuses, with a real broker."""

import json
import logging
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from headrace_ingestion.records import StoredRecord
from headrace_lake.dead_letters import store_dead_letters
from headrace_lake.decode import RefusedRecord

from headrace.cli.root import root
from headrace.events.dead_letters import SHOWN_CHARACTERS
from headrace.project import Project

GOOD = '{"series": "s", "at": "2026-01-31T12:00:00Z", "value": %s}'

Run = Callable[..., Result]


@pytest.fixture
def away(project: Project) -> Run:
    """Runs `headrace events` on a project whose broker is not there."""

    def run(*arguments: str, stdin: str | None = None) -> Result:
        where = ["--project", str(project.folder), "--set", "kafka.bootstrap_servers=127.0.0.1:1"]
        return CliRunner().invoke(root, ["events", *arguments, *where], input=stdin)

    return run


@pytest.fixture
def prefix(broker: Any, project: Project) -> str:
    """Topic prefix of a test of its own; the topic of the event is there."""
    own = f"t{uuid.uuid4().hex[:10]}."
    broker.create_topic(f"{own}events.reading", 2)
    return own


@pytest.fixture
def run(broker: Any, prefix: str, project: Project) -> Run:
    """Runs `headrace events` on the project, with a real broker."""

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(root, ["events", *arguments, *settings(broker, prefix, project)], input=stdin)

    return invoke


def settings(broker: Any, prefix: str, project: Project) -> list[str]:
    """The options that say which project and broker are meant."""
    servers = f"kafka.bootstrap_servers={broker.bootstrap_servers}"
    return ["--project", str(project.folder), "--set", servers, "--set", f"kafka.topic_prefix={prefix}"]


def test_an_event_that_is_sent_answers_with_its_place(run: Run, prefix: str) -> None:
    answer = run("send", "reading", GOOD % 1, "--event-id", "e-1", "--output", "json")
    assert answer.exit_code == 0, answer.stderr
    place = json.loads(answer.stdout)
    assert place.pop("timestamp_ms") > 1_700_000_000_000
    assert place.pop("partition") in (0, 1)
    assert place == {"event": "reading", "event_id": "e-1", "topic": f"{prefix}events.reading", "offset": 0}


def test_json_lines_from_a_pipe_answer_in_order_up_to_the_first_wrong_one(run: Run) -> None:
    lines = [GOOD % 1, "", GOOD.replace("{", '{"event_id": "e-2", ') % 2, GOOD % -1, GOOD % 3]
    answer = run("send", "reading", "-", "--output", "json", stdin="\n".join(lines))
    places = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [place["offset"] for place in places] == [0, 1]
    assert places[1]["event_id"] == "e-2"
    assert answer.exit_code == 1
    assert "field 'value' expects at least 0" in answer.stderr


def test_a_wrong_event_is_refused_with_what_to_change(away: Run) -> None:
    answer = away("send", "reading", '{"series": "s", "at": "2026-01-31T12:00:00Z", "vlaue": 1}')
    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert answer.stderr == (
        "EventError: event 'reading' version 1 is refused: field 'vlaue' is not in the contract\n"
        "  fields:    series, at, value, count, good\n"
        "  reason:    unknown_field\n"
        "  contract:  events/reading.yaml\n"
        "  try:       value\n"
    )


def test_what_is_not_json_says_how_an_event_looks(away: Run) -> None:
    answer = away("send", "reading", "{series: s}")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "NotJsonError: the event 'reading' cannot be read: it is not JSON: "
        "unexpected character, expected a string key: line 1 column 2 (char 1)\n"
        "  expected:  one JSON object, in JSON Lines one a line\n"
        "  where:     the argument\n"
        '  try:       headrace events send reading \'{"series": …, "at": …, "value": …}\'\n'
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "raeding", "{}"),
        ("check", "raeding", "-"),
        ("replay", "a.csv", "--event", "raeding"),
        ("tail", "raeding"),
        ("dead-letters", "--event", "raeding"),
    ],
)
def test_an_unknown_event_names_those_that_are_declared(
    away: Run, project: Project, arguments: tuple[str, ...]
) -> None:
    answer = away(*arguments)
    assert answer.exit_code == 1
    assert answer.stderr == (
        "UnknownEventError: the project declares no event 'raeding'\n"
        "  events:  reading\n"
        f"  where:   {project.folder}/events\n"
        "  try:     reading\n"
    )


def test_a_broker_that_is_away_is_an_error_within_the_given_time(away: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("series,at,value\ns,2026-01-31,1\n")
    for arguments in (("send", "reading", GOOD % 1), ("replay", str(path), "--event", "reading")):
        began = time.monotonic()
        answer = away(*arguments, "--wait-seconds", "0.5")
        assert time.monotonic() - began < 20
        assert answer.exit_code == 1
        assert answer.stderr == (
            "BrokerUnavailableError: no broker answers at 127.0.0.1:1\n"
            "  answer:  nothing listens there\n"
            "  try:     headrace status, or correct kafka.bootstrap_servers\n"
        )


def test_without_a_broker_in_the_settings_the_stack_must_run(project: Project) -> None:
    answer = CliRunner().invoke(root, ["events", "send", "reading", GOOD % 1, "--project", str(project.folder)])
    assert answer.exit_code == 1
    assert answer.stderr == (
        "NotRunningError: the stack of this project is not running\n"
        f"  where:  {project.folder}\n"
        f"  try:    headrace up --detach --project {project.folder}\n"
    )


def test_a_missing_file_is_named_with_its_neighbours(away: Run, tmp_path: Path) -> None:
    (tmp_path / "calls.csv").touch()
    answer = away("replay", str(tmp_path / "call.csv"), "--event", "reading")
    assert answer.exit_code == 1
    assert answer.stderr == (
        f"SourceError: the file {tmp_path}/call.csv does not exist\n"
        "  files:  calls.csv\n"
        f"  where:  {tmp_path}\n"
        f"  try:    {tmp_path}/calls.csv\n"
    )


def test_check_answers_with_a_table_of_what_is_refused(away: Run) -> None:
    answer = away("check", "reading", "-", stdin=f"{GOOD % 1}\n{GOOD % -1}\n")
    assert answer.exit_code == 1
    lines = [line.split() for line in answer.stdout.splitlines()]
    assert lines[:3] == [["event", "reading"], ["accepted", "1"], ["refused", "1"]]
    assert lines[-1][:3] == ["-", "2", "out_of_range"]
    assert away("check", "reading", "-", stdin=GOOD % 1).exit_code == 0


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--speed", "fast"), "'fast' is neither a number above zero nor max, such as 60"),
        (("--start", "noon"), "'noon' is not a time, such as 2026-01-31T00:00:00Z"),
        (("--map", "at"), "'at' is not FIELD=COLUMN"),
    ],
)
def test_an_option_of_the_wrong_form_is_a_usage_error(away: Run, option: tuple[str, str], message: str) -> None:
    answer = away("replay", "a.csv", "--event", "reading", *option)
    assert answer.exit_code == 2
    assert message in answer.stderr


def test_a_shift_that_is_no_duration_is_named(away: Run) -> None:
    answer = away("replay", "a.csv", "--event", "reading", "--shift", "at=1 day")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "MappingError: --shift: '1 day' is not a duration\n"
        "  units:  ms, s, m, h, d\n"
        "  try:    a whole number and a unit, such as 5m\n"
    )


def test_a_replay_answers_with_its_figures(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("series,at,value\n" + "".join(f"s{n % 9},2026-01-31,{n - 1}\n" for n in range(1000)))
    answer = run("replay", str(path), "--event", "reading", "--output", "json")
    assert answer.exit_code == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert (report["sent"], report["refused"], report["refusals"][0]["line"]) == (999, 1, 2)
    assert report["events_per_second"] > 0
    strict = run("replay", str(path), "--event", "reading", "--strict")
    assert strict.exit_code == 1
    assert strict.stdout.splitlines()[2].split() == ["sent", "999"]
    assert strict.stderr == "refused: 1 of the rows; the first of them:\n"


@pytest.mark.slow
def test_a_replay_that_was_killed_goes_on_without_a_gap(
    broker: Any, run: Run, prefix: str, project: Project, tmp_path: Path
) -> None:
    rows = 60_000
    path = tmp_path / "a.csv"
    path.write_text("series,at,value\n" + "".join(f"s{n % 9},2026-01-31,{n}\n" for n in range(rows)))
    arguments = ["replay", str(path), "--event", "reading"]
    where = settings(broker, prefix, project)
    process = subprocess.Popen([sys.executable, "-m", "headrace", "events", *arguments, *where])
    folder = project.folders.root / "replay"
    deadline = time.monotonic() + 120
    try:
        while not any(json.loads(file.read_text())["sent"] for file in folder.glob("*.json")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    answer = run(*arguments, "--resume", "--output", "json")
    report = json.loads(answer.stdout)
    assert 0 < report["resumed_after"] <= rows
    assert report["resumed_after"] + report["sent"] == rows
    listed = run("tail", "reading", "--from", "earliest", "-n", "0", "--output", "json")
    found = [json.loads(line) for line in listed.stdout.splitlines()]
    assert {int(record["fields"]["value"]) for record in found} == set(range(rows))
    assert len({record["event_id"] for record in found}) == rows


def test_tail_shows_the_last_records_and_the_first(run: Run) -> None:
    for value in range(5):
        run("send", "reading", GOOD % value, "--event-id", f"e-{value}")
    newest = run("tail", "reading", "-n", "2", "--output", "json")
    assert [json.loads(line)["event_id"] for line in newest.stdout.splitlines()] == ["e-3", "e-4"]
    oldest = run("tail", "reading", "-n", "2", "--from", "earliest")
    assert [line.split()[2] for line in oldest.stdout.splitlines()] == ["e-0", "e-1"]
    assert oldest.stdout.splitlines()[0].endswith("series=s  at=2026-01-31T12:00:00.000Z  value=0.0")


def test_tail_shows_the_records_for_which_an_expression_is_true(run: Run) -> None:
    for value in range(5):
        run("send", "reading", GOOD % value, "--event-id", f"e-{value}")
    where = "value % 2 = 0 AND \"at\" < now() AND _recorded_at > '2026-02-01' AND good IS NULL"
    found = run("tail", "reading", "--where", where, "-n", "2", "--output", "json")
    assert [json.loads(line)["event_id"] for line in found.stdout.splitlines()] == ["e-2", "e-4"]
    answer = run("tail", "reading", "--where", "vlaue > 1")
    assert answer.exit_code == 1
    assert answer.stderr.startswith('ExpressionError: the expression cannot be read: Referenced column "vlaue" not')


def test_tail_shows_what_the_contract_refuses(broker: Any, run: Run, prefix: str) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(**broker.connection.client_options())
    producer.send(f"{prefix}events.reading", key=b"s", value=b'{"series": "s"}').get(timeout=20)
    producer.close()
    (record,) = [json.loads(line) for line in run("tail", "reading", "--output", "json").stdout.splitlines()]
    assert (record["reason"], record["detail"]) == ("missing_field", "field 'at' is missing")
    assert record["value"] == '{"series": "s"}'
    assert "refused: missing_field: field 'at' is missing" in run("tail", "reading").stdout


def test_tail_follows_what_comes(broker: Any, run: Run, prefix: str, project: Project) -> None:
    run("send", "reading", GOOD % 1, "--event-id", "e-1")
    command = [sys.executable, "-m", "headrace", "events", "tail", "reading", "--follow", "--output", "json"]
    process = subprocess.Popen([*command, *settings(broker, prefix, project)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event_id"] == "e-1"
        run("send", "reading", GOOD % 2, "--event-id", "e-2")
        assert json.loads(process.stdout.readline())["event_id"] == "e-2"
    finally:
        process.terminate()
        process.wait()


def test_tail_of_a_topic_that_is_not_there_says_which_are(broker: Any, project: Project) -> None:
    arguments = ["events", "tail", "reading", *settings(broker, "nowhere.", project)]
    answer = CliRunner().invoke(root, arguments)
    assert answer.exit_code == 1
    assert answer.stderr.startswith("UnknownTopicError: the topic 'nowhere.events.reading' does not exist\n  topics: ")
    last = answer.stderr.splitlines()[-1].split(maxsplit=1)
    assert last == ["try:", "headrace up (it makes the topics of the project's contracts)"]


def test_tail_of_a_broker_that_is_away_ends_in_bounded_time(away: Run) -> None:
    began = time.monotonic()
    answer = away("tail", "reading", "--wait-seconds", "0.5")
    assert time.monotonic() - began < 20
    assert answer.exit_code == 1
    assert answer.stderr.startswith("BrokerUnavailableError: no broker ")


def test_dead_letters_come_from_the_lake_with_the_beginning_of_their_values(away: Run, project: Project) -> None:
    long = b'{"series": "' + b"x" * 300 + b'"}'
    first = StoredRecord("events.reading", 0, 0, 1_700_000_000_000, b"s", long)
    second = StoredRecord("events.reading", 0, 1, -1, None, b"\xff")
    refused = [
        RefusedRecord(first, "too_long", "field 'series' expects at most 64 characters, got 300", "reading"),
        RefusedRecord(second, "not_json", "the value is not UTF-8", "reading"),
    ]
    store_dead_letters(project.folders.lake, refused, str(uuid.uuid4()), {0: 2}, 1_700_000_001_000)
    letters = json.loads(away("dead-letters", "--output", "json").stdout)
    assert [(letter["reason"], letter["offset"], letter["value"][:12]) for letter in letters] == [
        ("not_json", 1, "�"), ("too_long", 0, '{"series": "'),
    ]  # fmt: skip
    assert len(letters[1]["value"]) == SHOWN_CHARACTERS
    assert letters[1]["recorded_at"] == "2023-11-14T22:13:21+00:00"
    one = json.loads(away("dead-letters", "--reason", "too_long", "--event", "reading", "--output", "json").stdout)
    assert [letter["offset"] for letter in one] == [0]


def test_a_project_without_dead_letters_says_so(away: Run) -> None:
    assert away("dead-letters").stdout == "no dead letters\n"


def test_a_reason_that_does_not_exist_is_named(away: Run) -> None:
    answer = away("dead-letters", "--reason", "to_long")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "UnknownReasonError: no record is refused for the reason 'to_long'\n"
        "  reasons:  not_json, unknown_field, missing_field, wrong_type, out_of_range, pattern, not_allowed, too_long, "
        "wrong_key, wrong_event_id, from_the_future, unmatched, too_large, sink_refused, sink_unreachable, "
        "sink_transform\n"
        "  try:      --reason too_long\n"
    )


def test_a_command_leaves_the_logs_of_the_client_as_they_were(away: Run) -> None:
    before = logging.getLogger("headrace_ingestion").level
    assert away("send", "reading", GOOD % 1, "--wait-seconds", "0.5").exit_code == 1
    assert logging.getLogger("headrace_ingestion").level == before
