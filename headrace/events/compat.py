"""The versions of an event's contract against each other, and against what stands in the lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from headrace_ingestion.compatibility import Direction, Incompatibility, compare
from headrace_ingestion.contract import Contract

if TYPE_CHECKING:
    from headrace_lake.catalog import Lake
    from headrace_lake.place import Place
    from headrace_lake.tables import TableSpec

Mode = Literal["backward", "forward", "full"]
_DEMANDED: dict[Mode, tuple[Direction, ...]] = {
    "backward": ("backward", "lake", "version"),
    "forward": ("forward", "lake", "version"),
    "full": ("backward", "forward", "lake", "version"),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One version against the next, or the lake's table against the running version.

    Attributes:
        event: Name of the event.
        older: `call/1`, or `lake`.
        newer: `call/2`.
        problems: About what they do not agree.
    """

    event: str
    older: str
    newer: str
    problems: tuple[Incompatibility, ...]

    def holds(self, direction: Direction) -> bool:
        """Return whether nothing is wrong in this direction."""
        return all(problem.direction != direction for problem in self.problems)

    def demanded(self, mode: Mode) -> list[Incompatibility]:
        """Return the problems that count."""
        return [problem for problem in self.problems if problem.direction in _DEMANDED[mode]]

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        held: dict[str, Any] = {direction: self.holds(direction) for direction in _DEMANDED["full"]}
        problems = [asdict(problem) for problem in self.problems]
        return {"event": self.event, "older": self.older, "newer": self.newer, **held, "problems": problems}


@dataclass(frozen=True, slots=True)
class Written:
    """What a version has left in the lake.

    Attributes:
        event: Name of the event.
        version: `call/1`, as its records say.
        rows: How many.
        is_declared: Whether a file of the project declares that version.
    """

    event: str
    version: str
    rows: int
    is_declared: bool


@dataclass(frozen=True, slots=True)
class CompatReport:
    """Versions of contracts against each other and against the lake.

    Attributes:
        comparisons: Of each pair, in order of events and versions.
        written: The versions that stand in the lake.
    """

    comparisons: tuple[Comparison, ...]
    written: tuple[Written, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        comparisons = [comparison.as_dict() for comparison in self.comparisons]
        return {"comparisons": comparisons, "written": [asdict(one) for one in self.written]}


def compat_report(lake: Lake, versions: Sequence[Sequence[Contract]], against: Contract | None = None) -> CompatReport:
    """Return what the versions of each event say of each other and of its table.

    Args:
        lake: The lake.
        versions: Of each event, the running version last.
        against: For one event: compared with the running version instead of its earlier ones and the lake.
    """
    from headrace_lake.tables import events_table

    comparisons: list[Comparison] = []
    written: list[Written] = []
    for of_event in versions:
        comparisons += compare_versions(of_event, against)
        if against is not None:
            continue
        stored = compare_with_table(lake.path, of_event[-1], events_table(of_event[-1]))
        if stored is not None:
            comparisons.append(stored)
            written += written_versions(lake, of_event)
    return CompatReport(tuple(comparisons), tuple(written))


def compare_versions(versions: Sequence[Contract], against: Contract | None = None) -> list[Comparison]:
    """Return each version against the next; with `against`, that one alone against the running version."""
    pairs = list(pairwise(versions)) if against is None else [(against, versions[-1])]
    return [Comparison(newer.name, older.label, newer.label, tuple(compare(older, newer))) for older, newer in pairs]


def compare_with_table(lake: Place, contract: Contract, spec: TableSpec) -> Comparison | None:
    """Return the columns of the event's table against those that the contract needs; None where there is no table."""
    from headrace_lake.delta_table import column_conflicts, open_for_read
    from headrace_lake.layout import table_folder

    handle = open_for_read(table_folder(lake, spec.schema, spec.name))
    if handle is None:
        return None
    problems = [
        Incompatibility("lake", name, f"the column is {stored}, {contract.label} needs {declared}")
        for name, (stored, declared) in column_conflicts(handle, spec).items()
    ]
    return Comparison(contract.name, "lake", contract.label, tuple(problems))


def written_versions(lake: Lake, versions: Sequence[Contract]) -> list[Written]:
    """Return the versions that have left rows of the event in the lake."""
    event, known = versions[-1].name, {contract.label for contract in versions}
    rows = lake.sql(f'SELECT _contract, count(*) FROM raw."events_{event}" GROUP BY ALL ORDER BY ALL').rows
    return [Written(event, str(label), int(count), label in known) for label, count in rows]
