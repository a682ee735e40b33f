"""`headrace bench latency`: how long after an event was sent its feature row and its score are there."""

import multiprocessing
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headrace.bench.errors import BenchError
from headrace.bench.figures import summary
from headrace.bench.load import LatencyPart, Load, Noted, Reading, end_offsets, read_arrivals, send_open_loop
from headrace.pii import project_secret
from headrace.project import Project, open_project
from headrace.stack.up import start_detached, stop_stack
from headrace.templates import copy_example, load_simulator

EVENT, VIEW, MODEL = "call", "subscriber", "roaming_fraud"
_SEED = 11
_WAIT_SECONDS = 300.0
_AFTERWARDS_SECONDS = 30.0
_LOOK_SECONDS = 0.5

Report = Callable[[str], None]
"""Called with a line about the progress."""


@dataclass(frozen=True)
class LatencyBench:
    """What to measure.

    Attributes:
        rate: Events a second.
        seconds: Length of the measured part.
        warm_up_seconds: Time before it at the same rate: the compilers of two young Java processes take half a core for
            the first minute, and some for one more.
        history: Calls that the model is trained on; 0: no model, and no scores.
    """

    rate: int = 1000
    seconds: int = 60
    warm_up_seconds: int = 120
    history: int = 14_000

    @property
    def events(self) -> int:
        """Events that are sent at the rate, with those of the warm-up."""
        return self.rate * (self.seconds + self.warm_up_seconds)


@dataclass(frozen=True)
class LatencyResult:
    """What was measured, in milliseconds; of the events after the warm-up.

    Attributes:
        bench: What was asked for.
        events: Events that count.
        event_to_feature: From the call of `send` to the row at a reader.
        event_to_score: From the call of `send` to the score at a reader; empty without a model.
        behind: How late the sender called `send`, against its schedule.
        missing_rows: Events without a feature row.
        missing_scores: Events without a score, when there is a model.
    """

    bench: LatencyBench
    events: int
    event_to_feature: list[float]
    event_to_score: list[float]
    behind: list[float]
    missing_rows: int
    missing_scores: int

    def as_data(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return {
            "rate": self.bench.rate,
            "events": self.events,
            "event_to_feature": summary(self.event_to_feature),
            "event_to_score": summary(self.event_to_score),
            "sender_behind": summary(self.behind),
            "missing": {"feature_rows": self.missing_rows, "scores": self.missing_scores},
        }


def bench_latency(bench: LatencyBench, report: Report = lambda line: None) -> LatencyResult:
    """Measure on a full stack of the roaming example in a temporary folder; everything is gone afterwards.

    Lake, checkpoints, online writer and scorer run, as they do for a user.

    Raises:
        BenchError: The stack did not get ready for the measurement.
        HeadraceError: What a part of the stack raises.
    """
    with _running_project(report) as project:
        calls = load_simulator(project.folder)
        # Two simulations after one another: the first alone has the weeks that the parts of a training set need.
        history = list(calls.with_labels(calls.simulate(bench.history, _SEED)))
        _prepare(project, history, bench, report)
        start = max((event.time for event in history), default=calls.DEFAULT_START)
        stream = calls.with_labels(calls.simulate(bench.events, _SEED + 1, start))
        events = [(event.event_id, dict(event.fields)) for event in stream if event.event == EVENT]
        report(f"sending {len(events):,} events, {bench.rate:,} a second")
        return evaluate(bench, _measure(project, bench, events))


@contextmanager
def _running_project(report: Report) -> Iterator[Project]:
    with TemporaryDirectory(prefix="headrace-bench-") as scratch:
        folder = Path(scratch) / "roaming"
        copy_example("roaming", folder)
        project = open_project(folder, environ={})
        report("starting the stack")
        start_detached(project, leashed=True)
        try:
            yield project
        finally:
            report("taking the stack down")
            stop_stack(project.folders)


def _prepare(project: Project, history: Sequence[Any], bench: LatencyBench, report: Report) -> None:
    """Stream the history and make a champion, so that scores flow."""
    if not bench.history:
        return
    report(f"streaming {bench.history:,} calls of history")
    with project.events.producer() as producer:
        for event in history:
            producer.send(event.event, event.fields, event_id=event.event_id)
    _await_rows(project, f"features.{VIEW}", bench.history)
    report(f"training {MODEL}")
    project.models.train(MODEL)
    # What is measured is the time that a score takes, not how good it is.
    project.models.promote(MODEL, force=True)
    _await_rows(project, f"scores.{MODEL}", bench.history)


def _await_rows(project: Project, table: str, rows: int) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        (count,) = project.lake.sql(f"SELECT count(*) FROM {table}").rows[0]
        if count >= rows:
            return
        if time.monotonic() > deadline:
            raise BenchError(
                f"only {count:,} of {rows:,} rows of {table} reached the lake within {_WAIT_SECONDS:.0f} s",
                {"where": str(project.folder)},
                "headrace demo",
            )
        time.sleep(_LOOK_SECONDS)


def _measure(
    project: Project, bench: LatencyBench, events: Sequence[tuple[str, dict[str, Any]]]
) -> dict[LatencyPart, Noted]:
    context = multiprocessing.get_context("spawn")
    connection = project.connection()
    topics: dict[LatencyPart, str] = {"features": project.views[VIEW].topic(connection.topic_prefix)}
    if bench.history:
        topics["scores"] = f"{connection.topic_prefix}scores.{MODEL}"
    longest_seconds = bench.seconds + bench.warm_up_seconds + _AFTERWARDS_SECONDS
    load = Load(tuple(project.contracts.values()), connection, EVENT, events, bench.rate, project_secret(project))
    barrier = context.Barrier(1 + len(topics))
    results: multiprocessing.queues.Queue[Noted] = context.Queue()
    processes = [context.Process(target=send_open_loop, args=(load, barrier, results), daemon=True)]
    for part, topic in topics.items():
        variant = "champion" if part == "scores" else None
        offsets = end_offsets(connection, topic)
        reading = Reading(part, topic, offsets, len(events), longest_seconds, variant)
        arguments = (connection, reading, barrier, results)
        processes.append(context.Process(target=read_arrivals, args=arguments, daemon=True))
    for process in processes:
        process.start()
    try:
        return _collect(results, len(processes), longest_seconds + _WAIT_SECONDS)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _collect(results: Any, parts: int, longest_seconds: float) -> dict[LatencyPart, Noted]:
    noted: dict[LatencyPart, Noted] = {}
    deadline = time.monotonic() + longest_seconds
    while len(noted) < parts:
        try:
            one: Noted = results.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty as error:
            raise BenchError(
                "a process of the measurement ended without a result",
                {"got": ", ".join(noted) or "none", "expected": f"{parts} results"},
                "headrace doctor",
            ) from error
        noted[one.part] = one
    return noted


def evaluate(bench: LatencyBench, noted: Mapping[LatencyPart, Noted]) -> LatencyResult:
    """Match what was sent with what arrived, by event id, without the events of the warm-up."""
    sent = noted["sent"]
    first_ns = min(sent.at_ns.values()) + bench.warm_up_seconds * 1_000_000_000
    counted = {event_id: at_ns for event_id, at_ns in sent.at_ns.items() if at_ns >= first_ns}
    rows = _latencies_ms(counted, noted.get("features"))
    scores = _latencies_ms(counted, noted.get("scores"))
    return LatencyResult(
        bench=bench,
        events=len(counted),
        event_to_feature=rows,
        event_to_score=scores,
        behind=[sent.behind_ns[event_id] / 1e6 for event_id in counted],
        missing_rows=len(counted) - len(rows),
        missing_scores=len(counted) - len(scores) if "scores" in noted else 0,
    )


def _latencies_ms(sent_ns: dict[str, int], arrived: Noted | None) -> list[float]:
    if arrived is None:
        return []
    return [(arrived.at_ns[event_id] - at_ns) / 1e6 for event_id, at_ns in sent_ns.items() if event_id in arrived.at_ns]
