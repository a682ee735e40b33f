"""A rule → SQL → what it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from headrace_ingestion.clock import Clock

from headrace_lake.catalog import Lake
from headrace_lake.errors import QueryError
from headrace_lake.quality.quarantine import quarantine, record_findings
from headrace_lake.quality.rules import MARKS_ROWS, Finding, Rule
from headrace_lake.query import Limits
from headrace_lake.views import quoted

WEEK = timedelta(days=7)

Parameters = dict[str, object]


def check(lake: Lake, rule: Rule, clock: Clock, limits: Limits | None = None) -> Finding:
    """Return what a rule finds, and copy rows to `ops.quarantine` where it says so.

    A rule that cannot be asked (a column is not there) is a failed one, and says why.

    Args:
        lake: The lake.
        rule: The rule.
        clock: The clocks.
        limits: What its query may use.

    Raises:
        LakeWriteError: Rows could not be copied.
    """
    began = clock.monotonic_seconds()
    now = datetime.fromtimestamp(clock.now_ms() / 1_000, UTC)
    try:
        found = _MEASURES[rule.kind](lake, rule, now, limits)
        if rule.is_quarantined and found.failing:
            failing, parameters = failing_rows(rule, now)
            copied = quarantine(lake, rule, failing, parameters, now, limits)
            found = replace(found, quarantined=copied)
    except QueryError as error:
        found = _finding(rule, None, 0, None, str(error).splitlines()[0])
        found = replace(found, status="warned" if rule.severity == "warn" else "failed")
    return replace(found, seconds=clock.monotonic_seconds() - began)


def check_and_record(
    lake: Lake, rules: Sequence[Rule], who: str, clock: Clock, limits: Limits | None = None
) -> list[Finding]:
    """Check rules one after the other, add what they find to `ops.quality`, and return it.

    Args:
        lake: The lake.
        rules: The rules.
        who: Who asked.
        clock: The clocks.
        limits: What one query may use.

    Raises:
        LakeWriteError: Something could not be stored.
    """
    findings = [check(lake, rule, clock, limits) for rule in rules]
    record_findings(lake.path, findings, datetime.fromtimestamp(clock.now_ms() / 1_000, UTC), who)
    return findings


def failing_rows(rule: Rule, now: datetime) -> tuple[str, Parameters]:
    """Return a query of `record` (the row) and `is_failing`, for every row that is looked at, and its parameters."""
    schema, _, name = rule.table.partition(".")
    condition, parameters = _condition(rule)
    since = ""
    if rule.over is not None:
        since = " WHERE t._recorded_at > $since"
        parameters["since"] = now - rule.over
    rows = f"{quoted(schema)}.{quoted(name)} AS t"
    return f"SELECT t AS record, coalesce({condition}, false) AS is_failing FROM {rows}{since}", parameters


def _condition(rule: Rule) -> tuple[str, Parameters]:
    column = f"t.{quoted(rule.columns[0])}"
    if rule.kind == "null_rate":
        return f"{column} IS NULL", {}
    if rule.kind == "range":
        bounds = {"minimum": rule.minimum, "maximum": rule.maximum}
        given: Parameters = {name: value for name, value in bounds.items() if value is not None}
        signs = {"minimum": "<", "maximum": ">"}
        return " OR ".join(f"{column} {signs[name]} ${name}" for name in given), given
    if rule.kind == "values":
        return f"NOT list_contains($allowed::VARCHAR[], {column}::VARCHAR)", {"allowed": list(rule.allowed)}
    columns = ", ".join(f"t.{quoted(name)}" for name in rule.columns)
    are_there = " AND ".join(f"t.{quoted(name)} IS NOT NULL" for name in rule.columns)
    # Of rows that are equal, the first is as expected.
    place = f"row_number() OVER (PARTITION BY {columns} ORDER BY t._recorded_at, t._partition, t._offset)"
    return f"{are_there} AND {place} > 1", {}


def _share(lake: Lake, rule: Rule, now: datetime, limits: Limits | None) -> Finding:
    query, parameters = failing_rows(rule, now)
    counted = f"SELECT count(*), count(*) FILTER (is_failing) FROM ({query})"
    ((rows, failing),) = lake.sql(counted, parameters or None, limits).rows
    if rows == 0:
        return _finding(rule, None, 0, 0, "there are no rows")
    return _finding(rule, failing / rows, rows, failing)


def _freshness(lake: Lake, rule: Rule, now: datetime, limits: Limits | None) -> Finding:
    schema, _, name = rule.table.partition(".")
    time = quoted(rule.columns[0])
    ((newest, rows),) = lake.sql(
        f"SELECT max({time}), count(*) FROM {quoted(schema)}.{quoted(name)} WHERE {time} <= $now", {"now": now}, limits
    ).rows
    # A table without rows is as old as can be.
    age = float("inf") if newest is None else (now - newest).total_seconds()
    return _finding(rule, age, rows, None, "there are no rows" if newest is None else None)


def _volume(lake: Lake, rule: Rule, now: datetime, limits: Limits | None) -> Finding:
    schema, _, name = rule.table.partition(".")
    time = quoted(rule.columns[0])
    moments: Mapping[str, object] = {
        "now": now,
        "began": now - rule.window,
        "ended_then": now - WEEK,
        "began_then": now - WEEK - rule.window,
    }
    ((rows, then),) = lake.sql(
        f"SELECT count(*) FILTER ({time} > $began AND {time} <= $now), "
        f"count(*) FILTER ({time} > $began_then AND {time} <= $ended_then) FROM {quoted(schema)}.{quoted(name)} "
        f"WHERE {time} > $began_then AND {time} <= $now",
        moments,
        limits,
    ).rows
    if then == 0:
        return _finding(rule, None, rows, None, "there are no rows of a week ago")
    return _finding(rule, rows / then, rows, None)


_MEASURES = {**dict.fromkeys(MARKS_ROWS, _share), "freshness": _freshness, "volume": _volume}


def _finding(rule: Rule, measure: float | None, rows: int, failing: int | None, detail: str | None = None) -> Finding:
    if measure is None:
        status = "unknown"
    elif rule.passes(measure):
        status = "passed"
    else:
        status = "warned" if rule.severity == "warn" else "failed"
    return Finding(
        rule.table,
        rule.name,
        rule.kind,
        status,  # type: ignore[arg-type]  # one of three texts of the four
        None if measure == float("inf") else measure,
        rule.expected,
        rows,
        failing,
        0,
        detail,
        0.0,
    )
