"""The declaration of a roll-up as it stands in `rollups/<name>.yaml`, and what it means for its event."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Annotated, Literal

from headrace_ingestion.contract import Contract, Name
from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.durations import Duration
from headrace_ingestion.errors import closest
from headrace_ingestion.listed import OneOrMore
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from headrace_lake.rollups.rollup import Aggregate, Rollup

Statistic = Literal["count", "sum", "mean", "std", "min", "max", "distinct"]

_NUMBERS = ("int", "long", "double", "decimal", "bool")
_KEYS = ("string", "bool", "int", "long", "enum", "date")
_OF_ANY = ("count", "distinct")
_LONGEST = timedelta(days=366)


_Names = Annotated[tuple[Name, ...], Field(min_length=1), OneOrMore()]
_Statistics = Annotated[tuple[Statistic, ...], Field(min_length=1), OneOrMore()]


class RollupDeclaration(BaseModel):
    """A file of `rollups/`: events by key and pane of time.

    Attributes:
        name: Name of the table: `rollups.<name>`.
        source: The event.
        by: Fields of the event that make a row, one or a list.
        every: Length of a pane; panes are counted from 1970, in UTC.
        lateness: How far the newest event has to be past the end of a pane until that has its rows.
        take: Field of the event to what is taken of its values, one or a list.
        description: What it is for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="a roll-up")

    name: Name
    source: Name
    by: _Names
    every: Duration
    lateness: Duration = timedelta(minutes=5)
    take: dict[Name, _Statistics] = Field(default_factory=dict)
    description: str | None = None

    @field_validator("every")
    @classmethod
    def _is_a_length(cls, value: timedelta) -> timedelta:
        if not timedelta(0) < value <= _LONGEST:
            raise DeclarationProblem("'every' is no length of a pane", {"expected": "more than 0, at most 366d"}, "1h")
        return value

    @model_validator(mode="after")
    def _names_are_different(self) -> RollupDeclaration:
        names = [*self.by, "pane_start", "events", "_recorded_at"]
        names += [f"{field}_{statistic}" for field, statistics in self.take.items() for statistic in statistics]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DeclarationProblem(
                f"the roll-up has the column {twice[0]!r} twice",
                {"columns": ", ".join(names)},
                f"remove one {twice[0]}",
            )
        return self


def resolve_rollup(declared: RollupDeclaration, contract: Contract) -> Rollup:
    """Return the roll-up of an event.

    Args:
        declared: The declaration.
        contract: Contract of the event that it names.

    Raises:
        DeclarationProblem: It names a field that the event does not have, or one of another type.
    """
    for field in declared.by:
        _check(contract, field, ("by",), "by", _KEYS)
    aggregates = []
    for field, statistics in declared.take.items():
        for statistic in statistics:
            _check(contract, field, ("take", field), statistic, None if statistic in _OF_ANY else _NUMBERS)
            aggregates.append(
                Aggregate(f"{field}_{statistic}", field, statistic, contract.fields[field].type == "bool")
            )
    content = declared.model_dump(mode="json", exclude={"description"})
    digest = hashlib.sha256(json.dumps([content, contract.time], sort_keys=True).encode()).hexdigest()[:12]
    ms = timedelta(milliseconds=1)
    return Rollup(
        declared.name,
        contract.table,
        contract.time,
        declared.by,
        declared.every // ms,
        declared.lateness // ms,
        tuple(aggregates),
        digest,
    )


def _check(contract: Contract, field: str, path: tuple[str, ...], what: str, types: tuple[str, ...] | None) -> None:
    found = contract.fields.get(field)
    if found is None:
        raise DeclarationProblem(
            f"{what!r} reads the field {field!r}, which event {contract.name!r} does not have",
            {"fields": ", ".join(contract.fields)},
            closest(field, contract.fields),
            path,
        )
    if types is not None and found.type not in types:
        fitting = [name for name, one in contract.fields.items() if one.type in types]
        raise DeclarationProblem(
            f"{what!r} reads the field {field!r}, which is {found.type}",
            {"expected": f"one of {', '.join(types)}", "fields": ", ".join(fitting) or "none"},
            fitting[0] if fitting else "count",
            path,
        )
