"""The rows of a shadow run against those of production, event by event.

Relations: `here`, the rows of the run; `there`, of each event of the range production's newest row that is no repair;
`here_late`, the events that the run has noted as late, and `there_late`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from headrace_features.duckdb_events import rows_of
from headrace_features.duckdb_ledgers import stored_columns
from headrace_features.duckdb_text import lines, quoted, text
from headrace_features.shadow_report import ShadowDifference, ShadowReport
from headrace_features.view import View

MOST_DIFFERENCES = 20
_ENVELOPE = {
    "event_id", "event_time", "clock", "generation", "source_partition", "source_offset", "revision", "declaration",
    "ingested_at", "emitted_at", "_partition", "_offset", "_key", "_recorded_at",
}  # fmt: skip
_PLACE = '"source_partition", "source_offset"'
_NUMBERS = ("DOUBLE", "FLOAT", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


def compare_shadow(
    connection: duckdb.DuckDBPyConnection,
    report: ShadowReport,
    view: View,
    rows: Iterable[pa.Table],
    late: Iterable[pa.Table],
    *,
    tolerance: float,
    most_differences: int = MOST_DIFFERENCES,
) -> None:
    """Fill a report whose `begins` and `ends` say which events are compared.

    Args:
        connection: Of the lake.
        report: The report.
        view: The view that ran.
        rows: What it gave, under the names of the columns of its table.
        late: What it noted as late, likewise.
        tolerance: Doubles are equal when they differ by at most this share of the larger one.
        most_differences: How many differences are listed.
    """
    _load(connection, "here", rows, rows_of(view))
    _load(connection, "here_late", late, "raw.ops_late_events")
    # A run reads labels that wait for their time from before its range.
    before = " ".join(f'WHEN {number} THEN "source_offset" < {begin}' for number, begin in report.begins.items())
    connection.execute(f'DELETE FROM here WHERE CASE "source_partition" {before} ELSE FALSE END')
    _make_there(connection, view, _in_span(report.begins, report.ends))
    if view.order == "event_time":
        newest = f'SELECT max("event_time") FROM {rows_of(view)}'
        deleted = connection.execute(f'DELETE FROM here WHERE "event_time" > ({newest})').fetchall()
        report.pending = int(deleted[0][0])
    counted = connection.execute('SELECT "declaration", count(*) FROM there GROUP BY ALL ORDER BY ALL').fetchall()
    report.production = dict(counted)
    conditions = _conditions(connection, report, view, tolerance)
    _count(connection, report, conditions)
    if not report.passed:
        _list(connection, report, conditions, most_differences)


def reach_of_rows(connection: duckdb.DuckDBPyConnection, view: View) -> dict[int, int]:
    """Return partition → first offset behind the newest row of production in the lake."""
    query = f'SELECT "source_partition", max("source_offset") + 1 FROM {rows_of(view)} GROUP BY ALL ORDER BY 1'
    return dict(connection.execute(query).fetchall())


def _load(connection: duckdb.DuckDBPyConnection, name: str, pieces: Iterable[pa.Table], like: str) -> None:
    is_there = False
    for piece in pieces:
        connection.register("piece", piece)
        verb = f"INSERT INTO {name} BY NAME" if is_there else f"CREATE OR REPLACE TEMP TABLE {name} AS"
        connection.execute(f"{verb} SELECT * FROM piece")
        connection.unregister("piece")
        is_there = True
    if is_there:
        return
    if stored_columns(connection, like):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM {like} LIMIT 0")
    else:
        connection.execute(f'CREATE OR REPLACE TEMP TABLE {name} ("view" VARCHAR, "partition" INT, "offset" BIGINT)')


def _in_span(begins: Mapping[int, int], ends: Mapping[int, int]) -> str:
    cases = " ".join(
        f'WHEN {number} THEN "source_offset" >= {begin} AND "source_offset" < {ends[number]}'
        for number, begin in begins.items()
    )
    return f'CASE "source_partition" {cases} ELSE FALSE END'


def _make_there(connection: duckdb.DuckDBPyConnection, view: View, in_span: str) -> None:
    connection.execute(f"""
CREATE OR REPLACE TEMP TABLE there AS
SELECT * FROM {rows_of(view)} WHERE {in_span} AND "revision" = 0
QUALIFY row_number() OVER (PARTITION BY {_PLACE} ORDER BY "emitted_at" DESC) = 1""")
    late = 'SELECT 0 AS "partition", 0 AS "offset" WHERE FALSE'
    if stored_columns(connection, "raw.ops_late_events"):
        names = f'"view" = {text(view.name)} AND "event" = {text(view.contract.name)}'
        late = f'SELECT DISTINCT "partition", "offset" FROM raw.ops_late_events WHERE {names}'
    connection.execute(f"CREATE OR REPLACE TEMP TABLE there_late AS {late}")


def _types(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}


def _conditions(
    connection: duckdb.DuckDBPyConnection, report: ShadowReport, view: View, tolerance: float
) -> dict[str, str]:
    """Note which columns are compared, and return for each the condition that it differs."""
    here, there = _types(connection, "here"), _types(connection, "there")
    names = [column.name for column in view.columns]
    others = [name for name in there if name not in _ENVELOPE and name not in names and name != view.key]
    filled = _filled(connection, "there", [*(name for name in names if name in there), *others])
    is_given = _filled(connection, "here", names)
    # Rows of another declaration have nulls in columns that it did not have.
    is_its_own = set(report.production) <= {view.digest}
    shared = [name for name in names if name in there and (is_its_own or filled[name] or not is_given[name])]
    report.columns_only_shadow = [name for name in names if name not in shared]
    report.columns_only_production = [name for name in others if filled[name]]
    report.compared = ["event_id", "clock", "generation", *shared]
    return {name: _differs(name, here[name], there[name], tolerance) for name in report.compared}


def _filled(connection: duckdb.DuckDBPyConnection, table: str, names: list[str]) -> dict[str, bool]:
    if not names:
        return {}
    counts = connection.execute(f"SELECT {', '.join(f'count({quoted(name)})' for name in names)} FROM {table}")
    return dict(zip(names, map(bool, counts.fetchall()[0]), strict=True))


def _differs(name: str, here: str, there: str, tolerance: float) -> str:
    a, b = f"h.{quoted(name)}", f"t.{quoted(name)}"
    if here != there and not (here in _NUMBERS and there in _NUMBERS):
        a, b = f"CAST({a} AS VARCHAR)", f"CAST({b} AS VARCHAR)"
    apart = f"{a} IS DISTINCT FROM {b}"
    if tolerance and "DOUBLE" in (here, there) and here in _NUMBERS and there in _NUMBERS:
        near = f"abs({a} - {b}) <= {tolerance!r} * greatest(abs({a}), abs({b}))"
        return f"({apart} AND NOT COALESCE(isfinite({a} - {b}) AND {near}, FALSE))"
    return f"({apart})"


_JOINED = (
    'here AS h FULL JOIN there AS t ON h."source_partition" = t."source_partition"'
    ' AND h."source_offset" = t."source_offset"'
)
_BOTH = 'h."event_id" IS NOT NULL AND t."event_id" IS NOT NULL'


def _noted(side: str, ledger: str) -> str:
    return f'({side}."source_partition", {side}."source_offset") IN (SELECT ("partition", "offset") FROM {ledger})'


def _count(connection: duckdb.DuckDBPyConnection, report: ShadowReport, conditions: Mapping[str, str]) -> None:
    types = {name: _types(connection, "here")[name] for name in conditions}
    numbers = [name for name, kind in types.items() if kind in _NUMBERS]
    differs = f"({' OR '.join(conditions.values())})"
    columns = [
        f"count(*) FILTER ({_BOTH} AND NOT {differs})",
        f"count(*) FILTER ({_BOTH} AND {differs})",
        'count(*) FILTER (t."event_id" IS NULL)',
        'count(*) FILTER (h."event_id" IS NULL)',
        f"""count(*) FILTER (t."event_id" IS NULL AND {_noted("h", "there_late")})""",
        f"""count(*) FILTER (h."event_id" IS NULL AND {_noted("t", "here_late")})""",
        *(f"count(*) FILTER ({_BOTH} AND {condition})" for condition in conditions.values()),
        *(
            f"max(abs(TRY_CAST(h.{quoted(name)} AS DOUBLE) - TRY_CAST(t.{quoted(name)} AS DOUBLE)))"
            f" FILTER ({_BOTH} AND {conditions[name]})"
            for name in numbers
        ),
    ]
    figures: tuple[Any, ...] = connection.execute(f"SELECT\n  {lines(columns)}\nFROM {_JOINED}").fetchall()[0]
    report.equal, report.different, report.only_shadow, report.only_production = figures[:4]
    report.late_in_production, report.late_in_shadow = figures[4:6]
    differing = zip(conditions, figures[6:], strict=False)
    report.differing = {name: count for name, count in differing if count}
    largest = zip(numbers, figures[6 + len(conditions) :], strict=True)
    report.largest = {name: value for name, value in largest if value is not None}


def _list(
    connection: duckdb.DuckDBPyConnection, report: ShadowReport, conditions: Mapping[str, str], most: int
) -> None:
    place = ", ".join(f"COALESCE(h.{name}, t.{name})" for name in ('"event_id"', *_PLACE.split(", ")))
    values = [
        f"CAST(h.{quoted(name)} AS VARCHAR), CAST(t.{quoted(name)} AS VARCHAR), {condition}"
        for name, condition in conditions.items()
    ]
    query = f"""
SELECT
  {lines([place, 'h."event_id" IS NOT NULL', 't."event_id" IS NOT NULL', *values])}
FROM {_JOINED} WHERE NOT ({_BOTH}) OR {" OR ".join(conditions.values())} ORDER BY 2, 3 LIMIT {most}"""
    for event_id, partition, offset, is_here, is_there, *found in connection.execute(query).fetchall():
        at = (event_id, partition, offset)
        if not (is_here and is_there):
            words = ("a row" if is_here else "no row", "a row" if is_there else "no row")
            report.first_differences.append(ShadowDifference(*at, "row", *words))
            continue
        for name, here, there, differs in zip(conditions, found[0::3], found[1::3], found[2::3], strict=True):
            if differs and len(report.first_differences) < most:
                report.first_differences.append(ShadowDifference(*at, name, here, there))
