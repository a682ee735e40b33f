"""What `headrace bench ingest` shows: one object for programs, tables for people."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from headrace.bench.figures import ratios, summary
from headrace.bench.ingest import IngestResult
from headrace.bench.ingest_http import REQUESTS, Posted

COLUMNS = ("sender", "events/s", "lowest", "highest", "CPU s/M")
DELAY_COLUMNS = ("put to get, milliseconds", "p50", "p90", "p99", "max")
HTTP_COLUMNS = ("over HTTP", "events a request", "events/s", "p50 ms a request", "p99 ms", "CPU s/M of the server")
PAIRS = (("headrace", "kafka_python"), ("headrace_confluent", "kafka_python"), ("headrace_confluent", "confluent"))
TARGETS = {"headrace/kafka_python": 0.8}
"""The least that each ratio of rates must be."""


def as_data(result: IngestResult, machine: Mapping[str, object]) -> dict[str, Any]:
    """Return the result as plain data; rates in events per second, CPU in seconds per million events.

    That of `http` is the server's own.
    """
    bench = result.bench
    rates = {name: [bench.events / one.seconds for one in runs] for name, runs in result.sent.items()}
    return {
        "machine": dict(machine),
        "events": bench.events,
        "keys": bench.keys,
        "rounds": bench.rounds,
        "record_bytes": round(result.record_bytes, 1),
        "senders": {
            name: {
                "events_per_second": round(median(rates[name])),
                "runs": [round(rate) for rate in rates[name]],
                "cpu_seconds_per_million": round(median(one.cpu_seconds for one in runs) / bench.events * 1e6, 1),
            }
            for name, runs in result.sent.items()
        },
        "http": {name: _http(found, REQUESTS[name]) for name, found in result.posted.items()},
        "ratios": ratios({str(name): found for name, found in rates.items()}, PAIRS),
        "targets": TARGETS,
        "rate": bench.rate,
        "put_to_get_ms": {name: summary(delays) for name, delays in result.put_to_get_ms.items()},
    }


def _http(found: Posted, request_events: int) -> dict[str, Any]:
    return {
        "request_events": request_events,
        "events": found.events,
        "events_per_second": round(found.events / found.seconds),
        "request_ms": summary(found.request_ms),
        "cpu_seconds_per_million": round(found.cpu_seconds / found.events * 1e6, 1),
    }


def rows_of(data: Mapping[str, Any]) -> list[list[object]]:
    """Return the table's rows, under `COLUMNS`, from what `as_data` returned."""
    return [
        [name, one["events_per_second"], min(one["runs"]), max(one["runs"]), one["cpu_seconds_per_million"]]
        for name, one in data["senders"].items()
    ]


def http_rows(data: Mapping[str, Any]) -> list[list[object]]:
    """Return the rows of the table of requests, under `HTTP_COLUMNS`; none of a result that was made without them."""
    return [
        [
            name, one["request_events"], one["events_per_second"], one["request_ms"]["p50"], one["request_ms"]["p99"],
            one["cpu_seconds_per_million"],
        ]
        for name, one in data.get("http", {}).items()
    ]  # fmt: skip


def delay_rows(data: Mapping[str, Any]) -> list[list[object]]:
    """Return the rows of the table of delays, under `DELAY_COLUMNS`."""
    return [[name, *(found[figure] for figure in DELAY_COLUMNS[1:])] for name, found in data["put_to_get_ms"].items()]
