"""Events that nobody sends: made of the records of other events, each with a topic and a table of its own.

A *merge* holds several events in one order. A *join* holds labels with the event that they are about, from the moment
on at which they may be known. To all who read it, either is an event like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationInfo, model_validator

from headrace_ingestion.access_card import AccessCard
from headrace_ingestion.contract import Contract, contract_files, derivation_of, index_contracts
from headrace_ingestion.documents import declared_in, read_document
from headrace_ingestion.durations import Duration
from headrace_ingestion.errors import closest
from headrace_ingestion.fields import Name, Owner
from headrace_ingestion.joined import JoinedContract
from headrace_ingestion.merged import MergedContract
from headrace_ingestion.problems import DeclarationProblem
from headrace_ingestion.topic_settings import TopicSettings

DerivedContract = MergedContract | JoinedContract
"""The contract of an event that is made of others."""

_Named = TypeVar("_Named", bound=Contract)


class _Derivation(BaseModel):
    """An event that is made of others.

    Attributes:
        name: Name of the event; its topic is `events.<name>`.
        version: Counts up with each change, from 1.
        key: The field whose value is the Kafka key: one key, one partition, one order.
        time: Name of the field with the event time.
        topic: What the topic is made with, and is kept to.
        access: Who reads its table, by what key and range.
        description: For people.
        owner: Who answers for it.
        tags: Words to find it by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="contract")

    name: Name
    version: Annotated[int, pydantic.Field(ge=1, strict=True)]
    key: str
    time: Name | None = None
    topic: TopicSettings | None = None
    access: AccessCard | None = None
    description: str | None = None
    owner: Owner | None = None
    tags: tuple[Name, ...] = ()

    def _own(self) -> dict[str, Any]:
        """Return what the declaration says of the contract itself."""
        return {
            "name": self.name,
            "version": self.version,
            "key": self.key,
            "topic": self.topic,
            "access": self.access,
            "description": self.description,
            "owner": self.owner,
            "tags": self.tags,
        }


class MergeDeclaration(_Derivation):
    """Several events in one topic, in the order in which they come there.

    Attributes:
        merge: Names of the events: those that are sent, and those that a join makes.
    """

    merge: Annotated[tuple[Name, ...], pydantic.Field(min_length=2, json_schema_extra={"uniqueItems": True})]

    _contract: MergedContract | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> MergeDeclaration:
        if len(set(self.merge)) < len(self.merge):
            raise DeclarationProblem(
                "'merge' names an event twice", {"expected": "different events"}, "remove one", ("merge",)
            )
        if info.context:
            sources = [
                _source(name, info.context["contracts"], ("merge", index)) for index, name in enumerate(self.merge)
            ]
            self._contract = MergedContract(self._own(), sources, self.time)
        return self


class Join(BaseModel):
    """Labels, the event that they are about, and when they may be known.

    Attributes:
        label: Name of the event that holds the labels.
        to: Name of the event that they are about.
        by: The field of the label with the event id of that event.
        delay: How long after the event no label of it counts, however early it comes.
        wait: How long a label waits for its event to be in the lake, before it is a dead letter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="join")

    label: Name
    to: Name
    by: str
    delay: Duration
    wait: Duration = timedelta(minutes=1)


class JoinDeclaration(_Derivation):
    """Labels with their event, visible after a delay.

    Attributes:
        join: Which labels, to which event, by what, and after what delay.
    """

    join: Join

    _contract: JoinedContract | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> JoinDeclaration:
        if info.context:
            said, contracts = self.join, info.context["contracts"]
            label = _source(said.label, contracts, ("join", "label"))
            to = _source(said.to, contracts, ("join", "to"))
            self._contract = JoinedContract(self._own(), label, to, said.by, said.delay, said.wait, self.time)
        return self


def load_derived(
    folder: Path, contracts: Mapping[str, Contract], *, root: Path | None = None
) -> dict[str, DerivedContract]:
    """Return the events in `folder` that are made of others by name: joins, then merges, which may take in joins.

    Args:
        folder: The folder, such as `events`.
        contracts: The events that are sent, by name.
        root: The project folder: names in messages are relative to it.

    Raises:
        DeclarationError: A file declares no valid event, or what it declares does not fit its sources.
    """
    documents = [read_document(path, root=root) for path in contract_files(folder)]
    known: dict[str, Contract] = dict(contracts)
    found: dict[str, DerivedContract] = {}
    for kind, model in (("join", JoinDeclaration), ("merge", MergeDeclaration)):
        made: dict[str, DerivedContract] = {}
        for document in documents:
            if derivation_of(document) != kind:
                continue
            declared: Any = declared_in(document, model, context={"contracts": known})
            contract: DerivedContract = declared._contract
            contract._origin = document.shown
            index_contracts([*known.values(), *made.values(), contract])
            made[contract.name] = contract
        known |= made
        found |= made
    return found


def _source(name: str, contracts: Mapping[str, _Named], place: tuple[str | int, ...]) -> _Named:
    contract = contracts.get(name)
    if contract is None:
        raise DeclarationProblem(
            f"{place[-1] if isinstance(place[-1], str) else place[0]!r} names the event {name!r},"
            " which nobody sends and no join makes",
            {"events": ", ".join(contracts) or "none"},
            closest(name, contracts),
            place,
        )
    return contract
