"""What `headrace bench training-set` shows: one object for programs, one table for people."""

from collections.abc import Mapping
from typing import Any

from headrace.bench.training_set import Join, TrainingSetResult
from headrace.bench.training_set_data import HOT_SHARE

COLUMNS = ("joined by", "labels", "seconds", "rows/s", "peak MB", "MB before")
TARGETS = {"headrace/feast_duckdb": 50.0}
"""The least that the ratio of rates must be, over the same rows."""

_MB = 1_000_000


def as_data(result: TrainingSetResult, machine: Mapping[str, object]) -> dict[str, Any]:
    """Return the result as plain data; memory in bytes."""
    shape = result.bench.shape
    compared = result.compared
    ratio = compared["headrace"].rows_per_second / compared["feast_duckdb"].rows_per_second
    return {
        "machine": dict(machine),
        "views": shape.views,
        "features": shape.features,
        "keys": shape.keys,
        "hot_share": HOT_SHARE,
        "runs": [
            {"joiner": "headrace", **_join(result.whole)},
            *({"joiner": joiner, **_join(join)} for joiner, join in compared.items()),
        ],
        "ratios": {"headrace/feast_duckdb": round(ratio, 1)},
        "targets": TARGETS,
        "compared": {
            "rows": compared["headrace"].rows,
            "equal_values": result.equality.values,
            "of_them_null": result.equality.nulls,
            "differences": 0,
        },
    }


def _join(join: Join) -> dict[str, Any]:
    return {
        "rows": join.rows,
        "rows_per_second": round(join.rows_per_second),
        "seconds": [round(seconds, 3) for seconds in join.seconds],
        "peak_memory_bytes": join.peak_memory_bytes,
        "memory_before_bytes": join.memory_before_bytes,
    }


def rows_of(data: Mapping[str, Any]) -> list[list[object]]:
    """Return the table's rows, under `COLUMNS`, from what `as_data` returned."""
    return [
        [
            run["joiner"],
            run["rows"],
            round(sorted(run["seconds"])[len(run["seconds"]) // 2], 2),
            run["rows_per_second"],
            round(run["peak_memory_bytes"] / _MB),
            round(run["memory_before_bytes"] / _MB),
        ]
        for run in data["runs"]
    ]


def equality_line(data: Mapping[str, Any]) -> str:
    """Return how many values were compared, and how they were."""
    found = data["compared"]
    return (
        f"{found['equal_values']:,} values of {found['rows']:,} labels compared, "
        f"{found['of_them_null']:,} of them null in both: {found['differences']} differences."
    )
