"""`headrace bench lake`: rows a second into Delta on one core, the delay until SQL, and what a compaction is worth."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from headrace_ingestion.contract import Contract
from headrace_ingestion.records import Record, StoredRecord

from headrace.bench.errors import BenchError
from headrace.bench.figures import summary
from headrace.bench.lake_visible import visible_ms
from headrace.bench.project import contract_of, make_project
from headrace.bench.workload import START_MS, STEP_MS, Workload, messages
from headrace.collector import collect_as_usual, collect_seldom

_APP_ID = "headrace/bench/0"
_QUERY_ROUNDS = 5
_TABLE = "events.call"
_RANGE_MS = 600_000

Report = Callable[[str], None]
"""Called with a line about the progress."""


@dataclass(frozen=True)
class LakeBench:
    """What to measure.

    Attributes:
        rows: Rows that are written, and asked for.
        batch_rows: Rows of a commit.
        keys: Keys that they are spread over.
        visible_events: Events whose way from `send` to SQL is measured, one after the other; 0: none, and no broker.
    """

    rows: int = 500_000
    batch_rows: int = 20_000
    keys: int = 5_000
    visible_events: int = 20


@dataclass(frozen=True)
class Written:
    """What writing took, on one core.

    Attributes:
        rows: Rows written.
        cpu_seconds: CPU time of decoding and committing, all threads.
        decodes_ms: Wall time of each batch from its records to its rows.
        commits_ms: Wall time of each batch from its rows to the end of its commit.
        bytes: Bytes of the table's files.
        files: Number of them.
    """

    rows: int
    cpu_seconds: float
    decodes_ms: list[float]
    commits_ms: list[float]
    bytes: int
    files: int

    @property
    def seconds(self) -> float:
        """Wall time of decoding and committing."""
        return (sum(self.decodes_ms) + sum(self.commits_ms)) / 1_000


@dataclass(frozen=True)
class LakeResult:
    """What was measured.

    Attributes:
        bench: What was asked for.
        written: What writing took.
        visible_ms: From the call of `send` to the first query that sees the event.
        queries_before_ms: Query → median time, over the files as they were written.
        queries_after_ms: The same after the compaction.
        compaction: Its figures.
        reads_before: Query → row groups read and row groups there are, over the files as they were written: one a file.
        reads_after: The same after the compaction.
    """

    bench: LakeBench
    written: Written
    visible_ms: list[float]
    queries_before_ms: Mapping[str, float]
    queries_after_ms: Mapping[str, float]
    compaction: Mapping[str, Any]
    reads_before: Mapping[str, tuple[int, int]]
    reads_after: Mapping[str, tuple[int, int]]

    def as_data(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        written = self.written
        return {
            "rows": written.rows,
            "batch_rows": self.bench.batch_rows,
            "rows_per_second": round(written.rows / written.seconds),
            "cpu_seconds_per_million": round(written.cpu_seconds / written.rows * 1e6, 2),
            "decode_ms": summary(written.decodes_ms),
            "commit_ms": summary(written.commits_ms),
            "bytes_per_row": round(written.bytes / written.rows, 1),
            "files": written.files,
            "visible_ms": summary(self.visible_ms),
            "queries_before_ms": dict(self.queries_before_ms),
            "queries_after_ms": dict(self.queries_after_ms),
            "row_groups_before": _as_data(self.reads_before),
            "row_groups_after": _as_data(self.reads_after),
            "compaction": dict(self.compaction),
        }


def bench_lake(bench: LakeBench, report: Report = lambda line: None) -> LakeResult:
    """Measure the lake in a folder that is gone afterwards.

    Raises:
        BenchError: The table does not hold the rows that were written, before or after the compaction, or a query for
            ten minutes reads files of other times.
    """
    with TemporaryDirectory(prefix="headrace-bench-lake-") as name:
        folder = Path(name)
        project = make_project(folder / "project", partitions=1)
        contract, lake = contract_of(project), folder / "lake"
        report(f"writing {bench.rows:,} rows, {bench.batch_rows:,} a commit, on one core")
        written = _on_one_core(bench, lake, contract)
        report(f"{written.rows / written.seconds:,.0f} rows/s; asking before and after the compaction")
        before, reads_before = time_queries(lake, contract, bench), count_reads(lake, contract, bench)
        check_pruned(reads_before, bench)
        compaction = compact_all(lake, contract)
        after, reads_after = time_queries(lake, contract, bench), count_reads(lake, contract, bench)
        visible: list[float] = []
        if bench.visible_events:
            report(f"sending {bench.visible_events} events, each until SQL sees it")
            visible = visible_ms(folder, contract, bench.visible_events)
        return LakeResult(bench, written, visible, before, after, compaction, reads_before, reads_after)


def write_rows(bench: LakeBench, lake: Path, contract: Contract) -> Written:
    """Write the workload as the lake writer does, from records that were read to the commit; the broker is left out."""
    from headrace_lake.commit import Committed, commit
    from headrace_lake.decode import compile_decoder
    from headrace_lake.offsets import OffsetRange
    from headrace_lake.snapshots import table_info
    from headrace_lake.tables import events_table

    spec = events_table(contract)
    decode = compile_decoder(spec)
    decodes_ms: list[float] = []
    commits_ms: list[float] = []
    cpu_seconds = 0.0
    offset: int | None = None
    for batch in _batches(bench, contract):
        next_offset = (offset or 0) + len(batch)
        cpu_began, began = time.process_time(), time.perf_counter()
        rows = decode(batch).rows
        decoded = time.perf_counter()
        outcome = commit(lake, spec, rows, {_APP_ID: OffsetRange(offset, next_offset)})
        commits_ms.append((time.perf_counter() - decoded) * 1_000)
        decodes_ms.append((decoded - began) * 1_000)
        cpu_seconds += time.process_time() - cpu_began
        if not isinstance(outcome, Committed) or outcome.rows != len(batch):
            raise BenchError(f"a batch was not written: {outcome}", {"folder": str(lake)}, f"df -h {lake}")
        offset = next_offset
    info = table_info(lake, "events", contract.name)
    return Written(info.rows, cpu_seconds, decodes_ms, commits_ms, info.bytes, info.files)


def time_queries(lake: Path, contract: Contract, bench: LakeBench) -> dict[str, float]:
    """Return query → median of its times in milliseconds, from the snapshot to the rows.

    Raises:
        BenchError: The table has not the rows that were written.
    """
    from headrace_lake.catalog import Lake
    from headrace_lake.tables import events_table

    reader = Lake(lake, [events_table(contract)])
    times: dict[str, float] = {}
    for name, query in _queries(bench).items():
        rounds = []
        for _ in range(_QUERY_ROUNDS):
            began = time.perf_counter()
            rows = reader.sql(query).rows
            rounds.append((time.perf_counter() - began) * 1_000)
        times[name] = round(median(rounds), 1)
        if name == "count" and rows != [(bench.rows,)]:
            raise BenchError(
                f"the table holds {rows[0][0]:,} rows",
                {"written": f"{bench.rows:,}"},
                "headrace bench lake --rows 100000",
            )
    return times


def count_reads(lake: Path, contract: Contract, bench: LakeBench) -> dict[str, tuple[int, int]]:
    """Return query → row groups read, and row groups there are: the rest is passed over by its statistics."""
    from headrace_lake.catalog import Lake
    from headrace_lake.tables import events_table

    reader = Lake(lake, [events_table(contract)])
    reads: dict[str, tuple[int, int]] = {}
    for name, query in _queries(bench).items():
        found = json.loads(reader.sql(f"explain (analyze, format json) {query}").rows[0][1])["query"]
        reads[name] = (found["total_row_groups_scanned"], found["total_row_groups_to_scan"])
    return reads


def check_pruned(reads: Mapping[str, tuple[int, int]], bench: LakeBench) -> None:
    """Check that the query for ten minutes read no more files than hold them, before a compaction: a row group a file.

    Raises:
        BenchError: It read more.
    """
    read, there = reads["ten minutes"]
    # The first and the last of them hold other rows, too.
    most = _RANGE_MS // (STEP_MS * bench.batch_rows) + 2
    if read > most:
        raise BenchError(
            f"a query for ten minutes read {read} of {there} files",
            {"expected": f"at most {most}, with {bench.batch_rows:,} rows in each"},
            "headrace bench lake --rows 100000",
        )


def _queries(bench: LakeBench) -> dict[str, str]:
    middle_ms = START_MS + bench.rows * STEP_MS // 2
    return {
        "count": f"select count(*) from {_TABLE}",
        "group by country": f"select country, count(*), avg(duration_s) from {_TABLE} group by country",
        "one key": f"select count(*), sum(duration_s) from {_TABLE} where subscriber_id = 'sub-000007'",
        "ten minutes": f"select count(*), sum(duration_s) from {_TABLE} where started_at "
        f"between make_timestamptz({middle_ms * 1_000}) and make_timestamptz({(middle_ms + _RANGE_MS) * 1_000})",
    }


def _as_data(reads: Mapping[str, tuple[int, int]]) -> dict[str, dict[str, int]]:
    return {name: {"read": read, "there": there} for name, (read, there) in reads.items()}


def compact_all(lake: Path, contract: Contract) -> dict[str, Any]:
    """Compact the table and return what that took."""
    from headrace_lake.tables import events_table
    from headrace_lake.upkeep.compact import compact
    from headrace_lake.upkeep.files import kept_tables

    (table,) = kept_tables(lake, [events_table(contract)], [_TABLE])
    done = compact(table)
    names = ("files_before", "files_after", "bytes_before", "bytes_after", "seconds")
    return {name: getattr(done, name) for name in names}


def _on_one_core(bench: LakeBench, lake: Path, contract: Contract) -> Written:
    # A process of its own: the threads of Delta are bound to the core only if it is so before they are made.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_bind) as pool:
        return pool.submit(_write_as_a_worker, bench, lake, contract).result()


def _write_as_a_worker(bench: LakeBench, lake: Path, contract: Contract) -> Written:
    from headrace_lake.decode import compile_decoder
    from headrace_lake.tables import events_table

    compile_decoder(events_table(contract))([])  # the first Arrow array of a process imports pandas
    collect_seldom()
    try:
        return write_rows(bench, lake, contract)
    finally:
        collect_as_usual()


def _bind() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _batches(bench: LakeBench, contract: Contract) -> Iterator[list[Record]]:
    topic = contract.topic("")
    records: Iterator[Record] = (
        StoredRecord(topic, 0, offset, message.timestamp_ms, message.key, message.value, message.headers)
        for offset, message in enumerate(messages(Workload("lake", bench.rows, bench.keys), contract))
    )
    while batch := list(islice(records, bench.batch_rows)):
        yield batch
