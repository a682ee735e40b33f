"""A view → one DuckDB statement over its accepted events, with the numbers of the streaming job."""

from __future__ import annotations

from dataclasses import dataclass

from headrace_features.duckdb_bounds import expression_bound
from headrace_features.duckdb_statistics import SQL_TYPES, bound_sql, kernel_sql
from headrace_features.duckdb_text import lines, quoted
from headrace_features.duckdb_windows import frame_columns, window_definitions
from headrace_features.duplicates import IN_ORDER
from headrace_features.view import ColumnType, ExpressionFeature, Input, View

ENVELOPE: tuple[tuple[str, ColumnType], ...] = (
    ("event_time_ms", "long"),
    ("clock_ms", "long"),
    ("generation", "long"),
    ("source_partition", "int"),
    ("source_offset", "long"),
    ("ingested_at_ms", "long"),
)
"""Columns between the key and the features."""

_PLACE = {"source_partition": "_partition", "source_offset": "_offset"}


@dataclass(frozen=True)
class CompiledSql:
    """A statement that gives one row for each accepted event.

    Attributes:
        sql: The statement, without a semicolon.
        columns: Name and type of its columns, in order: event_id, the key under its own name, `ENVELOPE`, the features.
        bounds: Feature → the column that says how far another engine's value may lie from it (not a finite number:
            any value may); features without one are equal bit for bit. Empty unless they were asked for.
    """

    sql: str
    columns: tuple[tuple[str, ColumnType], ...]
    bounds: dict[str, str]


def compile_view(view: View, *, source: str = "accepted", with_bounds: bool = False) -> CompiledSql:
    """Return the statement that computes every row of the view.

    Args:
        view: The view.
        source: The relation of accepted events, duplicates left out: `_key`, `event_id`, `_partition`, `_offset`,
            `event_time_ms`, `ingested_at_ms`, `clock_ms`, `generation`, and a column `_f_<field>` for each field of
            the contract.
        with_bounds: Whether columns for a comparison with another engine stand after the features.
    """
    bounded = [f for f in view.kernel if bound_sql(f)] if with_bounds else []
    bounds = _visible_bounds(view, frozenset(f.name for f in bounded)) if with_bounds else {}
    kernel = [f"{kernel_sql(f)} AS {quoted(f.name)}" for f in view.kernel]
    kernel += [f"{bound_sql(f)} AS {_bound(f.name)}" for f in bounded]
    steps = {
        "event": event_sql(view, source),
        "framed": _select([f"*{finite_inputs(view)}", *frame_columns(view.kernel)], "event"),
        "kernel": _select(["*", *kernel], "framed") + "\nWINDOW\n  " + lines(window_definitions(view.kernel)),
        "valued": _select(
            [*_envelope(view), *_values(view), *(f"{sql} AS {_bound(name)}" for name, sql in bounds.items())], "kernel"
        ),
    }
    columns = _columns(view)
    shown = [_shown(name, type_) for name, type_ in columns] + [_bound(name) for name in bounds]
    with_ = ",\n".join(f"{name} AS (\n{body}\n)" for name, body in steps.items())
    return CompiledSql(
        f"WITH {with_}\n{_select(shown, 'valued')}", columns, {name: f"_bound_{name}" for name in bounds}
    )


def event_sql(view: View, source: str) -> str:
    """Return the SELECT of what a view reads of its events: columns `_in_<input>`, and `_row`, their order in a key."""
    return _select(_event_columns(view), source)


def _columns(view: View) -> tuple[tuple[str, ColumnType], ...]:
    key_type = view.contract.fields[view.key].type
    entity: ColumnType = "string" if key_type == "string" else "long" if key_type == "long" else "int"
    features = tuple((column.name, column.type) for column in view.columns)
    return (("event_id", "string"), (view.key, entity), *ENVELOPE, *features)


def _select(columns: list[str], source: str) -> str:
    return f"SELECT\n  {lines(columns)}\nFROM {source}"


def _bound(name: str) -> str:
    return quoted(f"_bound_{name}")


def _event_columns(view: View) -> list[str]:
    place = ("event_time_ms", "ingested_at_ms", "clock_ms", "generation")
    return [
        '"_key"',
        '"event_id" AS "_event_id"',
        f'{quoted(f"_f_{view.key}")} AS "_entity"',
        '"_partition"',
        '"_offset"',
        *(f"{quoted(name)} AS {quoted(f'_{name}')}" for name in place),
        *(f"{_input(entry)} AS {quoted(f'_in_{entry.name}')}" for entry in view.inputs),
        f'row_number() OVER (PARTITION BY "_key", "generation" ORDER BY {IN_ORDER[view.order]}) AS "_row"',
    ]


def _input(entry: Input) -> str:
    return entry.derived.sql["duckdb"] if entry.derived else quoted(f"_f_{entry.name}")


def finite_inputs(view: View) -> str:
    """Return `REPLACE (…)` for the star of a SELECT over `event_sql`: a derived number that is not finite is null."""
    derived = [quoted(f"_in_{entry.name}") for entry in view.inputs if entry.derived and entry.type == "double"]
    if not derived:
        return ""
    return " REPLACE (\n    " + ",\n    ".join(f"{_finite(name)} + 0e0 AS {name}" for name in derived) + "\n  )"


def _finite(sql: str) -> str:
    return f"CASE WHEN isfinite({sql}) THEN {sql} END"


def _envelope(view: View) -> list[str]:
    return [
        '"_event_id" AS "event_id"',
        f'"_entity" AS {quoted(view.key)}',
        *(f"{quoted(_PLACE.get(name, f'_{name}'))} AS {quoted(name)}" for name, _ in ENVELOPE),
    ]


def _values(view: View) -> list[str]:
    return [
        f"{column.compiled.sql['duckdb']} AS {quoted(column.name)}"
        if isinstance(column, ExpressionFeature)
        else quoted(column.name)
        for column in view.columns
    ]


def _shown(name: str, type_: ColumnType) -> str:
    # Minus zero is zero.
    value = f"{_finite(quoted(name))} + 0e0" if type_ == "double" else quoted(name)
    return f"CAST({value} AS {SQL_TYPES[type_]}) AS {quoted(name)}"


def _visible_bounds(view: View, bounded: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for column in view.columns:
        if isinstance(column, ExpressionFeature):
            sql = expression_bound(column.compiled.sql["duckdb"], bounded)
            if sql is not None:
                found[column.name] = sql
        elif column.name in bounded:
            found[column.name] = _bound(column.name)
    return found
