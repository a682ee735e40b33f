"""What `headrace bench online` shows: one object for programs, tables for people."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from headrace.bench.figures import summary
from headrace.bench.online import OnlineResult
from headrace.bench.online_rows import BATCH_ROWS

COLUMNS = ("store", "who", "rows/s", "lowest", "highest", "read p50 ms", "read p99 ms")
TARGETS = {"sqlite: headrace/feast": 5.0, "valkey: headrace/feast": 5.0}
"""The least that each ratio of write rates must be."""


def as_data(result: OnlineResult, machine: Mapping[str, object]) -> dict[str, Any]:
    """Return the result as plain data; rates in rows per second, reads in milliseconds."""
    bench = result.bench
    ratios = {
        f"{kind}: headrace/feast": round(median(one.write_rates["headrace"]) / median(one.write_rates["feast"]), 2)
        for kind, one in result.stores.items()
    }
    return {
        "machine": dict(machine),
        "rows": bench.rows,
        "keys": bench.keys,
        "features": bench.features,
        "rounds": bench.rounds,
        "batch_rows": min(BATCH_ROWS, bench.keys),
        "stores": {
            kind: {
                who: {
                    "rows_per_second": round(median(one.write_rates[who])),
                    "runs": [round(rate) for rate in one.write_rates[who]],
                    "read_ms": summary(one.read_ms[who]),
                }
                for who in one.write_rates
            }
            for kind, one in result.stores.items()
        },
        "ratios": ratios,
        "targets": TARGETS,
        "equal_values": {kind: one.equal_values for kind, one in result.stores.items()},
        "absent": dict(result.absent),
    }


def rows_of(data: Mapping[str, Any]) -> list[list[object]]:
    """Return the table's rows, under `COLUMNS`, from what `as_data` returned."""
    return [
        [
            kind,
            who,
            found["rows_per_second"],
            min(found["runs"]),
            max(found["runs"]),
            found["read_ms"].get("p50"),
            found["read_ms"].get("p99"),
        ]
        for kind, store in data["stores"].items()
        for who, found in store.items()
    ]


def absent_lines(data: Mapping[str, Any]) -> list[str]:
    """Return a line for each store that was not measured."""
    return [f"{kind} was not measured: {why}." for kind, why in data["absent"].items()]
