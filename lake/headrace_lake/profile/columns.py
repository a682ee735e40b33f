"""Figures of the columns of a sample: nulls, distinct values, distributions, correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from headrace_lake.views import quoted

SAMPLE = "headrace_sample"
"""Name of the table, in the connection, that holds the sampled rows."""

BINS = 32
TOP_VALUES = 8
MOST_CORRELATED = 24

_NUMERIC = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
)
_CATEGORY = ("VARCHAR", "BOOLEAN", "ENUM", "UUID", "DATE")


@dataclass(frozen=True, slots=True)
class ColumnFigures:
    """Figures of one column of the sample.

    Attributes:
        name: Its name.
        type: Its type in SQL.
        null_rate: Share of rows without a value, 0 to 1.
        distinct: Number of different values; None: they cannot be compared.
        minimum: Smallest value of a numeric column.
        maximum: Largest value of it.
        mean: Mean of it.
        std: Population standard deviation of it.
        skew: Skewness of it: 0 symmetric, above 0 a long tail to the right.
        quantiles: 1 %, 25 %, 50 %, 75 % and 99 % of it.
        edges: Edges of its histogram, one more than `counts`; from the 1 % to the 99 % quantile.
        counts: Rows in each bin.
        outside: Rows below the first edge or above the last.
        top: Most frequent values of another column, as text, and their rows.
    """

    name: str
    type: str
    null_rate: float
    distinct: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    skew: float | None = None
    quantiles: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    outside: int = 0
    top: tuple[tuple[str, int], ...] = ()

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers."""
        return is_numeric(self.type)


def is_numeric(kind: str) -> bool:
    """Return whether values of a type of SQL are numbers."""
    return kind.upper().startswith(_NUMERIC) and not kind.endswith("]")


def column_figures(connection: duckdb.DuckDBPyConnection, name: str, kind: str) -> ColumnFigures:
    """Return the figures of a column of the sample."""
    column = quoted(name)
    rows, values = _row(connection, f"SELECT count(*), count({column}) FROM {SAMPLE}")
    null_rate = 1 - values / rows if rows else 0.0
    if is_numeric(kind):
        return _numeric(connection, name, kind, null_rate)
    if not kind.upper().startswith((*_CATEGORY, "TIMESTAMP")) or kind.endswith("]"):
        return ColumnFigures(name, kind, null_rate)
    (distinct,) = _row(connection, f"SELECT count(DISTINCT {column}) FROM {SAMPLE}")
    top: list[tuple[str, int]] = []
    # Of values that each stand once, the most frequent say nothing.
    if kind.upper().startswith(_CATEGORY) and distinct < values:
        top = connection.execute(
            f"SELECT left({column}::VARCHAR, 40), count(*) AS n FROM {SAMPLE} WHERE {column} IS NOT NULL "
            f"GROUP BY 1 ORDER BY n DESC, 1 LIMIT {TOP_VALUES}"
        ).fetchall()
    return ColumnFigures(name, kind, null_rate, distinct, top=tuple(top))


def correlation(
    connection: duckdb.DuckDBPyConnection, columns: list[ColumnFigures]
) -> tuple[list[str], list[list[float | None]]]:
    """Return names of numeric columns and their rank correlation (Spearman), [columns, columns]; None: not known.

    Columns of one value are left out, and those beyond `MOST_CORRELATED`.
    """
    names = [one.name for one in columns if one.is_numeric and (one.distinct or 0) > 1][:MOST_CORRELATED]
    if len(names) < 2:
        return names, []
    listed = ", ".join(f"{quoted(name)}::DOUBLE AS {quoted(name)}" for name in names)
    found = connection.execute(f"SELECT {listed} FROM {SAMPLE}").df().corr("spearman", min_periods=10)
    return names, [[None if np.isnan(value) else float(value) for value in row] for row in found.to_numpy()]


def _numeric(connection: duckdb.DuckDBPyConnection, name: str, kind: str, null_rate: float) -> ColumnFigures:
    value = f"{quoted(name)}::DOUBLE"
    # A skewness of one value is NaN, and of fewer than three an error or null: all of them are "not known".
    distinct, low, high, mean, std, skew, quantiles = _row(
        connection,
        f"SELECT count(DISTINCT x), min(v), max(v), avg(v), stddev_pop(v), skewness(v), "
        f"quantile_cont(v, [0.01, 0.25, 0.5, 0.75, 0.99]) "
        f"FROM (SELECT {quoted(name)} AS x, {value} AS v FROM {SAMPLE}) WHERE isfinite(v)",
    )
    if not distinct:
        return ColumnFigures(name, kind, null_rate, 0)
    edges, counts, outside = _histogram(connection, value, distinct, (quantiles[0], quantiles[-1]), (low, high))
    return ColumnFigures(
        name,
        kind,
        null_rate,
        distinct,
        low,
        high,
        mean,
        std,
        skew if skew is not None and np.isfinite(skew) else None,
        tuple(quantiles),
        edges,
        counts,
        outside,
    )


def _histogram(
    connection: duckdb.DuckDBPyConnection,
    value: str,
    distinct: int,
    inner: tuple[float, float],
    outer: tuple[float, float],
) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    """Return edges, rows in each bin, and rows beside them; nothing when there is no span to divide."""
    first, last = inner if inner[0] < inner[1] else outer
    width = last - first
    # Seen from the first edge: large numbers that are close together would leave no room for edges between them.
    if not 0 < width < float("inf"):
        return (), (), 0
    values = connection.execute(f"SELECT {value} - $1 AS v FROM {SAMPLE} WHERE isfinite({value})", [first]).fetchnumpy()
    counts, edges = np.histogram(np.asarray(values["v"]), bins=min(BINS, max(distinct, 2)), range=(0.0, width))
    return tuple((edges + first).tolist()), tuple(counts.tolist()), int(len(values["v"]) - counts.sum())


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] = connection.execute(query).fetchall()[0]
    return found
