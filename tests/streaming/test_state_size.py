"""What the plan says of a view's state is what the kernel stores."""

import json
from pathlib import Path
from typing import Any

import pytest
from headrace_streaming.specs import kernel_spec
from headrace_streaming.state_size import Held, state_size
from java_programs import run_java
from view_cases import load_declaration

EVENTS = 20_000
EVERY_MS = 60_000
PIECES_BYTES = 2 * 64 * 50
VIEWS: dict[str, list[dict[str, Any]]] = {
    "a day of two numbers": [{"window": {"of": ["x", "n"], "over": ["1h", "24h"], "take": ["mean", "std"]}}],
    "texts and filters": [
        {"window": {"of": ["s"], "over": ["6h"], "take": ["distinct"], "where": "b"}},
        {"lag": {"of": ["x"], "steps": [1, 5]}},
    ],
    "a week in panes of an hour": [
        {"window": {"of": ["x"], "over": ["1d", "7d"], "take": ["sum", "std", "max"], "resolution": "1h"}}
    ],
}


def stored_bytes(features: list[dict[str, Any]], folder: Path) -> tuple[list[int], Any]:
    """Bytes of state of one key after each tenth of a fortnight with an event a minute, and what the plan says."""
    declaration = {"name": "v", "source": "reading", "key": "series", "features": features, "ttl": "1h"}
    view = load_declaration(declaration, folder)
    (folder / "spec.json").write_text(json.dumps(kernel_spec(view, view.inputs, passes_letters=False)))
    printed = run_java("StateBytes", str(folder / "spec.json"), str(EVENTS), str(EVERY_MS))
    return [int(line) for line in printed.split()], state_size(view)


def number_held(held: Held) -> int:
    return held.most or held.rows or held.span_ms // EVERY_MS


@pytest.mark.parametrize("case", VIEWS)
def test_the_estimate_is_what_the_kernel_stores(case: str, tmp_path: Path) -> None:
    stored, size = stored_bytes(VIEWS[case], tmp_path)
    estimate = size.key_bytes + sum(held.bytes_each * number_held(held) for held in size.held)
    # A filter lets half of the events count here; pieces of 64 rows stay until the last of their rows is gone.
    least = estimate / 2 if "filters" in case else estimate
    assert 0.8 * least - PIECES_BYTES < stored[-1] < 1.2 * estimate + PIECES_BYTES
    # A fortnight is more than any of the windows: state has stopped to grow.
    assert max(stored[6:]) - min(stored[6:]) < PIECES_BYTES


def test_panes_are_bounded_however_many_events_come(tmp_path: Path) -> None:
    panes, _ = stored_bytes(VIEWS["a week in panes of an hour"], tmp_path)
    events, _ = stored_bytes([{"window": {"of": ["x"], "over": ["1d", "7d"], "take": ["sum", "std", "max"]}}], tmp_path)
    assert events[-1] > 10 * panes[-1]
