"""What `headrace bench features` shows: one object for programs, one table for people."""

from collections.abc import Mapping
from dataclasses import asdict
from statistics import median
from typing import Any

from headrace.bench.features import Entry, FeaturesResult
from headrace.bench.figures import ratios

PAIRS = (
    ("headrace_binary", "headrace"),
    ("headrace", "pass_through"),
    ("headrace", "stacked_sql"),
    ("headrace", "quix_streams"),
    ("headrace_hot_keys", "headrace"),
    ("headrace_rocksdb", "headrace"),
    ("headrace_rocksdb_hot_keys", "headrace_rocksdb"),
)
TARGETS = {
    "headrace_binary/headrace": 1.5,
    "headrace/pass_through": 0.75,
    "headrace/stacked_sql": 4.0,
    "headrace/quix_streams": 6.0,
    "headrace_hot_keys/headrace": 0.77,
    "headrace_rocksdb_hot_keys/headrace_rocksdb": 0.77,
}
"""The least that each ratio of rates must be."""

COLUMNS = ("entry", "events", "keys", "rows/s", "lowest", "highest", "CPU s/M", "broker CPU s/M", "row bytes")


def as_data(result: FeaturesResult, machine: Mapping[str, object]) -> dict[str, Any]:
    """Return the result as plain data; rates in rows per second, CPU in seconds per million events."""
    rates: dict[str, list[float]] = {
        entry: [run.rows_per_second for run in runs] for entry, runs in result.runs.items()
    }
    return {
        "machine": dict(machine),
        "rounds": result.bench.rounds,
        "parallelism": result.parallelism,
        "warm_up": result.bench.warm_up,
        "entries": {entry: _entry(result, entry) for entry in result.runs},
        "ratios": ratios(rates, PAIRS),
        "targets": TARGETS,
        "agreement": {entry: asdict(agreement) for entry, agreement in result.agreements.items()},
    }


def _entry(result: FeaturesResult, entry: Entry) -> dict[str, Any]:
    runs = result.runs[entry]
    workload = result.bench.workload(entry)
    return {
        "events": workload.events,
        "keys": workload.keys,
        "rows_per_second": round(median(run.rows_per_second for run in runs)),
        "cpu_seconds_per_million": round(median(run.cpu_seconds_per_million() for run in runs), 1),
        "broker_cpu_seconds_per_million": round(median(run.cpu_seconds_per_million(broker=True) for run in runs), 1),
        "row_bytes": result.row_bytes[entry],
        "runs": [
            {
                "rows_per_second": round(run.rows_per_second),
                "rows": run.rows,
                "seconds": round(run.seconds, 3),
                "cpu_seconds": round(run.cpu_seconds, 2),
                "broker_cpu_seconds": round(run.broker_cpu_seconds, 2),
                "start_seconds": round(run.start_seconds, 2),
            }
            for run in runs
        ],
    }


def rows_of(data: Mapping[str, Any]) -> list[list[object]]:
    """Return the table's rows, under `COLUMNS`, from what `as_data` returned."""
    rows: list[list[object]] = []
    for name, entry in data["entries"].items():
        rates = [run["rows_per_second"] for run in entry["runs"]]
        rows.append(
            [
                name,
                entry["events"],
                entry["keys"],
                entry["rows_per_second"],
                min(rates),
                max(rates),
                entry["cpu_seconds_per_million"],
                entry["broker_cpu_seconds_per_million"],
                entry["row_bytes"],
            ]
        )
    return rows


def ratio_rows(data: Mapping[str, Any]) -> list[list[object]]:
    """Return name, value and least value of each ratio."""
    return [[name, value, data["targets"].get(name)] for name, value in data["ratios"].items()]
