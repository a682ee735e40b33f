"""The figures of one table, of one version of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import duckdb
from headrace_ingestion.errors import closest

from headrace_lake.catalog import Lake
from headrace_lake.describe import TableDescription
from headrace_lake.errors import QueryError
from headrace_lake.profile.columns import SAMPLE, ColumnFigures, column_figures, correlation, is_numeric
from headrace_lake.profile.series import SeriesFigures, series_figures
from headrace_lake.query import Limits, time_limit
from headrace_lake.query_errors import query_error
from headrace_lake.views import quoted

SAMPLE_ROWS = 100_000
_MOST_SERIES = 3
# What headrace adds to every row; nobody chooses lags of these.
_ENVELOPE = {
    "event_id",
    "generation",
    "source_partition",
    "source_offset",
    "revision",
    "declaration",
    "model",
    "version",
}


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """How rows are spread over keys; over all rows.

    Attributes:
        column: The key.
        keys: Number of keys.
        heaviest: Share of the rows that the heaviest key has, 0 to 1.
        heaviest_ten: Share that the ten heaviest have together.
        median_rows: Rows of the key in the middle.
        most_rows: Rows of the heaviest key.
    """

    column: str
    keys: int
    heaviest: float
    heaviest_ten: float
    median_rows: float
    most_rows: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What stands in a table.

    Attributes:
        table: How the table stands.
        rows: Rows that a query sees; without duplicates and replaced revisions.
        sampled_rows: Rows that the figures of columns and the correlation are of, drawn at random.
        columns: Figures of each column.
        correlated: Names of the columns of `correlation`.
        correlation: Spearman's, [columns, columns]; None: not known.
        keys: How rows are spread over keys; None: no key is known.
        series: What numeric columns do over time; of all rows, by key of whole keys.
    """

    table: TableDescription
    rows: int
    sampled_rows: int
    columns: tuple[ColumnFigures, ...]
    correlated: tuple[str, ...]
    correlation: tuple[tuple[float | None, ...], ...]
    keys: KeyFigures | None
    series: tuple[SeriesFigures, ...]


def profile(
    lake: Lake,
    name: str,
    *,
    columns: Sequence[str] = (),
    key: str | None = None,
    time: str | None = None,
    sample_rows: int = SAMPLE_ROWS,
    limits: Limits | None = None,
) -> Profile:
    """Return the figures of a table.

    Args:
        lake: The lake.
        name: `<schema>.<name>`, or `ext.<name>`.
        columns: Numeric columns to follow over time; none: the first three that are not headrace's own.
        key: The key column; None: the declared one.
        time: The column of event time; None: the declared one.
        sample_rows: Most rows that distributions are computed from.
        limits: What it may use.

    Raises:
        QueryError: There is no such table or column, or it takes longer than the limits allow.
    """
    described = lake.describe(name)
    described = replace(described, key=key or described.key, time=time or described.time)
    for column in (key, time):
        _check_column(described, column)
    _check_kind(described, columns, "numbers", is_numeric)
    _check_kind(described, [time] if time else [], "times", _is_time)
    allowed = limits or Limits(seconds=600)
    with lake.connect(is_locked=True, limits=allowed) as connection, time_limit(connection, allowed.seconds):
        try:
            return _profile(connection, described, list(columns), sample_rows)
        except duckdb.Error as error:
            raise query_error(error, f"profile of {name}", [name], allowed) from error


def _profile(
    connection: duckdb.DuckDBPyConnection, described: TableDescription, followed: list[str], sample_rows: int
) -> Profile:
    schema, _, name = described.table.partition(".")
    table = f"{quoted(schema)}.{quoted(name)}"
    (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0]
    drawn = f" USING SAMPLE reservoir({sample_rows} ROWS) REPEATABLE (1)" if rows > sample_rows else ""
    connection.execute(f"CREATE TEMP TABLE {SAMPLE} AS SELECT * FROM {table}{drawn}")
    columns = [column_figures(connection, name, kind) for name, kind in described.columns.items()]
    correlated, matrix = correlation(connection, [one for one in columns if _is_followed(one.name)])
    series: list[SeriesFigures | None] = []
    if described.time is not None:
        every_nth_key = max(1, -(-rows // sample_rows))
        chosen = followed or [one.name for one in columns if one.is_numeric and _is_followed(one.name)][:_MOST_SERIES]
        series = [
            series_figures(connection, table, column, described.time, described.key, every_nth_key) for column in chosen
        ]
    return Profile(
        described,
        rows,
        min(rows, sample_rows),
        tuple(columns),
        tuple(correlated),
        tuple(tuple(row) for row in matrix),
        _key_figures(connection, table, described.key, rows),
        tuple(one for one in series if one is not None),
    )


def _is_followed(column: str) -> bool:
    return not column.startswith("_") and column not in _ENVELOPE


def _key_figures(connection: duckdb.DuckDBPyConnection, table: str, key: str | None, rows: int) -> KeyFigures | None:
    if key is None or rows == 0:
        return None
    keys, most, ten, median = connection.execute(
        "SELECT count(*), max(n), sum(n) FILTER (place <= 10), median(n) FROM (SELECT n, row_number() OVER "
        f"(ORDER BY n DESC) AS place FROM (SELECT count(*) AS n FROM {table} GROUP BY {quoted(key)}))"
    ).fetchall()[0]
    return KeyFigures(key, keys, most / rows, int(ten) / rows, median, most)


def _check_column(described: TableDescription, column: str | None) -> None:
    if column is not None and column not in described.columns:
        raise QueryError(
            f"table {described.table} has no column {column!r}",
            {"columns": ", ".join(described.columns)},
            closest(column, described.columns) or f"headrace lake describe {described.table}",
        )


def _check_kind(described: TableDescription, columns: Sequence[str], what: str, fits: Callable[[str], bool]) -> None:
    for column in columns:
        _check_column(described, column)
        if not fits(described.columns[column]):
            raise QueryError(
                f"column {column!r} of {described.table} is {described.columns[column]}",
                {what: ", ".join(name for name, kind in described.columns.items() if fits(kind)) or "none"},
                f"headrace lake describe {described.table}",
            )


def _is_time(kind: str) -> bool:
    return kind.upper().startswith(("TIMESTAMP", "DATE"))
