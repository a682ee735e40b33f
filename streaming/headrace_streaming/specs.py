"""What the Java functions `kernel` and `emit` are told, as JSON; `parse` gets the codec's own `parser_spec`."""

from __future__ import annotations

from typing import Any

from headrace_features.view import Input, KernelFeature, View

from headrace_streaming.topics import GroupTopics

# What a window keeps of a column; the flags of WindowSpec.java.
_SUM, _MOMENTS, _EXTREMES = 1, 2, 4
_KEEPS = {"count": 0, "sum": _SUM, "mean": _SUM, "std": _MOMENTS | _EXTREMES, "min": _EXTREMES, "max": _EXTREMES}


def kernel_spec(view: View, inputs: tuple[Input, ...], *, passes_letters: bool) -> dict[str, Any]:
    """Return the view as `kernel` reads it.

    Args:
        view: The view.
        inputs: The inputs of all views of the job, in the order of the columns that the kernel gets.
        passes_letters: Whether this kernel, and no other of the job, passes dead letters on.
    """
    # The state holds only what windows and lags read; the rest passes by, for the expressions.
    held = {feature.of for feature in view.kernel if feature.of}
    own = sorted(view.inputs, key=lambda i: i.name not in held)
    columns = {entry.name: index for index, entry in enumerate(own)}
    windows: dict[tuple[int, int], dict[int, int]] = {}
    for feature in view.kernel:
        if feature.over and feature.of:
            window = windows.setdefault((feature.over.length_ms, feature.over.rows), {})
            column = columns[feature.of]
            window[column] = window.get(column, 0) | _KEEPS[feature.operation]
    places = list(windows)
    return {
        "key_type": view.contract.fields[view.key].type,
        "dedup_ms": view.dedup_ms,
        "retain_ms": view.retain_ms,
        "passes_letters": passes_letters,
        "held": len(held),
        "inputs": [{"name": entry.name, "type": entry.type, "position": inputs.index(entry)} for entry in own],
        "windows": [
            {"ms": ms, "rows": rows, "columns": sorted(windows[ms, rows].items())} for ms, rows in places
        ],
        "features": [_feature(feature, view, columns, windows, places) for feature in view.kernel],
    }  # fmt: skip


def _feature(
    feature: KernelFeature,
    view: View,
    columns: dict[str, int],
    windows: dict[tuple[int, int], dict[int, int]],
    places: list[tuple[int, int]],
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": feature.name, "operation": feature.operation, "result": feature.type}
    if feature.of:
        entry["column"] = columns[feature.of]
        entry["type"] = next(i.type for i in view.inputs if i.name == feature.of)
    if feature.over:
        place = (feature.over.length_ms, feature.over.rows)
        entry["window"] = places.index(place)
        entry["slot"] = sorted(windows[place]).index(columns[feature.of or ""])
    if feature.steps:
        entry["steps"] = feature.steps
    if feature.exclude_current:
        entry["exclude_current"] = True
    if feature.operation in ("hour", "day_of_week"):
        entry["zone"] = feature.zone
    return entry


def emit_spec(view: View, topics: GroupTopics) -> dict[str, Any]:
    """Return topics and names as `emit` reads them."""
    return {
        "view": view.name,
        "event": view.contract.name,
        "key": view.key,
        "declaration": view.digest,
        "topic": topics.of_view(view),
        "late_events": topics.late_events,
        "duplicates": topics.duplicates,
        "dead_letters": topics.dead_letters,
        "features": [column.name for column in view.columns],
    }
