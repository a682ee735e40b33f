"""One run of one contestant: its topics are made, its processes run to their end, and what they wrote is measured."""

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from headrace_ingestion.settings import KafkaConnection

from headrace.bench.contestants.spec import RunSpec
from headrace.bench.cpu import CpuSampler, cpu_seconds_between
from headrace.bench.errors import BenchError
from headrace.bench.log_times import first_record, measured_interval
from headrace.bench.project import RunTopics, contract_of, make_run_topics, result_topic
from headrace.bench.workload import Workload
from headrace.project import Project
from headrace.stack.broker import LocalBroker, stop_process
from headrace.stack.leash import end_group
from headrace.stack.logs import tail

WARM_UP = 0.5
"""Share of the rows before the measured interval: processes, plans and compilers have started by then."""

_LOOK_SECONDS = 0.2
_LONGEST_SECONDS = 1800
_SHOWN_LINES = 5


@dataclass(frozen=True)
class Arena:
    """Where contestants meet: one broker, one project.

    Attributes:
        broker: The broker.
        project: The benchmark's project.
        folder: For state and logs of runs.
        parallelism: Copies of each operator, or worker processes.
    """

    broker: LocalBroker
    project: Project
    folder: Path
    parallelism: int

    @property
    def connection(self) -> KafkaConnection:
        """Connection to the broker."""
        return KafkaConnection(bootstrap_servers=self.broker.bootstrap_servers)

    def topic_of(self, workload: Workload) -> str:
        """Return the topic that holds the events of a workload."""
        return workload.topic(contract_of(self.project))


@dataclass(frozen=True)
class Run:
    """What one run has shown, in its measured interval.

    Attributes:
        rows: Rows written.
        seconds: From the first to the last of them, by the broker's clock.
        cpu_seconds: CPU time of the contestant's processes.
        broker_cpu_seconds: CPU time of the broker.
        start_seconds: From the start of the processes to the beginning of the interval.
    """

    rows: int
    seconds: float
    cpu_seconds: float
    broker_cpu_seconds: float
    start_seconds: float

    @property
    def rows_per_second(self) -> float:
        """The rate."""
        return self.rows / self.seconds

    def cpu_seconds_per_million(self, *, broker: bool = False) -> float:
        """Return the CPU time of the contestant, or of the broker, for a million events."""
        return (self.broker_cpu_seconds if broker else self.cpu_seconds) / self.rows * 1e6


def run_contestant(arena: Arena, spec: RunSpec, workload: Workload, warm_up: float = WARM_UP) -> Run:
    """Run the contestant over all events of the workload and measure it. Its topics stay.

    Raises:
        BenchError: A process failed or did not end, a row is missing, or an event became a dead letter.
    """
    topics = RunTopics(spec.prefix, source=spec.source)
    make_run_topics(arena.project, arena.connection, topics)
    started = time.time()
    with ExitStack() as stack:
        processes = [_start(stack, command, log) for command, log in _commands(arena, spec)]
        own = stack.enter_context(CpuSampler([process.pid for process, _ in processes]))
        broker = stack.enter_context(CpuSampler([arena.broker.pid]))
        _await_end(spec, processes)
    _check_ledgers(arena, topics)
    interval = measured_interval(arena.connection, result_topic(spec.prefix), workload.events, warm_up)
    return Run(
        rows=interval.rows,
        seconds=interval.seconds,
        cpu_seconds=cpu_seconds_between(own.samples, interval.begin_ms, interval.end_ms),
        broker_cpu_seconds=cpu_seconds_between(broker.samples, interval.begin_ms, interval.end_ms),
        start_seconds=interval.begin_ms / 1000 - started,
    )


def remove_topics(arena: Arena, prefix: str) -> None:
    """Delete the topics of a run, so that the disk holds those of one run at a time."""
    from kafka import KafkaAdminClient

    admin = KafkaAdminClient(**arena.connection.client_options())
    try:
        # Those that the contestant itself has made (changelogs) carry the prefix, too.
        admin.delete_topics([name for name in admin.list_topics() if prefix in name])
    finally:
        admin.close()


def _commands(arena: Arena, spec: RunSpec) -> list[tuple[list[str], Path]]:
    package = "headrace.bench.contestants"
    logs = arena.folder / "logs"
    if spec.contestant == "quix_streams":
        workers = range(spec.parallelism)
        base = [sys.executable, "-m", f"{package}.quix_run", spec.to_json()]
        return [([*base, str(number)], logs / f"{spec.prefix}{number}.log") for number in workers]
    return [([sys.executable, "-m", f"{package}.flink_run", spec.to_json()], logs / f"{spec.prefix}log")]


def _start(stack: ExitStack, command: Sequence[str], log_file: Path) -> tuple[subprocess.Popen[bytes], Path]:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        # The pipe is a leash: the process ends when this one does, and what it has started with it.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    stack.callback(_stop, process)
    return process, log_file


def _stop(process: subprocess.Popen[bytes]) -> None:
    stop_process(process, grace_seconds=5)
    end_group(process.pid)
    if process.stdin:
        process.stdin.close()


def _await_end(spec: RunSpec, processes: Sequence[tuple[subprocess.Popen[bytes], Path]]) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while any(process.poll() is None for process, _ in processes):
        if time.monotonic() > deadline:
            raise BenchError(
                f"{spec.contestant} has not ended after {_LONGEST_SECONDS} s",
                {"said": "\n    ".join(tail(processes[0][1], _SHOWN_LINES))},
                "fewer --events",
            )
        time.sleep(_LOOK_SECONDS)
    for process, log_file in processes:
        if process.returncode:
            raise BenchError(
                f"{spec.contestant} ended with {process.returncode}",
                {"said": "\n    ".join(tail(log_file, _SHOWN_LINES))},
                "headrace doctor",
            )


def _check_ledgers(arena: Arena, topics: RunTopics) -> None:
    for topic in (topics.dead_letters, topics.late_events, topics.duplicates):
        first = first_record(arena.connection, topic)
        if first is not None:
            raise BenchError(
                f"{topic} has a record: the events of a benchmark give none",
                {"record": first.decode(errors="replace")},
                "headrace features plan",
            )
