"""What the kernel and the function `completed` are told, as JSON; the source gets the codec's own `parser_spec`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace_features.kinds import cyclic_period
from headrace_features.view import ExpressionFeature, Input, KernelFeature, View
from headrace_ingestion.feature_rows import layout_of

from headrace_streaming.topics import GroupTopics

# What an aggregate keeps of a column; the flags of WindowSpec.java.
_SUM, _MOMENTS, _EXTREMES, _CUBES, _SLOPE, _DECAY = 1, 2, 4, 8, 16, 32
_KEEPS = {
    "count": 0, "sum": _SUM, "mean": _SUM, "std": _MOMENTS | _EXTREMES, "min": _EXTREMES, "max": _EXTREMES,
    "range": _EXTREMES, "skew": _MOMENTS | _EXTREMES | _CUBES, "slope": _MOMENTS | _SLOPE, "ewma": _DECAY,
}  # fmt: skip
_OTHER_PARTS = {
    "distinct": "values", "rarity": "values", "quantile": "ordered", "first": "ends", "last": "ends",
    "group_mean": "groups",
}  # fmt: skip
_WITHOUT_HISTORY = ("calendar", "cyclic_sin", "cyclic_cos", "distance")


def kernel_spec(view: View, inputs: tuple[Input, ...], *, passes_letters: bool) -> dict[str, Any]:
    """Return the view as the kernel reads it.

    Args:
        view: The view.
        inputs: The inputs of all views of the job, in the order of the columns that the kernel gets.
        passes_letters: Whether this kernel, and no other of the job, passes dead letters on.
    """
    compiled = _Kernel(view)
    features = [compiled.feature(feature) for feature in view.kernel]
    return {
        "key_type": view.contract.fields[view.key].type,
        "dedup_ms": view.dedup_ms,
        "retain_ms": view.retain_ms,
        "in_event_time": view.order == "event_time",
        "passes_letters": passes_letters,
        "inputs": [{"name": i.name, "type": i.type, "position": inputs.index(i)} for i in view.inputs],
        "hours_of_week": compiled.zones,
        "lanes": [lane.as_dict() for lane in compiled.lanes.values()],
        "features": features,
    }


@dataclass
class _Window:
    """A window of a lane; its parts by what they know."""

    length_ms: int
    rows: int
    parts: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)

    def part(self, kind: str, column: int, keeps: int, by: int, half_life_ms: int) -> int:
        """Return the place of the part, which also keeps what is asked for from now on."""
        key = (kind, column, by, half_life_ms)
        part = self.parts.setdefault(key, {"kind": kind, "column": column})
        if kind == "aggregate":
            part["keeps"] = part.get("keeps", 0) | keeps
        if by >= 0:
            part["by"] = by
        if half_life_ms:
            part["half_life_ms"] = half_life_ms
        return list(self.parts).index(key)


@dataclass
class _Lane:
    """The events that count for some features, and what is kept of them."""

    where: int
    columns: list[int] = field(default_factory=list)
    windows: dict[tuple[int, int], _Window] = field(default_factory=dict)
    lag_rows: int = 0
    ago_ms: list[int] = field(default_factory=list)
    resolution_ms: int = 0

    def column(self, number: int) -> int:
        """Return the place of an input among the columns of the lane."""
        return _place(self.columns, number)

    def as_dict(self) -> dict[str, Any]:
        windows = [
            {"ms": window.length_ms, "rows": window.rows, "parts": list(window.parts.values())}
            for window in self.windows.values()
        ]
        return {
            "where": self.where,
            "columns": self.columns,
            "windows": windows,
            "lag_rows": self.lag_rows,
            "ago_ms": self.ago_ms,
            **({"resolution_ms": self.resolution_ms} if self.resolution_ms else {}),
        }


class _Kernel:
    """Goes through the features of a view once and collects its lanes."""

    def __init__(self, view: View) -> None:
        self._types = {entry.name: entry.type for entry in view.inputs}
        self._numbers = {entry.name: index for index, entry in enumerate(view.inputs)}
        self.zones: list[str] = []
        self.lanes: dict[tuple[str | None, int], _Lane] = {}

    def feature(self, feature: KernelFeature) -> dict[str, Any]:
        """Return the feature as the kernel reads it."""
        entry: dict[str, Any] = {"name": feature.name, "operation": feature.operation}
        if feature.exclude_current:
            entry["exclude_current"] = True
        if feature.operation in _WITHOUT_HISTORY:
            return entry | self._without_history(feature)
        where = -1 if feature.where is None else self._numbers[feature.where]
        # Panes of each length stand by themselves: they hold no events.
        name = (feature.where, feature.over.resolution_ms if feature.over else 0)
        lane = self.lanes.setdefault(name, _Lane(where, resolution_ms=name[1]))
        entry["lane"] = list(self.lanes).index(name)
        if feature.of:
            entry |= {"type": self._types[feature.of], "input": self._numbers[feature.of]}
            entry["column"] = lane.column(self._numbers[feature.of])
        if feature.operation in ("lag", "since_last", "travel"):
            steps = feature.steps or 1
            # The event at hand stands in the lane, too, when they are looked up.
            lane.lag_rows = max(lane.lag_rows, steps + 1)
            entry["steps"] = steps
        if feature.operation == "travel":
            place = [self._numbers[name] for name in feature.place]
            entry |= {"type": "double", "place": [*place, *(lane.column(number) for number in place)]}
        if feature.ago:
            entry["ago"] = _place(lane.ago_ms, feature.ago.length_ms)
        if feature.over:
            entry |= self._windowed(feature, lane, entry["column"])
        return entry

    def _without_history(self, feature: KernelFeature) -> dict[str, Any]:
        if feature.operation == "distance":
            return {"place": [self._numbers[name] for name in feature.place]}
        origin, period = cyclic_period(feature.piece)
        return {"piece": feature.piece, "zone": feature.zone, "origin": origin, "period": period}

    def _windowed(self, feature: KernelFeature, lane: _Lane, column: int) -> dict[str, Any]:
        extent = (feature.over.length_ms, feature.over.rows) if feature.over else (0, 0)
        window = lane.windows.setdefault(extent, _Window(*extent))
        entry: dict[str, Any] = {"window": list(lane.windows).index(extent)}
        by = -1
        if feature.operation == "group_mean":
            number = len(self._numbers) + _place(self.zones, feature.zone)
            by = lane.column(number)
            entry["input"] = number
        if feature.operation == "quantile":
            entry["numerator"], entry["denominator"] = feature.quantile
        kind = _OTHER_PARTS.get(feature.operation, "aggregate")
        keeps = _KEEPS.get(feature.operation, 0)
        entry["part"] = window.part(kind, column, keeps, by, feature.half_life_ms)
        return entry


def _place(found: list[Any], one: Any) -> int:
    """Return the place of one in a list, at whose end it is put when it is new."""
    if one not in found:
        found.append(one)
    return found.index(one)


def record_spec(view: View, topics: GroupTopics) -> dict[str, Any]:
    """Return the records of a view as the kernel writes them, and `completed` where expressions give some features.

    A row shows the kernel's features, then those of expressions, each in the order of the declaration.
    """
    places = {feature.name: place for place, feature in enumerate(view.kernel)}
    shown = [column.name for column in view.columns if isinstance(column, KernelFeature)]
    expressions = expressions_of(view)
    rows = {} if view.encoding == "json" else {"layout": _layout(view, [*shown, *(one.name for one in expressions)])}
    return {
        **rows,
        "view": view.name,
        "event": view.contract.name,
        "key": view.key,
        "key_type": view.contract.fields[view.key].type,
        "declaration": view.digest,
        "order": view.order,
        "topic": topics.of_view(view),
        "late_events": topics.late_events,
        "duplicates": topics.duplicates,
        "dead_letters": topics.dead_letters,
        "features": shown,
        "shown": [places[name] for name in shown],
        "expressions": [one.name for one in expressions],
        "reads": _reads(view, expressions),
    }


def expressions_of(view: View) -> list[ExpressionFeature]:
    """Return the columns of a view that SQL computes."""
    return [column for column in view.columns if isinstance(column, ExpressionFeature)]


def _reads(view: View, expressions: Sequence[ExpressionFeature]) -> list[dict[str, Any]]:
    inputs = [
        {"column": f"_in_{entry.name}", "type": entry.type, "input": place} for place, entry in enumerate(view.inputs)
    ]
    features = [
        {"column": feature.name, "type": feature.type, "feature": place} for place, feature in enumerate(view.kernel)
    ]
    # The text itself: an expression may hold others, which read on.
    sql = " ".join(one.compiled.sql["flink"] for one in expressions)
    return [one for one in (*inputs, *features) if f"`{one['column']}`" in sql]


def _layout(view: View, names: Sequence[str]) -> str:
    key_type = view.contract.fields[view.key].type
    types = {column.name: column.type for column in view.columns}
    return layout_of(view.key, key_type, view.digest, {name: types[name] for name in names})
