"""The contract of an event: which fields it has, and which of them are its key and its time."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator

from headrace_ingestion.access_card import AccessCard, check_access
from headrace_ingestion.checks import field_check
from headrace_ingestion.documents import Document, declared_in, read_document
from headrace_ingestion.durations import Duration
from headrace_ingestion.errors import DeclarationError, closest
from headrace_ingestion.fields import NAME_SCHEMA, RESERVED_FIELDS, Field, FieldType, Name, Owner, check_field_name
from headrace_ingestion.problems import DeclarationProblem
from headrace_ingestion.schema_rules import GIVEN, NOT_GIVEN, having, limiting, rules, when
from headrace_ingestion.topic_settings import TopicSettings
from headrace_ingestion.value_checks import NeedsExactNumbers, Refusal

__all__ = [
    "KEY_TYPES",
    "RESERVED_FIELDS",
    "Contract",
    "Field",
    "FieldType",
    "Name",
    "contract_as_dict",
    "index_contracts",
    "load_contracts",
]


KEY_TYPES = ("string", "int", "long")
"""Types that a key can have."""

DERIVATIONS = ("merge", "join")
"""Keys of declarations of events that are made of others; see `derived`."""

_EARLIER_VERSION = re.compile(r"\.v[0-9]+\.yaml$")
_FIELD_NAMES: dict[str, Any] = {
    "minProperties": 1,
    "propertyNames": {**NAME_SCHEMA, "not": {"enum": sorted(RESERVED_FIELDS)}},
}


_RULES = rules(when(having(topic={"type": "object", **having(partitions=GIVEN)}), limiting(partitions=NOT_GIVEN)))


class Contract(BaseModel):
    """The contract of an event: frozen, and valid once it exists.

    Attributes:
        name: Name of the event; its topic is `events.<name>`.
        version: Counts up with each change, from 1.
        key: The field whose value is the Kafka key: one key, one partition, one order.
        time: The field that holds the event time.
        fields: Name → field, in the order of the declaration.
        max_ahead: How far an event's time may lie after the timestamp of its record.
        partitions: Partitions of the topic; None leaves it to `topic` and the settings.
        topic_settings: What the topic is made with, and is kept to.
        access: Who reads its table, by what key and range; None: sorted by key and time, no partitions.
        description: For people.
        owner: Who answers for it: a team, a mailbox.
        tags: Words to find it by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="contract", json_schema_extra=_RULES)

    name: Name
    version: Annotated[int, pydantic.Field(ge=1, strict=True)]
    key: str
    time: str
    fields: Annotated[dict[str, Field], pydantic.Field(json_schema_extra=_FIELD_NAMES)]
    max_ahead: Duration = timedelta(minutes=5)
    partitions: Annotated[int, pydantic.Field(ge=1, strict=True)] | None = None
    topic_settings: TopicSettings | None = pydantic.Field(default=None, alias="topic")
    access: AccessCard | None = None
    description: str | None = None
    owner: Owner | None = None
    tags: tuple[Name, ...] = ()

    _origin: str | None = PrivateAttr(default=None)
    _progress: str | None = PrivateAttr(default=None)
    _made_of: tuple[str, ...] = PrivateAttr(default=())
    _lines: dict[str, int] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _names_fit(self) -> Contract:
        if not self.fields:
            raise DeclarationProblem(
                "'fields' is empty", {"expected": "at least the key and the time"}, None, ("fields",)
            )
        for name in self.fields:
            check_field_name(name)
        for label in ("key", "time"):
            name = getattr(self, label)
            if name not in self.fields:
                raise DeclarationProblem(
                    f"{label!r} names the field {name!r}, which the contract does not have",
                    {"fields": ", ".join(self.fields)},
                    f"{label}: {closest(name, self.fields) or next(iter(self.fields))}",
                    (label,),
                )
        self._check_role("time", ("timestamp",))
        self._check_role("key", KEY_TYPES)
        self._check_defaults()
        if self.access is not None:
            check_access(self.access, self.fields, self.key)
        if self.fields[self.key].pii == "mask":
            raise DeclarationProblem(
                f"'key' is the field {self.key!r} with pii: mask: many subjects would become one",
                {"expected": "pii: hash, or none"},
                f"{self.key}: {{type: string, pii: hash}}",
                ("fields", self.key, "pii"),
            )
        if (
            self.partitions is not None
            and self.topic_settings is not None
            and self.topic_settings.partitions is not None
        ):
            raise DeclarationProblem(
                "'partitions' stands in the contract and in its 'topic'",
                {"contract": str(self.partitions), "topic": str(self.topic_settings.partitions)},
                "remove one of the two",
                ("partitions",),
            )
        return self

    def _check_defaults(self) -> None:
        for name, field in self.fields.items():
            if field.default is None:
                continue
            try:
                field_check(name, field)(field.default)
            except (Refusal, NeedsExactNumbers) as refusal:
                raise DeclarationProblem(
                    f"the default of {name!r} is one that the field refuses",
                    {"why": str(refusal) or "too large a number"},
                    "another default, or none",
                    ("fields", name, "default"),
                ) from None

    def _check_role(self, label: str, types: tuple[str, ...]) -> None:
        name = getattr(self, label)
        field = self.fields[name]
        if field.type not in types:
            raise DeclarationProblem(
                f"{label!r} is the field {name!r} of type {field.type}",
                {"types": ", ".join(types)},
                f"{name}: {{type: {types[0]}}}",
                (label,),
            )
        if not field.is_needed:
            lack = "has a default" if field.required else "is not required"
            raise DeclarationProblem(
                f"{label!r} is the field {name!r}, which {lack}",
                {"expected": "a required field"},
                f"{name}: {{type: {field.type}}}",
                (label,),
            )

    @classmethod
    def load(cls, path: Path, *, root: Path | None = None) -> Contract:
        """Return the contract that the YAML file declares.

        Args:
            path: The file, such as `events/call.yaml`.
            root: The project folder: names in messages are relative to it.

        Raises:
            DeclarationError: The file cannot be read, or declares no valid contract.
        """
        document = read_document(path, root=root)
        contract = declared_in(document, cls)
        contract._origin = document.shown
        contract._lines.update({name: document.line_of(("fields", name)) for name in contract.fields})
        return contract

    @property
    def label(self) -> str:
        """Name and version as they stand in the header `contract`: `call/1`."""
        return f"{self.name}/{self.version}"

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits of what the contract demands; descriptions do not count."""
        not_demanded = {"description", "owner", "tags", "fields", "topic_settings", "access"}
        demands = self.model_dump(mode="json", exclude_defaults=True, exclude=not_demanded)
        # A list, not a mapping: the order of the fields is the order of the checks.
        demands["fields"] = [[name, field.demands()] for name, field in self.fields.items()]
        if self._made_of:
            demands["made_of"] = self._made_of
        text = json.dumps(demands, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def progress(self) -> str:
        """The timestamp that says how far time has come when the event stands in its topic; nearly always `time`."""
        return self._progress or self.time

    def of_records(self) -> Contract:
        """Return the contract as it holds for values of records: personal data is covered already."""
        return self.model_copy(update={"fields": {name: field.stored for name, field in self.fields.items()}})

    @property
    def stream(self) -> str:
        """Name of its records among those of other events and keys."""
        return self.name

    @property
    def table(self) -> str:
        """Name of its table in the lake, in the schema `events`."""
        return self.name

    @property
    def topic_partitions(self) -> int | None:
        """Partitions of the topic; None leaves it to the settings."""
        return self.partitions or (self.topic_settings.partitions if self.topic_settings else None)

    def topic(self, prefix: str = "") -> str:
        """Return the name of the event's topic in a project with this topic prefix."""
        return f"{prefix}events.{self.stream}"

    def place_of(self, field: str | None) -> str:
        """Return where the field (or the contract) is declared, for messages: `events/call.yaml line 9`."""
        if self._origin is None:
            return f"contract {self.label}"
        line = self._lines.get(field or "")
        return f"{self._origin} line {line}" if line else self._origin


def load_contracts(folder: Path, *, root: Path | None = None) -> dict[str, Contract]:
    """Return the running contracts in `folder` by event name, in the order of the file names.

    Earlier versions, `call.v1.yaml` beside `call.yaml`, are left out (see `versions`), and so are events that are made
    of others (see `derived`): nobody sends those.

    Args:
        folder: The folder, such as `events`. One that does not exist has no contracts.
        root: The project folder: names in messages are relative to it.

    Raises:
        DeclarationError: A file declares no valid contract, or two declare the same event.
    """
    paths = (path for path in contract_files(folder) if derivation_of(read_document(path, root=root)) is None)
    return index_contracts(Contract.load(path, root=root) for path in paths)


def contract_files(folder: Path) -> list[Path]:
    """Return the files of the running contracts in `folder`, in the order of their names."""
    return [path for path in sorted(folder.glob("*.yaml")) if _EARLIER_VERSION.search(path.name) is None]


def derivation_of(document: Document) -> str | None:
    """Return `merge` or `join` when the document declares an event that is made of others, else None."""
    return next((kind for kind in DERIVATIONS if kind in document.data), None)


def index_contracts(contracts: Iterable[Contract]) -> dict[str, Contract]:
    """Return the contracts by event name.

    Raises:
        DeclarationError: Two of them declare the same event.
    """
    found: dict[str, Contract] = {}
    for contract in contracts:
        if contract.name in found:
            raise DeclarationError(
                f"{contract.place_of(None)}: the event {contract.name!r} is declared twice",
                {"first": found[contract.name].place_of(None), "expected": "one contract an event"},
                "rename or remove one of the two",
                path=contract._origin,
            )
        found[contract.name] = contract
    return found


def contract_as_dict(contract: Contract) -> dict[str, Any]:
    """Return the contract as the plain data that `Contract.model_validate` reads back."""
    return contract.model_dump(mode="json", exclude_defaults=True, by_alias=True)
