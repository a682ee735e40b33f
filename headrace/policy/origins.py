"""Tables that hold what another table holds, too: whose rules hold for them, and how."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headrace_ingestion.joined import JoinedContract, label_field
from headrace_ingestion.merged import EVENT

if TYPE_CHECKING:
    from headrace_ingestion.contract import Contract
    from headrace_ingestion.derived import DerivedContract

    from headrace.project import Project


@dataclass(frozen=True)
class Origin:
    """A table whose rules hold for another one.

    Attributes:
        table: The table that the rules are about.
        event: Of a merge, the event whose records they are about; None: all records.
        names: Columns there → those that hold the same here, where they are others.
    """

    table: str
    event: str | None = None
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def columns(self, masked: Collection[str]) -> Iterator[str]:
        """Yield what is masked here."""
        for name in masked:
            yield from self.names.get(name, (name,))

    def condition(self, where: str) -> str:
        """Return the condition as it holds here."""
        # Where a column is called otherwise, another one may have its name: rather nothing than the wrong rows.
        shown = "false" if any(name not in here for name, here in self.names.items()) else where
        return shown if self.event is None else f"{EVENT} <> '{self.event}' OR ({shown})"


def copies_of(project: Project) -> dict[str, tuple[Origin, ...]]:
    """Return the tables that are made of others → what the rules are that hold for them.

    An event by another key has those of the event and no more. One that is made of others has its own, and those of
    each of them.
    """
    found: dict[str, tuple[Origin, ...]] = {}
    for contract in project.derived.values():
        found[f"events.{contract.table}"] = (Origin(f"events.{contract.table}"), *_origins(contract, project.derived))
    for rekeyed in project.rekeyed.values():
        event = f"events.{rekeyed.name}"
        found[f"events.{rekeyed.table}"] = found.get(event, (Origin(event),))
    return found


def _origins(contract: DerivedContract, derived: Mapping[str, DerivedContract]) -> Iterator[Origin]:
    if isinstance(contract, JoinedContract):
        label, to = contract.label_contract, contract.to_contract
        names: dict[str, tuple[str, ...]] = {name: (label_field(label, to, name),) for name in label.fields}
        names[label.time] = (*names[label.time], contract.progress, contract.time)
        # By the instant of its visibility, the time of an event can be told.
        yield Origin(f"events.{to.table}", names={to.time: (to.time, contract.time)})
        yield Origin(f"events.{label.table}", names=_others(names))
        return
    for source in contract.sources:
        yield Origin(f"events.{source.table}", source.name, _others(_times(contract, source)))
        if source.name in derived:
            for origin in _origins(derived[source.name], derived):
                names = {name: _with_time(here, source, contract) for name, here in origin.names.items()}
                yield Origin(origin.table, source.name, names)


def _times(merge: Contract, source: Contract) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {source.time: (source.time, merge.time)}
    if merge.progress != merge.time:
        found[source.progress] = (*found.get(source.progress, (source.progress,)), merge.progress)
    return found


def _with_time(here: tuple[str, ...], source: Contract, merge: Contract) -> tuple[str, ...]:
    return (*here, merge.time) if source.time in here else here


def _others(names: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Leave out columns that are called the same and stand alone."""
    return {name: here for name, here in names.items() if here != (name,)}
