"""Windows of a view → named windows of DuckDB that share one order.

A window of time is counted first and then framed in rows: `_before_<ms>` rows stand in it before the row. So ties of
the clock need no order key, nothing can overflow, and all frames share the order of one sort. Where only some events
count, they have numbers of their own: `_lane_<filter>` of them stand up to the row.
"""

from __future__ import annotations

from collections.abc import Iterable

from headrace_features.duckdb_text import quoted, text
from headrace_features.extents import Over
from headrace_features.view import KernelFeature

HISTORY = 'PARTITION BY "_key", "_generation"'
"""What is forgotten together: the events of a key in one generation."""

IN_ORDER = "in_order"
"""Name of the window without a frame that lags and since_last read."""


def condition(feature: KernelFeature) -> str | None:
    """Return the SQL that is true for the events that count; None: all do."""
    return None if feature.where is None else quoted(f"_in_{feature.where}")


def hour_of_week(zone: str) -> str:
    """Return the name of the column that holds the hour of the week, 0 to 167."""
    return quoted(f"_hour_of_week_{zone}")


def local_time(zone: str) -> str:
    """Return the event's own time in a time zone."""
    return f'make_timestamptz("_event_time_ms" * 1000) AT TIME ZONE {text(zone)}'


def window_name(feature: KernelFeature) -> str:
    """Return the name of the window that the feature reads: `over_1h`, `over_50_rows_before`."""
    if feature.over is None:
        return IN_ORDER
    name = f"over_{feature.over.suffix}" + ("_before" if feature.exclude_current else "")
    if feature.over.resolution_ms:
        name += f"_in_{feature.over.resolution_ms}_ms"
    # Where only some events count, windows of rows hold others than windows of the same rows elsewhere.
    return name + (feature.where if feature.where and feature.over.rows else "")


def frame_columns(features: Iterable[KernelFeature]) -> list[str]:
    """Return the columns that frames are made of: counts of rows in windows of time, numbers of those that count."""
    features = list(features)
    extents = {_before(f.over): f.over for f in features if f.over and f.over.length_ms}
    columns = [f"{_rows_before(over)} AS {quoted(name)}" for name, over in sorted(extents.items())]
    for where in dict.fromkeys(f.where for f in features if f.where):
        counted = f'count(*) FILTER (WHERE {quoted(f"_in_{where}")}) OVER ({HISTORY} ORDER BY "_row")'
        columns.append(f"{counted} AS {_lane(where)}")
    for zone in dict.fromkeys(f.zone for f in features if f.operation == "group_mean"):
        local = local_time(zone)
        hours = f"(date_part('isodow', {local}) - 1) * 24 + date_part('hour', {local})"
        columns.append(f"{hours} AS {hour_of_week(zone)}")
    return columns


def _rows_before(over: Over) -> str:
    """Return the number of rows in the window before the row."""
    # A window of whole panes is one over the beginnings of panes. The remainder of an instant before 1970 is negative.
    pane = over.resolution_ms
    clock = f'"_clock_ms" - ("_clock_ms" % {pane} + {pane}) % {pane}' if pane else '"_clock_ms"'
    by_clock = f"{HISTORY} ORDER BY {clock}"
    window = f"{by_clock} RANGE BETWEEN {over.length_ms - 1} PRECEDING AND CURRENT ROW"
    # Rows of the same clock are peers: both counts hold all of them, those after the row too, and so they cancel.
    return f'"_row" - 1 - (count(*) OVER ({by_clock}) - count(*) OVER ({window}))'


def _before(over: Over) -> str:
    return f"_before_{over.length_ms}" + (f"_in_{over.resolution_ms}" if over.resolution_ms else "")


def window_definitions(features: Iterable[KernelFeature]) -> list[str]:
    """Return the definitions of all named windows, each once."""
    definitions = {IN_ORDER: f'{IN_ORDER} AS ({HISTORY} ORDER BY "_row")'}
    for feature in features:
        name = window_name(feature)
        if feature.over is not None and name not in definitions:
            definitions[name] = f"{quoted(name)} AS ({_framed(feature, feature.over)})"
    return list(definitions.values())


def among_equals(feature: KernelFeature, by: str) -> str:
    """Return the window of the feature, less the rows in which a column differs from that of the row."""
    assert feature.over is not None, feature.name
    if feature.where and feature.over.rows:
        order, frame = _lane_frame(feature, feature.over)
    else:
        order, frame = '"_row"', f"RANGE {_bounds(feature.over, feature.exclude_current)}"
    return f"({HISTORY}, {by} ORDER BY {order} {frame})"


def lane_row(feature: KernelFeature, steps: int) -> str:
    """Return the window that holds the one row `steps` events before, among those that count."""
    assert feature.where is not None, feature.name
    bound = f"{steps} - {_outside(feature.where)}"
    return f"({HISTORY} ORDER BY {_lane(feature.where)} RANGE BETWEEN {bound} PRECEDING AND {bound} PRECEDING)"


def _framed(feature: KernelFeature, over: Over) -> str:
    if feature.where and over.rows:
        order, frame = _lane_frame(feature, over)
        return f"{HISTORY} ORDER BY {order} {frame}"
    return f'{HISTORY} ORDER BY "_row" ROWS {_bounds(over, feature.exclude_current)}'


def _lane_frame(feature: KernelFeature, over: Over) -> tuple[str, str]:
    """Return order and frame of the last rows that count; others of the same number are left out by the filter."""
    where = str(feature.where)
    if feature.exclude_current:
        # A row that does not count itself has the last one that does at its own number.
        last = f"1 - {_outside(where)}"
        frame = f"RANGE BETWEEN {over.rows} - {_outside(where)} PRECEDING AND {last} PRECEDING"
    else:
        frame = f"RANGE BETWEEN {over.rows - 1} PRECEDING AND CURRENT ROW"
    return _lane(where), frame


def _outside(where: str) -> str:
    return f"CASE WHEN {quoted(f'_in_{where}')} THEN 0 ELSE 1 END"


def _lane(where: str) -> str:
    return quoted(f"_lane_{where}")


def _bounds(over: Over, exclude_current: bool) -> str:
    if over.length_ms:
        # Without rows before, `0 PRECEDING AND 1 PRECEDING` is an empty frame.
        first = quoted(_before(over))
    else:
        first = str(over.rows if exclude_current else over.rows - 1)
    return f"BETWEEN {first} PRECEDING AND {'1 PRECEDING' if exclude_current else 'CURRENT ROW'}"
