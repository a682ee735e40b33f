"""What a comparison of the rows of a shadow run with those of production found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ShadowDifference:
    """One difference.

    Attributes:
        event_id: The event.
        partition: Its partition.
        offset: Its offset.
        column: The column; `row` where one side has no row.
        shadow: What the shadow run gave.
        production: What stands in the lake.
    """

    event_id: str
    partition: int
    offset: int
    column: str
    shadow: object
    production: object


@dataclass(slots=True)
class ShadowReport:
    """The figures of one run.

    Attributes:
        view: Name of the view.
        declaration: Hash of the declaration that ran.
        production: Declaration → rows of production in the range.
        begins: Partition → first offset that was read.
        ends: Partition → first offset that was not.
        equal: Events with a row on both sides, equal in every compared column.
        different: Events with a row on both sides that differ.
        only_shadow: Events with a row of the shadow run only.
        only_production: Events with a row of production only.
        pending: Rows of the run that are newer than any of production's: in the order of event times those may wait.
        late_in_production: Of `only_shadow`, those that production has noted as late.
        late_in_shadow: Of `only_production`, those that the shadow run has noted as late.
        compared: The columns that both have.
        columns_only_shadow: Columns that production's rows do not have.
        columns_only_production: Columns that the shadow run's rows do not have.
        differing: Column → events in which it differs.
        largest: Column of numbers → largest absolute difference.
        seeded: Events of the lake before the range that the run has begun with.
        seconds: How long the job took, its start included.
        namespace: Name of the run.
        first_differences: The first differences.
    """

    view: str
    declaration: str
    production: dict[str, int] = field(default_factory=dict)
    begins: Mapping[int, int] = field(default_factory=dict)
    ends: Mapping[int, int] = field(default_factory=dict)
    equal: int = 0
    different: int = 0
    only_shadow: int = 0
    only_production: int = 0
    pending: int = 0
    late_in_production: int = 0
    late_in_shadow: int = 0
    compared: list[str] = field(default_factory=list)
    columns_only_shadow: list[str] = field(default_factory=list)
    columns_only_production: list[str] = field(default_factory=list)
    differing: dict[str, int] = field(default_factory=dict)
    largest: dict[str, float] = field(default_factory=dict)
    seeded: int = 0
    seconds: float = 0.0
    namespace: str = ""
    first_differences: list[ShadowDifference] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether both have the same events, at least one, and every compared column is equal."""
        return self.equal > 0 and not self.different + self.only_shadow + self.only_production

    @property
    def events(self) -> int:
        """Events with a row on either side."""
        return self.equal + self.different + self.only_shadow + self.only_production

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data, its sums included."""
        return {"passed": self.passed, "events": self.events, **asdict(self)}

    def text(self) -> str:
        """Return the report for people: one line of the outcome, then what else there is to say."""
        outcome = "equal" if self.passed else "different"
        spans = ", ".join(f"{number}: {begin} to {self.ends[number]}" for number, begin in self.begins.items())
        said = [
            f"{self.view} (declaration {self.declaration}): {outcome}, {self.equal} of {self.events} events are equal"
            f" in {len(self.compared)} columns",
            f"  range: {spans}; begun with {self.seeded} events before it; {self.seconds:.1f} s",
            "  production: " + (", ".join(f"{rows} rows of {d}" for d, rows in self.production.items()) or "no rows"),
        ]
        figures = {
            "events differ": self.different,
            "events have a row here only": self.only_shadow,
            "of these, production has noted as late": self.late_in_production,
            "events have a row in production only": self.only_production,
            "of these, this run has noted as late": self.late_in_shadow,
            "rows are newer than production's: those wait for a watermark": self.pending,
        }
        said += [f"  {count} {what}" for what, count in figures.items() if count]
        for what, names in {"here": self.columns_only_shadow, "in production": self.columns_only_production}.items():
            if names:
                said.append(f"  columns {what} only: {', '.join(names)}")
        for name, count in self.differing.items():
            by = f", by {self.largest[name]:.6g} at most" if name in self.largest else ""
            said.append(f"  {name} differs in {count} events{by}")
        said += [
            f"  {d.event_id} (partition {d.partition}, offset {d.offset}) {d.column}:"
            f" here {d.shadow!r}, in production {d.production!r}"
            for d in self.first_differences
        ]
        return "\n".join(said)
