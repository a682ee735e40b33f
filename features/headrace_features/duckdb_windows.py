"""Windows of a view → named windows of DuckDB that share one order.

A window of time is counted first and then framed in rows: `_before_<ms>` rows stand in it before the row. So ties of
the clock need no order key, nothing can overflow, and all frames share the order of one sort.
"""

from __future__ import annotations

from collections.abc import Iterable

from headrace_features.declaration import Over
from headrace_features.duckdb_text import quoted
from headrace_features.view import KernelFeature

HISTORY = 'PARTITION BY "_key", "_generation"'
"""What is forgotten together: the events of a key in one generation."""

IN_ORDER = "in_order"
"""Name of the window without a frame that lags and since_last read."""


def window_name(feature: KernelFeature) -> str:
    """Return the name of the window that the feature reads: `over_1h`, `over_50_rows_before`."""
    if feature.over is None:
        return IN_ORDER
    return f"over_{feature.over.suffix}" + ("_before" if feature.exclude_current else "")


def frame_columns(features: Iterable[KernelFeature]) -> list[str]:
    """Return, for each length of time, the column that counts the rows of the window before the row itself."""
    lengths = sorted({f.over.length_ms for f in features if f.over and f.over.length_ms})
    by_clock = f'{HISTORY} ORDER BY "_clock_ms"'
    window = f"{by_clock} RANGE BETWEEN {{}} PRECEDING AND CURRENT ROW"
    # Rows of the same clock are peers: both counts hold all of them, those after the row too, and so they cancel.
    return [
        f'"_row" - 1 - (count(*) OVER ({by_clock}) - count(*) OVER ({window.format(length_ms - 1)}))'
        f" AS {quoted(f'_before_{length_ms}')}"
        for length_ms in lengths
    ]


def window_definitions(features: Iterable[KernelFeature]) -> list[str]:
    """Return the definitions of all named windows, each once."""
    definitions = {IN_ORDER: f'{IN_ORDER} AS ({HISTORY} ORDER BY "_row")'}
    for feature in features:
        name = window_name(feature)
        if feature.over is not None and name not in definitions:
            frame = _frame(feature.over, feature.exclude_current)
            definitions[name] = f'{quoted(name)} AS ({HISTORY} ORDER BY "_row" ROWS {frame})'
    return list(definitions.values())


def _frame(over: Over, exclude_current: bool) -> str:
    if over.length_ms:
        # Without rows before, `0 PRECEDING AND 1 PRECEDING` is an empty frame.
        first = quoted(f"_before_{over.length_ms}")
    else:
        first = str(over.rows if exclude_current else over.rows - 1)
    return f"BETWEEN {first} PRECEDING AND {'1 PRECEDING' if exclude_current else 'CURRENT ROW'}"
