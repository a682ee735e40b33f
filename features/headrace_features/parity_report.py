"""What a comparison of streamed with recomputed rows found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Outcome = Literal["passed", "failed", "not verifiable"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between what was streamed and what follows from the events.

    Attributes:
        event_id: The event.
        partition: Its partition.
        offset: Its offset.
        column: The column; `row` when the row is missing, unexpected or doubled; `late_events` or `duplicates` for a
            ledger.
        streamed: What stands in the lake.
        recomputed: What follows from the events.
    """

    event_id: str
    partition: int
    offset: int
    column: str
    streamed: object
    recomputed: object


@dataclass(slots=True)
class ParityReport:
    """The figures of one view.

    Attributes:
        view: Name of the view.
        declaration: Hash of the declaration that was verified.
        order: Order of the view: `arrival` or `event_time`.
        rows: Rows of this declaration that were compared with an event.
        differing: Of those, rows with another value than the recomputed one.
        missing: Events without a row, though rows of later events of their partition are there.
        unexpected: Rows that no event accounts for.
        doubled: Rows beyond the first of an event and revision.
        ledger_differences: Entries of the ledgers of late events and duplicates that are missing, wrong or too many.
        pending: Events whose row or ledger entry, and rows whose event, is not in the lake yet.
        open_values: Values about which nothing follows: after an overflow, or where two sums are too near to be told
            apart.
        not_verifiable: Why rows cannot be judged → how many.
        first_differences: The first differences.
    """

    view: str
    declaration: str
    order: str = "arrival"
    rows: int = 0
    differing: int = 0
    missing: int = 0
    unexpected: int = 0
    doubled: int = 0
    ledger_differences: int = 0
    pending: int = 0
    open_values: int = 0
    not_verifiable: dict[str, int] = field(default_factory=dict)
    first_differences: list[Difference] = field(default_factory=list)

    @property
    def verified(self) -> int:
        """Rows that are what follows from their events."""
        return self.rows - self.differing

    @property
    def mismatches(self) -> int:
        """All that is wrong: rows that differ, are missing, unexpected or doubled, and ledger entries."""
        return self.differing + self.missing + self.unexpected + self.doubled + self.ledger_differences

    @property
    def outcome(self) -> Outcome:
        """`passed` only when rows were compared and nothing was wrong."""
        if self.mismatches:
            return "failed"
        return "passed" if self.rows else "not verifiable"

    @property
    def passed(self) -> bool:
        """Whether rows were compared and nothing was wrong."""
        return self.outcome == "passed"

    @property
    def _waits_for(self) -> str:
        if self.order == "arrival":
            return "not yet in the lake"
        return "their rows wait for the watermark, or are not yet in the lake"

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data, its sums included."""
        sums = {"outcome": self.outcome, "verified": self.verified, "mismatches": self.mismatches}
        return {**sums, **asdict(self)}

    def text(self) -> str:
        """Return the report for people: one line of the outcome, then what else there is to say."""
        said = [
            f"{self.view} (declaration {self.declaration}): {self.outcome},"
            f" {self.verified} of {self.rows} rows verified"
        ]
        figures = {
            "rows differ": self.differing,
            "rows are missing": self.missing,
            "rows have no event": self.unexpected,
            "rows are doubled": self.doubled,
            "ledger entries differ": self.ledger_differences,
            f"are pending: {self._waits_for}": self.pending,
            "values are open: nothing follows about them": self.open_values,
        }
        said += [f"  {count} {what}" for what, count in figures.items() if count]
        if not self.rows and not self.not_verifiable:
            said.append("  the lake holds no row of it yet: send events, or wait until they are stored")
        said += [f"  {rows} rows are not verifiable: {why}" for why, rows in self.not_verifiable.items()]
        said += [
            f"  {d.event_id} (partition {d.partition}, offset {d.offset}) {d.column}:"
            f" streamed {d.streamed!r}, recomputed {d.recomputed!r}"
            for d in self.first_differences
        ]
        return "\n".join(said)
