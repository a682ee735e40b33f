"""The semantics page as properties: DuckDB against the slow reference, over random declarations and events."""

import math
import tempfile
from pathlib import Path
from typing import Any

from headrace_features.duckdb_compiler import CompiledSql
from hypothesis import HealthCheck, given, settings
from reference import Event, Row, Rules, reference_rows
from view_cases import declarations, duckdb_rows, event_lists, load_declaration

DECLARATIONS = 100
EVENT_LISTS = 20
"""Random declarations, and lists of events that each of them is tried on: 2,000 cases."""


@settings(
    max_examples=DECLARATIONS, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(declared=declarations(), events=event_lists(EVENT_LISTS))
def test_duckdb_gives_the_rows_of_the_semantics_page(
    declared: tuple[dict[str, Any], Rules], events: list[Event]
) -> None:
    declaration, rules = declared
    with tempfile.TemporaryDirectory() as folder:
        view = load_declaration(declaration, Path(folder))
    expected = reference_rows(rules, events)
    compiled, rows, marks = duckdb_rows(view, events, {row.event.offset for row in expected if row.is_left_out})

    for row in expected:
        if row.is_left_out:
            continue
        mark = marks[row.event.offset]
        assert (mark["clock_ms"], mark["generation"], mark["is_duplicate"], mark["is_late"]) == (
            row.clock_ms, row.generation, row.is_duplicate, row.is_late,
        )  # fmt: skip
    by_offset = {row["source_offset"]: row for row in rows}
    accepted = [row for row in expected if row.has_row]
    assert sorted(by_offset) == [row.event.offset for row in accepted]
    for row in accepted:
        check_row(row, by_offset[row.event.offset], compiled)


def check_row(expected: Row, row: dict[str, Any], compiled: CompiledSql) -> None:
    """Fail unless the row is the expected one within rule 11."""
    event = expected.event
    assert (row["event_id"], row["series"], row["event_time_ms"]) == (event.event_id, event.key, event.time_ms)
    assert (row["clock_ms"], row["generation"]) == (expected.clock_ms, expected.generation)
    for name, wanted in expected.columns.items():
        got = row[name]
        bound = row.get(compiled.bounds.get(name, "")) or 0.0
        if not math.isfinite(bound):
            continue
        tolerance = min(wanted.tolerance, bound) if wanted.tolerance > 0 else bound
        where = f"{name} at offset {event.offset}: DuckDB {got!r}, reference {wanted.value!r} ± {tolerance}"
        if got is None or wanted.value is None or not isinstance(wanted.value, float):
            assert (got, type(got)) == (wanted.value, type(wanted.value)), where
        else:
            assert abs(got - wanted.value) <= tolerance, where
