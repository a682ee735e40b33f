"""`headrace bench features`: the feature job beside others that do the same or less, in interleaved rounds."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, cast, get_args

from headrace.bench.agreement import Agreement, Sample, compare, read_sample
from headrace.bench.contestants.flink_sql import kernel_columns
from headrace.bench.contestants.spec import Contestant, RunSpec
from headrace.bench.errors import BenchError
from headrace.bench.project import contract_of, make_project, make_source_topic, result_topic
from headrace.bench.run import WARM_UP, Arena, Run, remove_topics, run_contestant
from headrace.bench.sending import fill
from headrace.bench.workload import START_MS, STEP_MS, Workload, messages
from headrace.stack.broker import local_broker

Entry = Literal[
    "headrace", "headrace_binary", "pass_through", "stacked_sql", "quix_streams", "headrace_hot_keys",
    "headrace_rocksdb", "headrace_rocksdb_hot_keys",
]  # fmt: skip
ENTRIES: tuple[Entry, ...] = get_args(Entry)

HOT_KEYS = 50
STACKED_SQL_EVENTS = 300_000
"""Its windows cost more the more they hold: it gets the first events only, at which it is fastest."""
_COMPARED: frozenset[Entry] = frozenset({"headrace_binary", "stacked_sql", "quix_streams"})
_COMPARED_EVENTS = 20_000
_LEAST_PARTITIONS = 4

Report = Callable[[str], None]
"""Called with a line about the progress."""


@dataclass(frozen=True)
class FeaturesBench:
    """What to measure.

    Attributes:
        events: Events of each run.
        keys: Subscribers that they are spread over.
        rounds: How often each entry runs; the entries take turns.
        entries: Who runs.
        warm_up: Share of the rows that is written before the measured interval begins.
        warm_broker: Whether a first run counts for nothing.
    """

    events: int = 2_000_000
    keys: int = 5_000
    rounds: int = 3
    entries: tuple[Entry, ...] = ENTRIES
    warm_up: float = WARM_UP
    warm_broker: bool = True

    def workload(self, entry: Entry) -> Workload:
        """Return the events that an entry gets."""
        if entry.endswith("_hot_keys"):
            return Workload("hot", self.events, HOT_KEYS)
        if entry == "stacked_sql" and self.events > STACKED_SQL_EVENTS:
            return Workload("first", STACKED_SQL_EVENTS, self.keys)
        return Workload("spread", self.events, self.keys)


@dataclass(frozen=True)
class FeaturesResult:
    """What was measured.

    Attributes:
        bench: What was asked for.
        parallelism: Copies of each operator, or worker processes.
        runs: Entry → its runs, one a round.
        agreements: Entry → how its rows compare with the feature job's.
        row_bytes: Entry → mean size of a row's value.
    """

    bench: FeaturesBench
    parallelism: int
    runs: dict[Entry, list[Run]]
    agreements: dict[Entry, Agreement]
    row_bytes: dict[Entry, int]


def bench_features(bench: FeaturesBench, report: Report = lambda line: None) -> FeaturesResult:
    """Measure in a temporary project with a broker of its own; everything is gone afterwards.

    Raises:
        BenchError: A contestant failed, or its rows differ from those of the feature job.
        BrokerError: The broker did not start.
    """
    with _arena() as arena:
        _fill_sources(arena, bench, report)
        if bench.warm_broker:
            _warm_up(arena, bench, report)
        samples: dict[Entry, Sample] = {}
        runs: dict[Entry, list[Run]] = {entry: [] for entry in bench.entries}
        for number in range(bench.rounds):
            # Each round begins with another one: what the machine does besides hits them alike.
            first = number % len(bench.entries)
            for entry in (*bench.entries[first:], *bench.entries[:first]):
                spec = _spec(arena, entry, number, bench.workload(entry))
                run = run_contestant(arena, spec, bench.workload(entry), bench.warm_up)
                runs[entry].append(run)
                report(_line(number, bench.rounds, entry, run))
                if number == 0:
                    samples[entry] = _sample(arena, spec)
                remove_topics(arena, spec.prefix)
        agreements = _agreements(arena, bench, samples)
        row_bytes = {entry: sample.row_bytes for entry, sample in samples.items()}
        return FeaturesResult(bench, arena.parallelism, runs, agreements, row_bytes)


@contextmanager
def _arena() -> Iterator[Arena]:
    cores = os.cpu_count() or 1
    # As many for each copy, and at least as many as a topic has by default.
    partitions = cores * math.ceil(_LEAST_PARTITIONS / cores)
    with TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        project = make_project(folder / "project", partitions)
        with local_broker(folder / "kafka") as broker:
            yield Arena(broker, project, folder, cores)


def _fill_sources(arena: Arena, bench: FeaturesBench, report: Report) -> None:
    for workload in dict.fromkeys(bench.workload(entry) for entry in bench.entries):
        topic = arena.topic_of(workload)
        report(f"{workload.events:,} events of {workload.keys:,} keys → {topic}")
        make_source_topic(arena.project, arena.connection, topic)
        fill(arena.connection, topic, messages(workload, contract_of(arena.project)))


def _warm_up(arena: Arena, bench: FeaturesBench, report: Report) -> None:
    """Run the first entry once for nothing: a young broker takes twice the CPU time for the same records."""
    entry = bench.entries[0]
    spec = replace(
        _spec(arena, entry, 0, bench.workload(entry)), prefix="warm-up.", folder=str(arena.folder / "warm-up")
    )
    run_contestant(arena, spec, bench.workload(entry), bench.warm_up)
    remove_topics(arena, spec.prefix)
    report("the broker is warm")


def _spec(arena: Arena, entry: Entry, number: int, workload: Workload) -> RunSpec:
    contestant = "headrace" if entry.startswith("headrace") else entry
    prefix = f"{entry}-{number}."
    return RunSpec(
        contestant=cast(Contestant, contestant),
        project=str(arena.project.folder),
        bootstrap_servers=arena.broker.bootstrap_servers,
        source=arena.topic_of(workload),
        prefix=prefix,
        parallelism=arena.parallelism,
        folder=str(arena.folder / "state" / prefix.rstrip(".")),
        backend="rocksdb" if "rocksdb" in entry else "heap",
        encoding="binary" if "binary" in entry else "json",
    )


def _line(number: int, rounds: int, entry: Entry, run: Run) -> str:
    rate = f"{run.rows_per_second:>10,.0f} rows/s"
    return f"round {number + 1} of {rounds}  {entry:<18} {rate} over {run.seconds:.1f} s"


def _sample(arena: Arena, spec: RunSpec) -> Sample:
    view = arena.project.views["subscriber"]
    before_ms = START_MS + _COMPARED_EVENTS * STEP_MS
    return read_sample(arena.connection, result_topic(spec.prefix), view.key, before_ms)


def _agreements(arena: Arena, bench: FeaturesBench, samples: dict[Entry, Sample]) -> dict[Entry, Agreement]:
    found: dict[Entry, Agreement] = {}
    ours = samples.get("headrace")
    least_rows = min(_COMPARED_EVENTS, bench.events) // 2
    if ours is None:
        return found
    for entry in _COMPARED & samples.keys():
        columns = kernel_columns(arena.project.views["subscriber"])
        found[entry] = compare(ours.rows, samples[entry].rows, columns, least_rows)
        if found[entry].differences:
            raise BenchError(
                f"{entry} gives {found[entry].differences} other values than the feature job",
                {"first": found[entry].first, "rows": str(found[entry].rows)},
                "headrace bench features --only headrace",
            )
    return found
