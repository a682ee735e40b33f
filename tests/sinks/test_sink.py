"""Sinks over a real broker and a real endpoint: order, offsets, dead letters, a process that is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from headrace_lake.commit import append_records
from headrace_lake.tables import dead_letters_table
from headrace_lake.topic_records import rows_by_now
from receiver import Receiver, receiving

import headrace
from headrace.cli.root import root
from headrace.project import Project
from headrace.sinks.project_sinks import open_sink, sink_declaration
from headrace.sinks.sink import Sink

AT = "2026-01-31T12:00:00Z"


@pytest.fixture
def live(broker: Any, folder: Path) -> Project:
    """The project on a real broker, with topics of its own."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    broker.create_topic(f"{prefix}events.reading", 2)
    broker.create_topic(f"{prefix}dead_letters", 1)
    flags = {"kafka.bootstrap_servers": broker.bootstrap_servers, "kafka.topic_prefix": prefix}
    return headrace.open(folder, flags=flags)


def declare(live: Project, url: str, name: str = "crm", http: str = "", more: str = "") -> None:
    """Write the file of a sink."""
    (live.folder / "sinks" / f"{name}.yaml").write_text(
        f"name: {name}\ntable: events.reading\nstart: earliest\n{more}"
        f"http: {{url: '{url}', backoff: 1ms, retries: 2{http}}}\n"
    )


def send(live: Project, values: range) -> None:
    """Send readings whose ids are their values."""
    lines = [json.dumps({"series": "s", "at": AT, "value": n, "event_id": f"e{n}"}).encode() for n in values]
    assert all(one.offset is not None for one in live.events.send_lines("reading", lines))


@contextmanager
def running(live: Project, name: str = "crm") -> Iterator[Sink]:
    """Run a sink in a thread, and end it in order."""
    fresh = headrace.open(
        live.folder,
        flags={
            "kafka.bootstrap_servers": live.settings.kafka.bootstrap_servers or "",
            "kafka.topic_prefix": live.settings.kafka.topic_prefix,
        },
    )
    stop, ready = threading.Event(), threading.Event()
    sink = open_sink(fresh, sink_declaration(fresh, name), stop)
    thread = threading.Thread(target=sink.run, args=(stop, ready.set))
    thread.start()
    try:
        assert ready.wait(30)
        yield sink
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def await_that(holds: Callable[[], bool], timeout_seconds: float = 30) -> None:
    """Return when it holds."""
    deadline = time.monotonic() + timeout_seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def await_key(endpoint: Receiver, key: str) -> None:
    """Return when the endpoint got this record."""
    await_that(lambda: key in endpoint.keys)


def letters(live: Project) -> list[dict[str, Any]]:
    """The dead letters on their topic."""
    spec = dead_letters_table(live.settings.kafka.topic_prefix)
    return [row for rows in rows_by_now(live.connection(), spec, 1) for row in rows.to_pylist()]


def test_a_sink_goes_on_where_it_has_ended(live: Project, receiver: Receiver) -> None:
    declare(live, receiver.url)
    send(live, range(3))
    with running(live):
        receiver.await_requests(3)
    send(live, range(3, 5))
    with running(live):
        receiver.await_requests(5)
    assert receiver.keys == ["e0", "e1", "e2", "e3", "e4"]


def test_a_sink_of_the_latest_begins_after_what_is_there_and_never_again(live: Project, receiver: Receiver) -> None:
    declare(live, receiver.url)
    file = live.folder / "sinks" / "crm.yaml"
    file.write_text(file.read_text().replace("earliest", "latest"))
    send(live, range(2))
    with running(live):
        pass
    send(live, range(2, 4))
    with running(live):
        receiver.await_requests(2)
    assert receiver.keys == ["e2", "e3"]


def test_what_is_refused_or_cannot_be_made_is_a_dead_letter_and_the_rest_goes_on(
    live: Project, receiver: Receiver
) -> None:
    receiver.answer = lambda number, body: {1: 422, 2: 503}.get(body["value"], 200)
    declare(live, receiver.url, more="select: CASE WHEN value = 3 THEN error('no threes') ELSE value END AS value\n")
    send(live, range(5))
    with running(live) as sink:
        await_that(lambda: sink.counters.delivered == 2)
    assert [(row["event"], row["reason"], row["event_id"], row["detail"]) for row in letters(live)] == [
        ("sinks.crm", "sink_refused", "e1", "HTTP 422: not this one"),
        ("sinks.crm", "sink_unreachable", "e2", "HTTP 503: not this one"),
        ("sinks.crm", "sink_transform", "e3", "the expression fails: no threes"),
    ]


def test_a_slow_sink_holds_up_no_other_and_a_killed_process_loses_nothing(live: Project, receiver: Receiver) -> None:
    count, free = 30, threading.Event()
    declare(live, receiver.url)
    send(live, range(count))
    command = [sys.executable, "-m", "headrace.workers.sinks", "--project", str(live.folder)]
    kafka = live.settings.kafka
    environment = {
        **os.environ,
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers or "",
        "HEADRACE_KAFKA__TOPIC_PREFIX": kafka.topic_prefix,
    }
    with receiving() as slow:
        declare(live, slow.url, name="slow")

        def block(number: int, body: Any) -> int:
            free.wait(60)
            return 200

        def kill(number: int, body: Any) -> int:
            if number == 10:
                process.send_signal(signal.SIGKILL)
            return 200

        slow.answer, receiver.answer = block, kill
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
        assert process.wait(60) == -signal.SIGKILL
        assert len(slow.requests) == 1
        free.set()
        for name, endpoint in (("crm", receiver), ("slow", slow)):
            endpoint.answer = lambda number, body: 200
            with running(live, name):
                await_key(endpoint, f"e{count - 1}")
            assert set(endpoint.keys) == {f"e{n}" for n in range(count)}
    # In order each time; the second run begins at what was committed.
    again = receiver.keys[11:]
    assert receiver.keys[:11] == [f"e{n}" for n in range(11)]
    assert again == [f"e{n}" for n in range(count - len(again), count)]


def test_letters_of_a_sink_are_sent_again_once_by_what_it_declares_now(live: Project, receiver: Receiver) -> None:
    receiver.answer = lambda number, body: 400
    declare(live, receiver.url)
    send(live, range(2))
    with running(live):
        receiver.await_requests(2)
    into_the_lake(live)
    receiver.requests.clear()
    receiver.answer = lambda number, body: 200 if body["v"] == 0 else 400
    declare(live, receiver.url, more="select: value AS v\n")
    assert replayed(live, "--dry-run")["counts"] == {"would_be_sent": 2}
    assert receiver.requests == []
    assert replayed(live)["counts"] == {"sent": 1, "refused": 1}
    receiver.answer = lambda number, body: 200
    again = replayed(live)
    assert (again["counts"], again["done_before"]) == ({"sent": 1}, 1)
    assert receiver.requests == [("e0", {"v": 0.0}), ("e1", {"v": 1.0}), ("e1", {"v": 1.0})]
    # They are events: nobody mends them into their topic, nor counts them as refused there.
    found = CliRunner().invoke(
        root, ["events", "dead-letters", "--event", "sinks.crm", "--output", "json", "--project", str(live.folder)]
    )
    assert {one["reason"] for one in json.loads(found.stdout)} == {"sink_refused"}


def into_the_lake(live: Project) -> None:
    """Write the dead letters of the topic into their table, as the lake writer does."""
    spec = dead_letters_table(live.settings.kafka.topic_prefix)
    rows = [(row, row["key"], row["recorded_at"]) for row in letters(live)]
    own = [{name: row[name] for name in row if not name.startswith("_")} for row, _, _ in rows]
    append_records(
        live.folders.lake, spec, [(row, key, at) for row, (_, key, at) in zip(own, rows, strict=True)], "a test"
    )


def replayed(live: Project, *arguments: str) -> Any:
    """What `sinks replay crm` answers."""
    answer = CliRunner().invoke(
        root,
        [
            "sinks", "replay", "crm", "--output", "json", "--project", str(live.folder),
            "--set", f"kafka.topic_prefix={live.settings.kafka.topic_prefix}", *arguments,
        ],
    )  # fmt: skip
    assert answer.exit_code in (0, 1), answer.stderr
    return json.loads(answer.stdout)
