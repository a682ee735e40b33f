"""Rules of quality, and what a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Kind = Literal["null_rate", "range", "values", "unique", "freshness", "volume"]
Severity = Literal["warn", "fail"]
Status = Literal["passed", "warned", "failed", "unknown"]

MARKS_ROWS: tuple[Kind, ...] = ("null_rate", "range", "values", "unique")
"""The kinds that say of each row whether it is as expected; the others speak of the whole table."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation of a table.

    Attributes:
        table: `<schema>.<name>`.
        name: Its name, once a table.
        kind: What is measured: the share of rows that are not as expected (0 to 1); `freshness`: the age of the newest
            row in seconds; `volume`: rows of the last `window`, divided by those of the same time a week before.
        columns: The columns it reads; of `freshness` and `volume` the time.
        minimum: Smallest value of a `range`.
        maximum: Largest value of a `range`.
        allowed: The `values` that are allowed, as text.
        at_least: Smallest measure that passes; None: any.
        at_most: Largest measure that passes; None: any.
        window: Length of what `volume` compares.
        over: Look at rows recorded in this time before now only; None: all.
        severity: Whether a breach only warns.
        is_quarantined: Whether rows that are not as expected are copied to `ops.quarantine`.
    """

    table: str
    name: str
    kind: Kind
    columns: tuple[str, ...]
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    window: timedelta = timedelta(hours=1)
    over: timedelta | None = None
    severity: Severity = "fail"
    is_quarantined: bool = False

    @property
    def expected(self) -> str:
        """What passes, for people."""
        parts = [] if self.at_least is None else [f"at least {self.at_least:g}"]
        parts += [] if self.at_most is None else [f"at most {self.at_most:g}"]
        unit = " s" if self.kind == "freshness" else ""
        return f"{' and '.join(parts) or 'anything'}{unit}"

    def passes(self, measure: float) -> bool:
        """Return whether a measure is as expected."""
        return (self.at_least is None or measure >= self.at_least) and (self.at_most is None or measure <= self.at_most)


@dataclass(frozen=True, slots=True)
class Finding:
    """What the check of one rule found.

    Attributes:
        table: `<schema>.<name>`.
        rule: Name of the rule.
        kind: Its kind.
        status: `unknown`: there is nothing to measure.
        measure: What was measured; None when nothing could be.
        expected: What passes, for people.
        rows: Rows that were looked at.
        failing: Of them, those that are not as expected; None for rules of the whole table.
        quarantined: Rows that were copied to `ops.quarantine` now.
        detail: Why nothing could be measured.
        seconds: Time it took.
    """

    table: str
    rule: str
    kind: Kind
    status: Status
    measure: float | None
    expected: str
    rows: int
    failing: int | None
    quarantined: int
    detail: str | None
    seconds: float
