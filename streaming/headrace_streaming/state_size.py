"""How much state a view needs: bytes that stand for a key, and for each event that its windows still hold.

The figures are those of the kernel's own form in state (`java/headrace/Log.java`), which both state backends keep;
texts count as twelve letters, whole numbers as three bytes, and a filter lets every event count. Memory is bounded
apart from that, see `KernelOperator.java`.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace_features.view import View

from headrace_streaming.specs import kernel_spec

_KEY_BYTES = 40
_CLOCK_BYTES = 3
_ID_BYTES = 16 + _CLOCK_BYTES
_COLUMN_BYTES = {"double": 8, "string": 13, "bool": 1}
_WHOLE_BYTES = 3
_WINDOW_BYTES = 4
# Count, sum, mean, sum of squared deviations.
_FIGURES_BYTES = 2 + 3 * 8


@dataclass(frozen=True)
class Held:
    """Something of which a key holds one for each event or pane of a span.

    Attributes:
        what: `ids`, `events` or `panes`.
        bytes_each: Bytes of state for one.
        span_ms: Length of the clock that is held; 0 where rows are counted.
        rows: Number of events that are held at most; 0 where a span is.
        most: Number of panes that are held at most; 0: as many as there are events.
    """

    what: str
    bytes_each: int
    span_ms: int = 0
    rows: int = 0
    most: int = 0


@dataclass(frozen=True)
class StateSize:
    """What a key of a view holds in state.

    Attributes:
        key_bytes: Bytes that each key takes.
        held: What it holds besides.
    """

    key_bytes: int
    held: tuple[Held, ...]


def state_size(view: View) -> StateSize:
    """Return what a key of the view holds in state."""
    spec = kernel_spec(view, view.inputs, passes_letters=False)
    types = [entry.type for entry in view.inputs]
    held = [Held("ids", _ID_BYTES, view.dedup_ms)] if view.dedup_ms else []
    key_bytes = _KEY_BYTES
    for lane in spec["lanes"]:
        # After the inputs come hours of the week, which are whole numbers.
        columns = [types[number] if number < len(types) else "int" for number in lane["columns"]]
        windows = lane["windows"]
        key_bytes += _WINDOW_BYTES * len(windows)
        span_ms = max([window["ms"] for window in windows] + lane["ago_ms"], default=0)
        resolution_ms = lane.get("resolution_ms", 0)
        if resolution_ms:
            each = _CLOCK_BYTES + sum(_FIGURES_BYTES + 2 * _bytes(column) for column in columns)
            held.append(Held("panes", each, span_ms, most=-(-span_ms // resolution_ms)))
            continue
        each = _CLOCK_BYTES + sum(_bytes(column) for column in columns)
        rows = max([window["rows"] for window in windows] + [lane["lag_rows"]], default=0)
        held += [Held("events", each, span_ms=span_ms)] if span_ms else []
        held += [Held("events", each, rows=rows)] if rows and not span_ms else []
    return StateSize(key_bytes, tuple(held))


def _bytes(type_: str) -> int:
    return _COLUMN_BYTES.get(type_, _WHOLE_BYTES)
