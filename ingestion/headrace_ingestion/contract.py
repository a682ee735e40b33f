"""The contract of an event: which fields it has, of which types, and which of them are its key and its time."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PrivateAttr, model_validator

from headrace_ingestion.documents import load_document, read_document
from headrace_ingestion.durations import Duration
from headrace_ingestion.errors import DeclarationError, closest
from headrace_ingestion.patterns import compile_pattern
from headrace_ingestion.problems import DeclarationProblem

FieldType = Literal["string", "bool", "int", "long", "double", "timestamp"]
"""The types of a contract; `docs/wire-format.md` says what each is in JSON and in the lake."""

RESERVED_FIELDS = frozenset(
    {
        "event_id", "event_time_ms", "clock_ms", "generation", "source_partition", "source_offset", "revision",
        "declaration", "ingested_at_ms", "emitted_at_ms", "event_time", "clock", "ingested_at", "emitted_at",
    }
)  # fmt: skip
"""Names that headrace itself writes beside an event's fields, on the topics and in the lake."""

_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_INTEGER_BOUNDS = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_APPLIES = {
    "minimum": ("int", "long", "double"),
    "maximum": ("int", "long", "double"),
    "pattern": ("string",),
    "max_length": ("string",),
    "values": ("string", "int", "long"),
}


def checked_name(name: str) -> str:
    """Return `name` when it can name an event or a field.

    Raises:
        DeclarationProblem: It is not lower-case letters, digits and underscores that start with a letter.
    """
    if _NAME.fullmatch(name) is None:
        raise DeclarationProblem(
            f"{name!r} is not a name",
            {"expected": "lower-case letters, digits and underscores, a letter first"},
            re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789") or "name: call",
        )
    return name


Name = Annotated[str, AfterValidator(checked_name)]


def _checked_number(value: object) -> object:
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    raise DeclarationProblem(f"{value!r} is not a number", {"expected": "a finite number"}, "0")


Number = Annotated[int | float, BeforeValidator(_checked_number)]


class Field(BaseModel):
    """One field of an event.

    Attributes:
        type: The type of its values.
        required: Whether an event without it, or with null, is refused.
        minimum: Smallest value allowed (int, long, double).
        maximum: Largest value allowed (int, long, double).
        pattern: Regular expression for the whole value (string); see `patterns`.
        max_length: Longest value allowed, in Unicode code points (string).
        values: The values allowed (string, int, long).
        pii: What to do with personal data; declared here, not yet applied.
        description: For people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="field")

    type: FieldType
    required: bool = True
    minimum: Number | None = None
    maximum: Number | None = None
    pattern: str | None = None
    max_length: Annotated[int, pydantic.Field(ge=1, strict=True)] | None = None
    values: tuple[str | int, ...] | None = None
    pii: Literal["hash", "mask", "drop"] | None = None
    description: str | None = None

    @model_validator(mode="after")
    def _constraints_fit_the_type(self) -> Field:
        for constraint, types in _APPLIES.items():
            if getattr(self, constraint) is not None and self.type not in types:
                raise DeclarationProblem(
                    f"{constraint!r} does not apply to the type {self.type}",
                    {"applies to": ", ".join(types)},
                    f"remove {constraint}",
                    (constraint,),
                )
        self._check_bounds()
        self._check_values()
        if self.pattern is not None:
            try:
                compile_pattern(self.pattern)
            except DeclarationProblem as problem:
                raise DeclarationProblem(problem.failure, problem.exists, problem.try_, ("pattern",)) from None
        return self

    def _check_bounds(self) -> None:
        for label in ("minimum", "maximum"):
            bound = getattr(self, label)
            if bound is not None and self.type in _INTEGER_BOUNDS:
                low, high = _INTEGER_BOUNDS[self.type]
                if not isinstance(bound, int) or not low <= bound <= high:
                    raise DeclarationProblem(
                        f"{label!r} of {self.type} is {bound}", {"expected": f"an integer from {low} to {high}"}, None,
                        (label,),
                    )  # fmt: skip
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise DeclarationProblem(
                f"'minimum' {self.minimum} is above 'maximum' {self.maximum}",
                {"expected": "minimum <= maximum"},
                f"minimum: {self.maximum}",
                ("minimum",),
            )

    def _check_values(self) -> None:
        if self.values is None:
            return
        wanted = str if self.type == "string" else int
        wrong = [value for value in self.values if type(value) is not wanted]
        if wrong or not self.values or len(set(self.values)) < len(self.values):
            raise DeclarationProblem(
                f"'values' has {wrong[0]!r}" if wrong else "'values' is empty or names a value twice",
                {"expected": f"different values of the type {self.type}"},
                f"values: ['{wrong[0]}']" if wrong and wanted is str else None,
                ("values",),
            )


class Contract(BaseModel):
    """The contract of an event: frozen, and valid once it exists.

    Attributes:
        name: Name of the event; its topic is `events.<name>`.
        version: Counts up with each change, from 1.
        key: The field whose value is the Kafka key: one key, one partition, one order.
        time: The field that holds the event time.
        fields: Name → field, in the order of the declaration.
        max_ahead: How far an event's time may lie after the timestamp of its record.
        partitions: Partitions of the topic; None leaves it to the settings.
        description: For people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="contract")

    name: Name
    version: Annotated[int, pydantic.Field(ge=1, strict=True)]
    key: str
    time: str
    fields: dict[str, Field]
    max_ahead: Duration = timedelta(minutes=5)
    partitions: Annotated[int, pydantic.Field(ge=1, strict=True)] | None = None
    description: str | None = None

    _origin: str | None = PrivateAttr(default=None)
    _lines: dict[str, int] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _names_fit(self) -> Contract:
        if not self.fields:
            raise DeclarationProblem(
                "'fields' is empty", {"expected": "at least the key and the time"}, None, ("fields",)
            )
        for name in self.fields:
            _check_field_name(name)
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
        self._check_role("key", ("string", "int", "long"))
        return self

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
        if not field.required:
            raise DeclarationProblem(
                f"{label!r} is the field {name!r}, which is not required",
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
        contract = load_document(path, cls, root=root)
        document = read_document(path, root=root)
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
        demands = self.model_dump(mode="json", exclude_defaults=True, exclude={"description", "fields"})
        # A list, not a mapping: the order of the fields is the order of the checks.
        demands["fields"] = [
            [name, field.model_dump(mode="json", exclude_defaults=True, exclude={"description"})]
            for name, field in self.fields.items()
        ]
        text = json.dumps(demands, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def topic(self, prefix: str = "") -> str:
        """Return the name of the event's topic in a project with this topic prefix."""
        return f"{prefix}events.{self.name}"

    def place_of(self, field: str | None) -> str:
        """Return where the field (or the contract) is declared, for messages: `events/call.yaml line 9`."""
        if self._origin is None:
            return f"contract {self.label}"
        line = self._lines.get(field or "")
        return f"{self._origin} line {line}" if line else self._origin


def _check_field_name(name: str) -> None:
    try:
        checked_name(name)
    except DeclarationProblem as problem:
        raise DeclarationProblem(problem.failure, problem.exists, problem.try_, ("fields", name)) from None
    if name in RESERVED_FIELDS:
        raise DeclarationProblem(
            f"the field name {name!r} is reserved: headrace writes a column of that name",
            {"reserved": ", ".join(sorted(RESERVED_FIELDS))},
            f"call_{name}",
            ("fields", name),
        )


def load_contracts(folder: Path, *, root: Path | None = None) -> dict[str, Contract]:
    """Return the contracts of all `*.yaml` in `folder` by event name, in the order of the file names.

    Args:
        folder: The folder, such as `events`. One that does not exist has no contracts.
        root: The project folder: names in messages are relative to it.

    Raises:
        DeclarationError: A file declares no valid contract, or two declare the same event.
    """
    return index_contracts(Contract.load(path, root=root) for path in sorted(folder.glob("*.yaml")))


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
    return contract.model_dump(mode="json", exclude_defaults=True)
