"""What the lake holds of a view: how many rows, how long they took to get there, and what stands in their columns.

Only rows of the view's present declaration are judged: those of an earlier one are other features, often of the same
events.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from headrace_features.duckdb_text import lines, quoted
from headrace_features.view import ColumnType, View

if TYPE_CHECKING:
    from headrace_lake import Lake

FRESH_ROWS = 1_000
"""Freshness is that of the newest rows, this many."""

EXACT_VALUES = 20_000_000
"""Above this number of values (rows × columns) quantiles and numbers of different values are approximations."""

_SECONDS = 600.0
_NUMBERS: tuple[ColumnType, ...] = ("double", "long", "int")


@dataclass(frozen=True, slots=True)
class StoredRows:
    """How many rows of a view the lake holds, and which are the newest.

    Attributes:
        rows: Rows of the present declaration.
        other_rows: Rows of earlier declarations.
        newest_event_time: Largest event time of the present declaration's rows; None when there are none.
        newest_clock: Their largest clock.
    """

    rows: int
    other_rows: int
    newest_event_time: datetime | None
    newest_clock: datetime | None


@dataclass(frozen=True, slots=True)
class Hop:
    """How long one part of the way took, over the newest rows, in milliseconds.

    Attributes:
        name: From where to where.
        p50_ms: Median.
        p99_ms: What 99 of 100 rows did not exceed.
        max_ms: The longest.
    """

    name: str
    p50_ms: float
    p99_ms: float
    max_ms: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh the newest rows were when they were made, and how old they are now.

    Attributes:
        rows: How many rows were measured.
        hops: The parts of the way, in order.
        newest_emitted_at: When the newest row was made.
        age_ms: How long ago that is, in milliseconds.
    """

    rows: int
    hops: tuple[Hop, ...]
    newest_emitted_at: datetime
    age_ms: int


@dataclass(frozen=True, slots=True)
class ColumnQuality:
    """What stands in a column.

    Attributes:
        name: Name of the column.
        type: Its type.
        null_rate: Share of the rows without a value, 0 to 1.
        min: Smallest value of a number.
        p50: Median of a number.
        p99: 99th percentile of a number.
        max: Largest value of a number.
        mean: Mean of a number; of a bool, the share that is true.
        distinct: Number of different values of a text or bool.
    """

    name: str
    type: ColumnType
    null_rate: float
    min: float | None = None
    p50: float | None = None
    p99: float | None = None
    max: float | None = None
    mean: float | None = None
    distinct: int | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """What stands in the columns of a view.

    Attributes:
        rows: How many rows were judged.
        oldest_event_time: Smallest event time among them.
        newest_event_time: Largest event time among them.
        is_approximate: Whether quantiles and numbers of different values are approximations.
        late_rows: Events that came late; by arrival their rows are there, by event time they gave none.
        late_share: Their share of all that were neither duplicates nor refused, 0 to 1.
        duplicates: Events that gave no row, because they repeated another one.
        duplicate_share: Their share of rows and duplicates together, 0 to 1.
        columns: The columns, in the order of the declaration.
    """

    rows: int
    oldest_event_time: datetime
    newest_event_time: datetime
    is_approximate: bool
    late_rows: int
    late_share: float
    duplicates: int
    duplicate_share: float
    columns: tuple[ColumnQuality, ...]


def stored_rows(lake: Lake, views: Sequence[View]) -> list[StoredRows]:
    """Return what the lake holds of each view; nothing where it holds none.

    Args:
        lake: The lake; the tables of the views are declared to it.
        views: The views.
    """
    if not views:
        return []
    selects = [_count_of(view, index) for index, view in enumerate(views)]
    digests = {f"d{index}": view.digest for index, view in enumerate(views)}
    rows = _ask(lake, "\nUNION ALL\n".join(selects) + "\nORDER BY view", digests)
    return [StoredRows(*row[1:]) for row in rows]


def _count_of(view: View, index: int) -> str:
    present = f'"declaration" = $d{index}'
    return (
        f"SELECT {index} AS view, count(*) FILTER (WHERE {present}), count(*) FILTER (WHERE NOT {present}),"
        f' max("event_time") FILTER (WHERE {present}), max("clock") FILTER (WHERE {present}) FROM {_table(view)}'
    )


def freshness(lake: Lake, view: View, *, now: datetime, newest_rows: int = FRESH_ROWS) -> Freshness | None:
    """Return how fresh the newest rows are; None when the lake holds none.

    A repaired row (revision above 0) was not made by the stream and is left out. The lake keeps no time of writing
    beside a row, so the way ends where the job has made it.

    Args:
        lake: The lake; the view's table is declared to it.
        view: The view.
        now: The instant that ages are counted to, timezone-aware.
        newest_rows: How many rows are measured, the last that were made.
    """
    instants = ("event_time", "ingested_at", "emitted_at")
    hops = tuple(pairwise(instants))
    took = [f'epoch_ms("{end}") - epoch_ms("{start}")' for start, end in hops]
    measures = [f"quantile_cont({ms}, [0.5, 0.99]), max({ms})" for ms in took]
    query = f"""
SELECT count(*), max("emitted_at"), {lines(measures)}
FROM (
  SELECT {", ".join(f'"{instant}"' for instant in instants)} FROM {_table(view)}
  WHERE "declaration" = $declaration AND "revision" = 0
  ORDER BY "emitted_at" DESC, "source_offset" DESC, "source_partition" LIMIT $newest_rows
)"""
    (row,) = _ask(lake, query, {"declaration": view.digest, "newest_rows": newest_rows})
    rows, newest, *measured = row
    if not rows:
        return None
    found = tuple(
        Hop(f"{start} → {end}", p50, p99, longest)
        for (start, end), (p50, p99), longest in zip(hops, measured[0::2], measured[1::2], strict=True)
    )
    return Freshness(rows, found, newest, (now - newest) // timedelta(milliseconds=1))


def quality(
    lake: Lake, view: View, stored: StoredRows, *, last: timedelta | None = None, exact_values: int = EXACT_VALUES
) -> Quality | None:
    """Return what stands in the columns of the view's rows; None when the lake holds none.

    Args:
        lake: The lake; the view's table and the ledgers are declared to it.
        view: The view.
        stored: What the lake holds of it.
        last: Only rows whose event time lies less than this before the newest event time; None: all.
        exact_values: Above this number of values (rows × columns) quantiles and numbers of different values are
            approximations.
    """
    if not stored.rows or stored.newest_event_time is None:
        return None
    is_approximate = stored.rows * len(view.columns) > exact_values
    parameters: dict[str, object] = {"declaration": view.digest, "view": view.name}
    if last is not None:
        parameters["since"] = stored.newest_event_time - last
    measures = list(_measures(view, is_approximate))
    (row,) = _ask(lake, _quality_query(view, [sql for _, _, sql in measures], "since" in parameters), parameters)
    rows, oldest, newest, late, duplicates, *values = row
    figures: list[dict[str, Any]] = [{} for _ in view.columns]
    for (index, figure, _), value in zip(measures, values, strict=True):
        figures[index][figure] = value
    columns = zip(view.columns, figures, strict=True)
    return Quality(
        rows=rows,
        oldest_event_time=oldest,
        newest_event_time=newest,
        is_approximate=is_approximate,
        late_rows=late,
        late_share=late / (rows + late if view.order == "event_time" else rows),
        duplicates=duplicates,
        duplicate_share=duplicates / (rows + duplicates),
        columns=tuple(_column_quality(column.name, column.type, rows, found) for column, found in columns),
    )


def _measures(view: View, is_approximate: bool) -> Iterator[tuple[int, str, str]]:
    """Yield what is asked of each column: its index, the name of the figure, and the SQL."""
    quantiles = "approx_quantile" if is_approximate else "quantile_cont"
    for index, column in enumerate(view.columns):
        name = quoted(column.name)
        yield index, "values", f"count({name})"
        if column.type in _NUMBERS:
            yield index, "min", f"min({name})"
            yield index, "quantiles", f"{quantiles}(CAST({name} AS DOUBLE), [0.5, 0.99])"
            yield index, "max", f"max({name})"
            yield index, "mean", f"avg({name})"
            continue
        yield index, "distinct", f"approx_count_distinct({name})" if is_approximate else f"count(DISTINCT {name})"
        if column.type == "bool":
            yield index, "mean", f"avg(CAST({name} AS INTEGER))"


def _quality_query(view: View, measures: Sequence[str], is_ranged: bool) -> str:
    table = _table(view)
    since = ' AND "event_time" > $since' if is_ranged else ""
    # A job that began anew has noted the same events again.
    event = 'count(DISTINCT ("event_id", "partition", "offset"))'
    ledger = f'l."view" = $view AND l."declaration" = $declaration{since}'
    return f"""
SELECT count(*), min("event_time"), max("event_time"),
  (SELECT {event} FROM ops.late_events AS l WHERE {ledger}),
  (SELECT {event} FROM ops.duplicates AS l WHERE {ledger}),
  {lines(measures)}
FROM {table} WHERE "declaration" = $declaration{since}"""


def _column_quality(name: str, kind: ColumnType, rows: int, found: dict[str, Any]) -> ColumnQuality:
    p50, p99 = found.get("quantiles") or (None, None)
    return ColumnQuality(
        name=name,
        type=kind,
        null_rate=1 - found["values"] / rows,
        min=found.get("min"),
        p50=p50,
        p99=p99,
        max=found.get("max"),
        mean=_finite(found.get("mean")),
        distinct=found.get("distinct"),
    )


def _finite(value: float | None) -> float | None:
    # The sum on the way to a mean may be beyond what a double holds.
    return None if value is None or not math.isfinite(value) else value


def _table(view: View) -> str:
    return f"features.{quoted(view.name)}"


def _ask(lake: Lake, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    from headrace_lake.query import Limits

    return lake.sql(query, parameters, Limits(seconds=_SECONDS)).rows
