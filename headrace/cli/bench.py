"""`headrace bench`: measure this machine. Progress goes to standard error."""

import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.output import Output

if TYPE_CHECKING:
    from headrace.bench.features import Entry
    from headrace.bench.online_feast import Store

_ENTRIES = (
    "headrace", "headrace_binary", "pass_through", "stacked_sql", "quix_streams", "headrace_hot_keys",
    "headrace_rocksdb", "headrace_rocksdb_hot_keys",
)  # fmt: skip

_output_option = click.option(
    "--output",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Answer for people or for programs.",
)


@click.group()
def group() -> None:
    """Measure this machine, on a broker and in a folder that are gone afterwards."""


@group.command()
@click.option("--events", type=click.IntRange(min=2000), default=2_000_000, show_default=True, help="Events of a run.")
@click.option("--keys", type=click.IntRange(min=1), default=5_000, show_default=True, help="Keys they are spread over.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each, in turn.")
@click.option(
    "--only",
    "entries",
    type=click.Choice(_ENTRIES),
    multiple=True,
    default=_ENTRIES,
    metavar="NAME",
    help=f"Who runs; may be given more than once. All: {', '.join(_ENTRIES)}.",
)
@_output_option
def features(events: int, keys: int, rounds: int, entries: "tuple[Entry, ...]", output_format: str) -> None:
    """Measure the feature job from Kafka to Kafka: 18 features, beside a pass-through, stacked SQL and Quix Streams.

    Rates count from the first half of the rows to the last row.
    """
    from headrace.bench.features import FeaturesBench, bench_features
    from headrace.bench.features_report import COLUMNS, as_data, ratio_rows, rows_of
    from headrace.bench.machine import describe_machine

    _end_in_order_on_sigterm()
    machine = describe_machine()
    bench = FeaturesBench(events=events, keys=keys, rounds=rounds, entries=tuple(dict.fromkeys(entries)))
    data = as_data(bench_features(bench, _reporter()), machine)
    _show(output_format, data, (COLUMNS, rows_of(data)), ratio_rows(data))


@group.command()
@click.option("--rate", type=click.IntRange(min=1), default=1000, show_default=True, help="Events a second.")
@click.option("--seconds", type=click.IntRange(min=1), default=60, show_default=True, help="Measured time.")
@click.option(
    "--history", type=click.IntRange(min=0), default=14_000, show_default=True, help="Calls to train on; 0: no scores."
)
@_output_option
def latency(rate: int, seconds: int, history: int, output_format: str) -> None:
    """Measure how long an event takes to its feature row and to its score, on a full stack of the roaming example."""
    from headrace.bench.latency import LatencyBench, bench_latency
    from headrace.bench.machine import describe_machine

    _end_in_order_on_sigterm()
    machine = describe_machine()
    result = bench_latency(LatencyBench(rate=rate, seconds=seconds, history=history), _reporter())
    data = {"machine": machine, **result.as_data()}
    output = _output(output_format)
    if output.is_json:
        output.data(data, "")
        return
    hops = ("event_to_feature", "event_to_score", "sender_behind")
    columns = ("p50", "p90", "p99", "max")
    rows = [(hop, *(data[hop].get(name) for name in columns)) for hop in hops]
    output.table(("milliseconds", *columns), rows)
    output.line(f"\n{result.events:,} events at {rate:,}/s; missing: {data['missing']}")


@group.command("training-set")
@click.option("--rows", type=click.IntRange(min=1000), default=1_000_000, show_default=True, help="Labels.")
@click.option("--views", type=click.IntRange(min=1), default=3, show_default=True, help="Views that are joined.")
@click.option("--features", type=click.IntRange(min=1), default=20, show_default=True, help="Columns of each.")
@click.option("--keys", type=click.IntRange(min=2), default=100_000, show_default=True, help="Keys; one has a tenth.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of ours.")
@_output_option
def training_set(rows: int, views: int, features: int, keys: int, rounds: int, output_format: str) -> None:
    """Measure point-in-time joins, beside Feast's own DuckDB store over as many rows as it joins in about a minute.

    The views have as many rows as there are labels. Both give the same values, or it is an error.
    """
    from headrace.bench.features_report import ratio_rows
    from headrace.bench.machine import describe_machine
    from headrace.bench.training_set import TrainingSetBench, bench_training_set
    from headrace.bench.training_set_data import Shape
    from headrace.bench.training_set_report import COLUMNS, as_data, equality_line, rows_of

    _end_in_order_on_sigterm()
    machine = describe_machine()
    bench = TrainingSetBench(Shape(rows, views, features, keys), rounds)
    data = as_data(bench_training_set(bench, _reporter()), machine)
    _show(output_format, data, (COLUMNS, rows_of(data)), ratio_rows(data), after=[f"\n{equality_line(data)}"])


@group.command()
@click.option("--rows", type=click.IntRange(min=1000), default=50_000, show_default=True, help="Rows of a round.")
@click.option(
    "--keys", type=click.IntRange(min=1), default=10_000, show_default=True, help="Keys they are spread over."
)
@click.option("--features", type=click.IntRange(min=1), default=20, show_default=True, help="Columns of the view.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds; both take turns.")
@click.option("--reads", type=click.IntRange(min=100), default=2_000, show_default=True, help="Reads of each.")
@click.option(
    "--store",
    "stores",
    type=click.Choice(["sqlite", "valkey"]),
    multiple=True,
    default=("sqlite", "valkey"),
    help="Where; may be given more than once. Default: both.",
)
@_output_option
def online(
    rows: int, keys: int, features: int, rounds: int, reads: int, stores: "tuple[Store, ...]", output_format: str
) -> None:
    """Measure writes and reads of the online stores, beside Feast's own push and reads with its own stores.

    On SQLite and on Valkey; Valkey is left out, and said to be, where neither a server nor a container engine is.
    """
    from headrace.bench.features_report import ratio_rows
    from headrace.bench.machine import describe_machine
    from headrace.bench.online import OnlineBench, bench_online
    from headrace.bench.online_report import COLUMNS, absent_lines, as_data, rows_of

    _end_in_order_on_sigterm()
    machine = describe_machine()
    bench = OnlineBench(rows, keys, features, rounds, reads, tuple(dict.fromkeys(stores)))
    data = as_data(bench_online(bench, _reporter()), machine)
    entries, missing = (COLUMNS, rows_of(data)), absent_lines(data)
    _show(output_format, data, entries, ratio_rows(data), ratio="ratio of write rates", after=missing)


@group.command()
@click.option(
    "--rows", type=click.IntRange(min=1000), default=500_000, show_default=True, help="Rows written and asked for."
)
@click.option("--batch-rows", type=click.IntRange(min=1), default=20_000, show_default=True, help="Rows of a commit.")
@click.option(
    "--visible",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Events whose way from the sender to SQL is measured; 0: none, and no broker.",
)
@_output_option
def lake(rows: int, batch_rows: int, visible: int, output_format: str) -> None:
    """Measure the lake: rows a second into Delta on one core, the delay until SQL, queries around a compaction.

    The rate counts from records that were read to the end of the commit, without the broker.
    """
    from headrace.bench.lake import LakeBench, bench_lake
    from headrace.bench.lake_report import (
        DELAY_COLUMNS,
        FIGURES,
        compaction_line,
        delay_rows,
        query_columns,
        query_rows,
    )
    from headrace.bench.machine import describe_machine

    _end_in_order_on_sigterm()
    machine = describe_machine()
    bench = LakeBench(rows=rows, batch_rows=batch_rows, visible_events=visible)
    data = {"machine": machine, **bench_lake(bench, _reporter()).as_data()}
    output = _output(output_format)
    if output.is_json:
        output.data(data, "")
        return
    output.record({name: data[name] for name in FIGURES})
    output.line("")
    output.table(DELAY_COLUMNS, delay_rows(data))
    output.line("")
    output.table(query_columns(data), query_rows(data))
    output.line(f"\n{compaction_line(data)}")


@group.command()
@click.option("--events", type=click.IntRange(min=1000), default=100_000, show_default=True, help="Events of a round.")
@click.option("--keys", type=click.IntRange(min=1), default=5_000, show_default=True, help="Keys they are spread over.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds; all take turns.")
@click.option("--rate", type=click.IntRange(min=1), default=1000, show_default=True, help="Events/s from put to get.")
@click.option("--seconds", type=click.IntRange(min=0), default=20, show_default=True, help="How long; 0: left out.")
@click.option(
    "--http-seconds",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How long each client of `headrace serve` posts; 0: left out.",
)
@_output_option
def ingest(events: int, keys: int, rounds: int, rate: int, seconds: int, http_seconds: int, output_format: str) -> None:
    """Measure the SDK beside plain clients that send the same bytes; events over HTTP; the way from put to get.

    Rates count from the first event to the last acknowledgement; the SDK checks and encodes each event, too.
    """
    from headrace.bench.features_report import ratio_rows
    from headrace.bench.ingest import IngestBench, bench_ingest
    from headrace.bench.ingest_report import (
        COLUMNS,
        DELAY_COLUMNS,
        HTTP_COLUMNS,
        as_data,
        delay_rows,
        http_rows,
        rows_of,
    )
    from headrace.bench.machine import describe_machine

    _end_in_order_on_sigterm()
    machine = describe_machine()
    bench = IngestBench(events, keys, rounds, rate, seconds, http_seconds=http_seconds)
    data = as_data(bench_ingest(bench, _reporter()), machine)
    _show(output_format, data, (COLUMNS, rows_of(data)), ratio_rows(data), ratio="ratio of rates")
    if output_format == "text":
        output = _output(output_format)
        for columns, rows in ((HTTP_COLUMNS, http_rows(data)), (DELAY_COLUMNS, delay_rows(data))):
            if rows:
                output.line("")
                output.table(columns, rows)


def _end_in_order_on_sigterm() -> None:
    # What was started ends by its leash anyway; this way the temporary folder is removed, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def _show(
    output_format: str,
    data: Mapping[str, Any],
    entries: tuple[Sequence[str], Iterable[Sequence[object]]],
    ratios: Iterable[Sequence[object]],
    *,
    ratio: str = "ratio",
    after: Iterable[str] = (),
) -> None:
    """Show what was measured: the data to a program; to people the table of entries, their ratios, and lines after."""
    output = _output(output_format)
    if output.is_json:
        output.data(data, "")
        return
    output.table(*entries)
    output.line("")
    output.table((ratio, "value", "least"), ratios, empty="no two entries to compare")
    for line in after:
        output.line(line)


def _output(output_format: str) -> Output:
    return Output("json" if output_format == "json" else "text")


def _reporter() -> Callable[[str], None]:
    began = time.monotonic()

    def report(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {line}\n")
        sys.stderr.flush()

    return report
