"""Figures of a profile → SVG, one string a plot; texts stay texts, in the font of the page."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from headrace_lake.profile.columns import ColumnFigures
from headrace_lake.profile.series import Season, SeriesFigures

INK, MUTED, BLUE, LIGHT, RED = "#1f2933", "#7b8794", "#2b6cb0", "#bcd4ee", "#c05621"
_DIVERGING = LinearSegmentedColormap.from_list("profile", [RED, "#ffffff", BLUE])
# matplotlib's keys are a closed set of literals, which a mapping of texts is not.
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": "#cbd2d9",
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.titlesize": 8,
    "axes.titlecolor": MUTED,
    "axes.titlelocation": "left",
}
_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


def histogram(column: ColumnFigures) -> str:
    """Return the distribution of a numeric column, between its 1 % and 99 % quantiles."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(3.6, 1.15)
        widths = [high - low for low, high in zip(column.edges, column.edges[1:], strict=False)]
        axes.bar(column.edges[:-1], column.counts, widths, align="edge", color=BLUE, linewidth=0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=5)
        axes.margins(x=0)
        return _svg(figure, f"histogram {column.name}")


def frequent_values(column: ColumnFigures) -> str:
    """Return the most frequent values of a column as bars."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(3.6, max(1.15, 0.17 * len(column.top) + 0.1))
        values = [value if len(value) <= 16 else f"{value[:15]}…" for value, _ in column.top]
        axes.barh(range(len(values)), [rows for _, rows in column.top], color=LIGHT, height=0.75)
        axes.set_yticks(range(len(values)), [_escaped(value) for value in values])
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.tick_params(length=0)
        for side in ("bottom", "left"):
            axes.spines[side].set_visible(False)
        for place, (_, rows) in enumerate(column.top):
            axes.text(rows, place, f" {rows:,}", va="center", color=MUTED, fontsize=7)
        axes.margins(x=0.12)
        return _svg(figure, f"values {column.name}")


def correlation_map(names: Sequence[str], matrix: Sequence[Sequence[float | None]]) -> str:
    """Return a rank correlation as a map of colours, with its figures."""
    with mpl.rc_context(_STYLE):
        side = max(2.2, 0.42 * len(names))
        figure, axes = _figure(side + 2.4, side + 0.9)
        values = [[math.nan if value is None else value for value in row] for row in matrix]
        # `imshow` would be a picture inside the picture.
        centres = range(len(names))
        axes.pcolormesh(
            centres, centres, values, cmap=_DIVERGING, vmin=-1, vmax=1, edgecolor="white", shading="nearest"
        )
        axes.invert_yaxis()
        shown = [_escaped(name) for name in names]
        axes.set_xticks(range(len(names)), shown, rotation=40, ha="right")
        axes.set_yticks(range(len(names)), shown)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        for row, line in enumerate(matrix):
            for column, value in enumerate(line):
                if value is not None and row != column:
                    colour = "white" if abs(value) > 0.65 else INK
                    axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=colour)
        return _svg(figure, "correlation")


def over_time(series: SeriesFigures) -> str:
    """Return the mean of a column, and the rows, in each step of time."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 2.4), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        times = [float(at) for at in date2num(list(series.starts))]  # type: ignore[no-untyped-call]  # matplotlib has no types here
        upper.plot(times, [math.nan if mean is None else mean for mean in series.means], color=BLUE, linewidth=1)
        upper.set_title(f"mean a step of {duration(series.step_seconds)}")
        lower.fill_between(times, series.rows, color=LIGHT, linewidth=0, step="mid")
        lower.set_title("rows a step")
        lower.set_ylim(bottom=0)
        lower.margins(x=0)
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        lower.xaxis.set_major_locator(locator)
        lower.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        lower.locator_params(axis="y", nbins=2)
        return _svg(figure, f"time {series.column}")


def autocorrelations(series: SeriesFigures) -> str:
    """Return the autocorrelation of the steps, and that of the values of a key."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 1.9), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[3, 2])
        _stems(left, series.autocorrelation, f"of all rows, lag in steps of {duration(series.step_seconds)}")
        left.axhspan(-series.noise, series.noise, color="#e4e7eb", linewidth=0, zorder=0)
        _stems(right, series.key_autocorrelation, "within a key, lag in events")
        return _svg(figure, f"autocorrelation {series.column}")


def seasons(series: SeriesFigures) -> str:
    """Return the mean and the middle half of a column, by hour of the day and by day of the week."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 1.7), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[3, 2])
        _season(left, series.hours, "by hour of the day (UTC), mean and middle half")
        _season(right, series.days, "by day of the week")
        right.set_xticks(range(7), _DAYS)
        left.set_xticks(range(0, 24, 3))
        return _svg(figure, f"seasons {series.column}")


def duration(seconds: int) -> str:
    """Return a length of time as people write it: 5m, 6h, 1d."""
    for size, unit in ((604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _stems(axes: Axes, values: Sequence[float | None], title: str) -> None:
    axes.bar(range(1, len(values) + 1), [value or 0.0 for value in values], width=0.6, color=BLUE, linewidth=0)
    axes.axhline(0, color="#cbd2d9", linewidth=0.8)
    axes.set_title(title)
    axes.set_ylim(min(-0.2, *(value or 0.0 for value in values), 0.0) * 1.05, 1)
    axes.margins(x=0.01)
    if not values:
        axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", color=MUTED)
        axes.set_xticks([])


def _season(axes: Axes, season: Season, title: str) -> None:
    places = [place for place, mean in enumerate(season.mean) if mean is not None]
    low = [season.low[place] or 0.0 for place in places]
    high = [season.high[place] or 0.0 for place in places]
    axes.bar(places, [b - a for a, b in zip(low, high, strict=True)], bottom=low, color=LIGHT, width=0.8)
    axes.plot(places, [season.mean[place] or 0.0 for place in places], "o-", color=BLUE, markersize=3, linewidth=1)
    axes.set_title(title)
    axes.set_xlim(-0.7, len(season.mean) - 0.3)
    axes.locator_params(axis="y", nbins=4)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _escaped(text: str) -> str:
    # A dollar sign begins a formula in matplotlib.
    return text.replace("$", r"\$")


def _svg(figure: Figure, salt: str) -> str:
    # Several plots stand in one page: without a salt of their own their clip paths would have the same names.
    with mpl.rc_context({"svg.hashsalt": salt}):
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
