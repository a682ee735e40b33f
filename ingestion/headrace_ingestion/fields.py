"""One field of a contract: its name, its type and its constraints."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

import pydantic
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    model_validator,
)

from headrace_ingestion.patterns import compile_pattern
from headrace_ingestion.problems import DeclarationProblem
from headrace_ingestion.schema_rules import NOT_GIVEN, Schema, having, limiting, rules, when

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
INTEGER_RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
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


NAME_SCHEMA: Schema = {
    "type": "string",
    "pattern": f"^{_NAME.pattern}$",
    "patternErrorMessage": "lower-case letters, digits and underscores, a letter first",
}
Name = Annotated[str, AfterValidator(checked_name), WithJsonSchema(NAME_SCHEMA)]


def _checked_number(value: object) -> object:
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    raise DeclarationProblem(f"{value!r} is not a number", {"expected": "a finite number"}, "0")


Number = Annotated[int | float, BeforeValidator(_checked_number), WithJsonSchema({"type": "number"})]


def _type_rules() -> list[Schema]:
    """Return what the type of a field says about its constraints, for editors."""
    found = [
        when(having(type={"not": {"enum": list(types)}}), limiting(**{constraint: NOT_GIVEN}))
        for constraint, types in _APPLIES.items()
    ]
    for kind, (low, high) in INTEGER_RANGES.items():
        bound = {"type": ["integer", "null"], "minimum": low, "maximum": high}
        found.append(when(having(type={"const": kind}), limiting(minimum=bound, maximum=bound)))
    for kind in _APPLIES["values"]:
        items = {"type": "string" if kind == "string" else "integer"}
        found.append(when(having(type={"const": kind}), limiting(values={"items": items})))
    return found


_DIFFERENT = pydantic.Field(json_schema_extra={"minItems": 1, "uniqueItems": True})


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

    model_config = ConfigDict(frozen=True, extra="forbid", title="field", json_schema_extra=rules(*_type_rules()))

    type: FieldType
    required: StrictBool = True
    minimum: Number | None = None
    maximum: Number | None = None
    pattern: str | None = None
    max_length: Annotated[int, pydantic.Field(ge=1, strict=True)] | None = None
    values: Annotated[tuple[str | StrictInt, ...], _DIFFERENT] | None = None
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
            if bound is not None and self.type in INTEGER_RANGES:
                low, high = INTEGER_RANGES[self.type]
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


def check_field_name(name: str) -> None:
    """Do nothing when `name` can name a field of an event.

    Raises:
        DeclarationProblem: It is no name, or one that headrace uses itself.
    """
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
