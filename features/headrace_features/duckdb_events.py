"""Events as they stand in the lake → the relation that the compiled view and the dedup read."""

from __future__ import annotations

from headrace_features.duckdb_text import lines, quoted
from headrace_features.view import View


def events_of(view: View) -> str:
    """Return the name of the lake's view of all records of the event, duplicates included."""
    return f"raw.{quoted(f'events_{view.contract.table}')}"


def rows_of(view: View) -> str:
    """Return the name of the lake's view of all rows of the view, earlier revisions included."""
    return f"raw.{quoted(f'features_{view.name}')}"


def events_select(view: View, source: str) -> str:
    """Return the SELECT that turns records of the lake into what `compile_view` reads, but for the marks."""
    columns = [
        '"_key"',
        '"event_id"',
        '"_partition"',
        '"_offset"',
        f'epoch_ms({quoted(view.contract.time)}) AS "event_time_ms"',
        'epoch_ms("_recorded_at") AS "ingested_at_ms"',
        *(
            f"{quoted(name)} AS {quoted(f'_f_{name}')}"
            for name, field in view.contract.fields.items()
            if field.is_computed
        ),
    ]
    return f"SELECT\n  {lines(columns)}\nFROM {source}"
