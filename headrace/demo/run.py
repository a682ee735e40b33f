"""The steps of the demonstration, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.settings import KafkaConnection

from headrace.demo.report import Report, make_report
from headrace.project import Project, open_project
from headrace.stack.up import start_detached, stop_stack
from headrace.templates import copy_example, load_simulator

Say = Callable[[str], None]

MODEL = "roaming_fraud"
VIEW = "subscriber"
TRAINING_SHARE = 0.7
"""Share of the calls that are streamed before the model is trained."""

LIVE_EVENTS_PER_SECOND = 500
"""Rate of the calls after that: a load at which latency means something, not a backlog."""

BROKEN = (b"not json", b'{"subscriber_id":"s-1"}', b'{"subscriber_id":"s-1","started_at":"yesterday","duration_s":-5}')
"""Records that break the contract of a call; sent past the SDK, which would refuse them."""

_WAIT_SECONDS = 180.0


class DemoError(HeadraceError):
    """A step of the demonstration did not come to its end."""


@dataclass
class Run:
    """What a run knows while it goes on.

    Attributes:
        project: The fresh project.
        events: Number of calls to simulate.
        seed: Seed of the simulation.
        say: Told of every step.
        truth: Event id → whether the call was fraud; of the calls after the training alone.
    """

    project: Project
    events: int
    seed: int
    say: Say
    truth: dict[str, bool] = field(default_factory=dict)


def run_demo(events: int, seed: int, say: Say, *, keep: Path | None = None) -> Report:
    """Run the demonstration and return its figures; the stack is down again afterwards.

    Args:
        events: Number of calls; with 12,000 the model does not hold its gates, with 20,000 it does.
        seed: Seed of the simulation.
        say: Told of every step.
        keep: Folder for the project, which then stays; None: a temporary one.

    Raises:
        DemoError: A step did not come to its end.
        HeadraceError: What the step itself raises.
    """
    began = time.monotonic()
    with _fresh_project(keep) as project:
        run = Run(project, events, seed, say)
        start_detached(project, on_change=_Announcer(say), leashed=True)
        try:
            version = _play(run)
            say("verifying every feature row against the lake")
            parity = project.features.verify(VIEW)
            return make_report(project, version, parity, run.truth, seconds=time.monotonic() - began)
        finally:
            say("taking everything down")
            stop_stack(project.folders)


@contextmanager
def _fresh_project(keep: Path | None) -> Iterator[Project]:
    with TemporaryDirectory(prefix="headrace-demo-") as scratch:
        folder = keep or Path(scratch) / "roaming"
        copy_example("roaming", folder)
        yield open_project(folder)


def _play(run: Run) -> Any:
    simulator = load_simulator(run.project.folder)
    stream = simulator.with_labels(simulator.simulate(run.events, run.seed))
    before = int(run.events * TRAINING_SHARE)
    run.say(f"streaming {before:,} calls of history")
    sent = _send(run.project, _until(stream, before), rate=None)
    _send_broken(run.project.connection())
    _await_rows(run, "calls", "events.call", sent)
    _await_rows(run, "feature rows", f"features.{VIEW}", sent)
    run.say(f"training {MODEL}")
    version = run.project.models.train(MODEL)
    if not version.gates_hold:
        raise DemoError(
            f"version {version.version} of {MODEL} does not hold its gates: {version.tags.get('gate_results')}",
            {"events": str(run.events), "seed": str(run.seed)},
            "headrace demo --events 20000",
        )
    version = run.project.models.promote(MODEL)
    _await_rows(run, "scores of the history", f"scores.{MODEL}", sent)
    run.say(f"streaming {run.events - sent:,} more calls, {LIVE_EVENTS_PER_SECOND} a second")
    sent += _send(run.project, stream, rate=LIVE_EVENTS_PER_SECOND, truth=run.truth)
    for what, table in (("feature rows", f"features.{VIEW}"), ("scores", f"scores.{MODEL}")):
        _await_rows(run, what, table, sent)
    return version


def _until(stream: Iterator[Any], calls: int) -> Iterator[Any]:
    """Yield events up to and with the given number of calls; the rest stays in the stream."""
    seen = 0
    while seen < calls:
        event = next(stream)
        seen += event.event == "call"
        yield event


def _send(project: Project, stream: Iterable[Any], *, rate: float | None, truth: dict[str, bool] | None = None) -> int:
    """Send events through the SDK and return the number of calls.

    Args:
        project: Where to.
        stream: Simulated events.
        rate: Events a second; None: as fast as the broker takes them.
        truth: Filled with what each call was.
    """
    calls = 0
    began = time.monotonic()
    with project.events.producer() as producer:
        for number, event in enumerate(stream):
            if rate is not None:
                ahead_seconds = number / rate - (time.monotonic() - began)
                if ahead_seconds > 0:
                    time.sleep(ahead_seconds)
            producer.send(event.event, event.fields, event_id=event.event_id)
            calls += event.event == "call"
            if truth is not None and event.event == "call":
                truth[event.event_id] = event.call.is_fraud
    return calls


def _send_broken(connection: KafkaConnection) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(**connection.client_options())
    topic = f"{connection.topic_prefix}events.call"
    for future in [producer.send(topic, key=b"s-1", value=value) for value in BROKEN]:
        future.get(timeout=30)
    producer.close()


def _await_rows(run: Run, what: str, table: str, rows: int) -> None:
    """Wait until the lake holds at least so many rows of a table."""
    run.say(f"waiting for {rows:,} {what} in the lake")
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        (count,) = run.project.lake.sql(f"SELECT count(*) FROM {table}").rows[0]
        if count >= rows:
            return
        if time.monotonic() > deadline:
            raise DemoError(
                f"only {count:,} of {rows:,} {what} reached the lake within {_WAIT_SECONDS:.0f} s",
                {"table": table, "logs": str(run.project.folders.logs)},
                "headrace demo --keep DIR, then headrace status --project DIR",
            )
        time.sleep(0.3)


class _Announcer:
    """Tells of each process of the stack when it becomes ready."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._told: set[str] = set()

    def __call__(self, state: Any) -> None:
        for process in state.processes:
            if process.phase == "ready" and process.name not in self._told:
                self._told.add(process.name)
                self._say(f"{process.name} is ready")
