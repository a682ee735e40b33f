"""What the columns of a view are, in a few words for people: what over which input, window and filter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction

from headrace_ingestion.durations import format_duration

from headrace_features.view import ExpressionFeature, KernelFeature, KernelOperation, View

_STATISTICS: dict[KernelOperation, str] = {
    "count": "number of values of {0}", "sum": "sum of {0}", "mean": "mean of {0}", "std": "standard deviation of {0}",
    "min": "smallest {0}", "max": "largest {0}", "range": "largest less smallest {0}", "first": "oldest {0}",
    "last": "newest {0}", "distinct": "number of different values of {0}", "skew": "skewness of {0}",
    "slope": "slope of {0} per second", "rarity": "share of the values that equal this {0}",
    "group_mean": "mean of {0} in the same hour of the week",
}  # fmt: skip


def words_of(view: View, column: KernelFeature | ExpressionFeature) -> str:
    """Return what a column of the view is: `mean of amount over 24h where amount > 100`."""
    if isinstance(column, ExpressionFeature):
        return column.words
    said = _STATISTICS.get(column.operation)
    words = _OTHERS[column.operation](column) if said is None else said.format(column.of)
    return f"{words}{_window(column)}{_filter(view, column)}"


def _window(column: KernelFeature) -> str:
    if column.over is None:
        return ""
    panes = timedelta(milliseconds=column.over.resolution_ms)
    told = f" in panes of {format_duration(panes)}" if panes else ""
    return f" over {column.over.text}{told}{', this event left out' if column.exclude_current else ''}"


def _filter(view: View, column: KernelFeature) -> str:
    declared = next((entry.declared for entry in view.inputs if entry.name == column.where), "")
    return f" where {declared}" if declared else ""


def _lag(column: KernelFeature) -> str:
    return f"{column.of}, {column.steps} event{'s' if column.steps > 1 else ''} before"


def _ago(column: KernelFeature) -> str:
    return f"{column.of}, {column.ago.text if column.ago else ''} before"


def _quantile(column: KernelFeature) -> str:
    share = Fraction(*column.quantile)
    return f"median of {column.of}" if share == Fraction(1, 2) else f"p{float(share * 100):g} of {column.of}"


def _ewma(column: KernelFeature) -> str:
    return f"mean of {column.of}, weights halving every {format_duration(timedelta(milliseconds=column.half_life_ms))},"


def _since_last(column: KernelFeature) -> str:
    return "seconds since the event before"


def _calendar(column: KernelFeature) -> str:
    wave = {"cyclic_sin": "sine of ", "cyclic_cos": "cosine of "}.get(column.operation, "")
    return f"{wave}{column.piece.replace('_', ' ')} of the event's time, {column.zone}"


def _distance(column: KernelFeature) -> str:
    return f"km from ({', '.join(column.place[:2])}) to ({', '.join(column.place[2:])})"


def _travel(column: KernelFeature) -> str:
    return f"km from ({', '.join(column.place)}) of the event before"


_OTHERS: dict[KernelOperation, Callable[[KernelFeature], str]] = {
    "lag": _lag,
    "ago": _ago,
    "quantile": _quantile,
    "ewma": _ewma,
    "since_last": _since_last,
    "calendar": _calendar,
    "cyclic_sin": _calendar,
    "cyclic_cos": _calendar,
    "distance": _distance,
    "travel": _travel,
}
