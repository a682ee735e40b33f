"""One column of the kernel → its SQL over the named windows; and how far another engine's value may lie from it."""

from __future__ import annotations

from collections.abc import Callable

from headrace_features.duckdb_text import quoted, text
from headrace_features.duckdb_windows import IN_ORDER, window_name
from headrace_features.view import ColumnType, KernelFeature

SQL_TYPES: dict[ColumnType, str] = {
    "double": "DOUBLE", "long": "BIGINT", "int": "INTEGER", "string": "VARCHAR", "bool": "BOOLEAN",
}  # fmt: skip

TOLERANCE = "1e-9"
"""Rule 11: relative to the values that went in."""

_SMALLEST = "CAST('4.9406564584124654e-324' AS DOUBLE)"
# Two sums of squares may part where squares underflow, by no more than this in their root.
_UNDERFLOW = "1e-160"
# From here on sums of squares overflow, in one engine before the other.
_LARGEST_SQUARED = "1e150"
_DAY_MS = 86_400_000


def kernel_sql(feature: KernelFeature) -> str:
    """Return the value of the column; numbers that are not finite are still in it."""
    render = _STATISTICS.get(feature.operation)
    if render is not None:
        return render(_value(feature), quoted(window_name(feature)), feature)
    return _PLAIN[feature.operation](feature)


def bound_sql(feature: KernelFeature) -> str | None:
    """Return how far another engine's value may lie from this one, or None when it must be equal bit for bit."""
    value, window = f"abs({_as_double(feature)})", quoted(window_name(feature))
    if feature.operation == "sum":
        return f"{TOLERANCE} * COALESCE(sum({value}) OVER {window}, 0e0)"
    if feature.operation == "mean":
        return f"{TOLERANCE} * sum({value}) OVER {window} / count({_value(feature)}) OVER {window}"
    if feature.operation == "std":
        least, most = _extremes(_value(feature), window)
        largest = f"max({value}) OVER {window}"
        return (
            f"CASE WHEN {least} = {most} THEN 0e0 WHEN {largest} > {_LARGEST_SQUARED} THEN CAST('inf' AS DOUBLE)"
            f" ELSE {TOLERANCE} * {largest} + {_UNDERFLOW} END"
        )
    return None


def _value(feature: KernelFeature) -> str:
    return quoted(f"_in_{feature.of}")


def _as_double(feature: KernelFeature) -> str:
    return f"CAST({_value(feature)} AS DOUBLE)"


def _extremes(value: str, window: str) -> tuple[str, str]:
    return f"min({value}) OVER {window}", f"max({value}) OVER {window}"


def _std(value: str, window: str, feature: KernelFeature) -> str:
    least, most = _extremes(value, window)
    # Zero if and only if all values are equal: rounding decides neither way.
    return (
        f"CASE WHEN {least} = {most} THEN 0e0 WHEN {least} < {most}"
        f" THEN greatest(stddev_pop({_as_double(feature)}) OVER {window}, {_SMALLEST}) END"
    )


_STATISTICS: dict[str, Callable[[str, str, KernelFeature], str]] = {
    "count": lambda value, window, _: f"count({value}) OVER {window}",
    "sum": lambda _, window, feature: f"COALESCE(sum({_as_double(feature)}) OVER {window}, 0e0)",
    # As the kernel does it; avg() rounds otherwise.
    "mean": lambda value, window, feature: f"sum({_as_double(feature)}) OVER {window} / count({value}) OVER {window}",
    "std": _std,
    "min": lambda value, window, feature: f"CAST({_extremes(value, window)[0]} AS {SQL_TYPES[feature.type]})",
    "max": lambda value, window, feature: f"CAST({_extremes(value, window)[1]} AS {SQL_TYPES[feature.type]})",
}


def _lag(feature: KernelFeature) -> str:
    return f"CAST(lag({_value(feature)}, {feature.steps}) OVER {IN_ORDER} AS {SQL_TYPES[feature.type]})"


def _since_last(_: KernelFeature) -> str:
    return f'("_clock_ms" - lag("_clock_ms") OVER {IN_ORDER}) / 1e3'


def _local(feature: KernelFeature) -> str:
    return f'make_timestamptz("_event_time_ms" * 1000) AT TIME ZONE {text(feature.zone)}'


def _hour(feature: KernelFeature) -> str:
    if feature.zone == "UTC":
        return '"_event_time_ms" // 3600000 % 24'
    return f"date_part('hour', {_local(feature)})"


def _day_of_week(feature: KernelFeature) -> str:
    if feature.zone == "UTC":
        # 1970-01-01 was a Thursday; Monday is 1.
        return f'("_event_time_ms" // {_DAY_MS} + 3) % 7 + 1'
    return f"date_part('isodow', {_local(feature)})"


_PLAIN: dict[str, Callable[[KernelFeature], str]] = {
    "lag": _lag,
    "since_last": _since_last,
    "hour": _hour,
    "day_of_week": _day_of_week,
}
