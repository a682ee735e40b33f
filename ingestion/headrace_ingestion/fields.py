"""One field of a contract: its name, its type and its constraints."""

from __future__ import annotations

import math
import re
from functools import cached_property
from typing import Annotated, Any, Literal

import pydantic
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    StrictBool,
    StrictFloat,
    StrictInt,
    Tag,
    WithJsonSchema,
    model_validator,
)

from headrace_ingestion.patterns import compile_pattern
from headrace_ingestion.problems import DeclarationProblem
from headrace_ingestion.schema_rules import GIVEN, NOT_GIVEN, Schema, having, limiting, rules, when

FieldType = Literal[
    "string", "bool", "int", "long", "double", "timestamp", "enum", "decimal", "date", "list", "map", "object"
]
"""The types of a contract; `docs/wire-format.md` says what each is in JSON and in the lake."""

NESTED_TYPES: tuple[FieldType, ...] = ("list", "map", "object")
"""Types whose values hold values of other fields."""

RESERVED_FIELDS = frozenset(
    {
        "event_id", "event_time_ms", "clock_ms", "generation", "source_partition", "source_offset", "revision",
        "declaration", "ingested_at_ms", "emitted_at_ms", "event_time", "clock", "ingested_at", "emitted_at",
    }
)  # fmt: skip
"""Names that headrace itself writes beside an event's fields, on the topics and in the lake."""

_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
INTEGER_RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_NUMBERS = ("int", "long", "double", "decimal")
_APPLIES = {
    "minimum": _NUMBERS,
    "maximum": _NUMBERS,
    "pattern": ("string",),
    "max_length": ("string",),
    "values": ("string", "enum", "int", "long", "map"),
    "precision": ("decimal",),
    "scale": ("decimal",),
    "items": ("list",),
    "min_items": ("list",),
    "max_items": ("list",),
    "fields": ("object",),
    "default": ("string", "bool", "int", "long", "double", "timestamp", "enum", "decimal", "date"),
}
_NEEDS = {
    "enum": {"values": "[new, paid]"},
    "decimal": {"precision": "12", "scale": "2"},
    "list": {"items": "{type: string}"},
    "map": {"values": "{type: string}"},
    "object": {"fields": "{city: {type: string}}"},
}
_WRONG_VALUES = {"string": "a list of texts", "enum": "a list of texts", "map": "a field, such as {type: string}"}


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
Owner = Annotated[str, pydantic.Field(min_length=1, max_length=200)]
"""Who answers for a declaration: a team, a mailbox."""


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
        items = {"type": "integer" if kind in INTEGER_RANGES else "string"}
        allowed: Schema = {"type": "object"} if kind == "map" else {"type": ["array", "null"], "items": items}
        found.append(when(having(type={"const": kind}), limiting(values=allowed)))
    for kind, needed in _NEEDS.items():
        found.append(when(having(type={"const": kind}), having(**dict.fromkeys(needed, GIVEN))))
    inner = limiting(default=NOT_GIVEN)
    return [*found, limiting(items=inner, values=inner, fields={"additionalProperties": inner})]


_DIFFERENT = pydantic.Field(json_schema_extra={"minItems": 1, "uniqueItems": True})
_FIELDS_OF_OBJECT = pydantic.Field(json_schema_extra={"minProperties": 1, "propertyNames": NAME_SCHEMA})
Count = Annotated[int, pydantic.Field(ge=0, strict=True)]
Digits = Annotated[int, pydantic.Field(ge=1, le=38, strict=True)]
Default = str | StrictBool | StrictInt | Annotated[StrictFloat, pydantic.Field(allow_inf_nan=False)]


def _form_of_values(values: object) -> str:
    return "field" if isinstance(values, (dict, BaseModel)) else "values"


class Field(BaseModel):
    """One field of an event.

    Attributes:
        type: The type of its values.
        required: Whether an event without it, or with null, is refused.
        minimum: Smallest value allowed (int, long, double, decimal).
        maximum: Largest value allowed (int, long, double, decimal).
        pattern: Regular expression for the whole value (string); see `patterns`.
        max_length: Longest value allowed, in Unicode code points (string).
        values: The values allowed (string, enum, int, long); of a map, the field that its values are.
        precision: Digits in all (decimal).
        scale: Digits after the point (decimal).
        items: The field that each item is (list).
        min_items: Fewest items allowed (list).
        max_items: Most items allowed (list).
        fields: Name → field (object).
        default: What stands where the field is absent or null; such a field always has a value.
        pii: What producers do with personal data before they send it; see `pii`.
        unit: What one of a number is, such as `s` or `EUR`; for people.
        tags: Words to find the field by.
        description: For people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="field", json_schema_extra=rules(*_type_rules()))

    type: FieldType
    required: StrictBool = True
    minimum: Number | None = None
    maximum: Number | None = None
    pattern: str | None = None
    max_length: Annotated[int, pydantic.Field(ge=1, strict=True)] | None = None
    values: (
        Annotated[
            Annotated[tuple[str | StrictInt, ...], _DIFFERENT, Tag("values")] | Annotated[Field, Tag("field")],
            Discriminator(_form_of_values),
        ]
        | None
    ) = None
    precision: Digits | None = None
    scale: Annotated[int, pydantic.Field(ge=0, le=38, strict=True)] | None = None
    items: Field | None = None
    min_items: Count | None = None
    max_items: Count | None = None
    fields: Annotated[dict[str, Field], _FIELDS_OF_OBJECT] | None = None
    default: Default | None = None
    pii: Literal["hash", "mask", "drop"] | None = None
    unit: str | None = None
    tags: tuple[Name, ...] = ()
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
        for constraint, example in _NEEDS.get(self.type, {}).items():
            if getattr(self, constraint) is None:
                raise DeclarationProblem(
                    f"a field of the type {self.type} has no {constraint!r}", {}, f"{constraint}: {example}"
                )
        self._check_bounds()
        self._check_values()
        self._check_sizes()
        self._check_inner()
        self._check_pii()
        if self.pattern is not None:
            try:
                compile_pattern(self.pattern)
            except DeclarationProblem as problem:
                raise DeclarationProblem(problem.failure, problem.exists, problem.try_, ("pattern",)) from None
        return self

    @property
    def plain_type(self) -> FieldType:
        """The type without what only narrows it: an enum is a string."""
        return "string" if self.type == "enum" else self.type

    @cached_property
    def stored(self) -> Field:
        """The field as it holds for values of records, which stand for personal data already.

        What is hashed or masked has no longer the form that was checked.
        """
        changes: dict[str, Any] = {} if self.pii is None else {"pii": None}
        if self.pii in ("hash", "mask"):
            changes |= {"pattern": None, "max_length": None}
        if any(field.stored is not field for field in self.inner.values()):
            if self.items is not None:
                changes["items"] = self.items.stored
            elif isinstance(self.values, Field):
                changes["values"] = self.values.stored
            else:
                changes["fields"] = {name: field.stored for name, field in (self.fields or {}).items()}
        return self.model_copy(update=changes) if changes else self

    @property
    def is_needed(self) -> bool:
        """Whether a record without it is refused: nothing stands for it."""
        return self.required and self.default is None

    @property
    def is_computed(self) -> bool:
        """Whether features may read it; what they may not is checked, stored and goes no further."""
        return self.type not in (*NESTED_TYPES, "decimal", "date")

    @property
    def allowed(self) -> tuple[str | int, ...] | None:
        """The values allowed; None: all of the type."""
        return self.values if isinstance(self.values, tuple) else None

    @property
    def inner(self) -> dict[str, Field]:
        """The fields that its values hold: `[]` of a list, `{}` of a map, `.name` of an object, as paths call them."""
        if self.type == "list" and self.items is not None:
            return {"[]": self.items}
        if self.type == "map" and isinstance(self.values, Field):
            return {"{}": self.values}
        return {f".{name}": field for name, field in (self.fields or {}).items()}

    def demands(self) -> dict[str, Any]:
        """Return what the field demands as plain data; what is only for people does not count."""
        told = {"description", "unit", "tags"}
        plain = self.model_dump(mode="json", exclude_defaults=True, exclude={*told, "items", "values", "fields"})
        if self.allowed is not None:
            plain["values"] = list(self.allowed)
        # A list, not a mapping: the order of the fields is the order of the checks.
        inner = [[path, field.demands()] for path, field in self.inner.items()]
        return {**plain, "inner": inner} if inner else plain

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
        if (self.type == "map") is not isinstance(self.values, Field):
            expected = _WRONG_VALUES.get(self.type, "a list of whole numbers")
            raise DeclarationProblem(
                f"'values' of the type {self.type} are {'a field' if self.allowed is None else 'a list'}",
                {"expected": expected}, "values: {type: string}" if self.type == "map" else None, ("values",),
            )  # fmt: skip
        if self.allowed is None:
            return
        wanted = int if self.type in INTEGER_RANGES else str
        wrong = [value for value in self.allowed if type(value) is not wanted]
        if wrong or not self.allowed or len(set(self.allowed)) < len(self.allowed):
            raise DeclarationProblem(
                f"'values' has {wrong[0]!r}" if wrong else "'values' is empty or names a value twice",
                {"expected": f"different values of the type {self.plain_type}"},
                f"values: ['{wrong[0]}']" if wrong and wanted is str else None,
                ("values",),
            )

    def _check_pii(self) -> None:
        if self.pii == "drop":
            if self.is_needed:
                raise DeclarationProblem(
                    "'pii' is drop, and readers need a value of the field",
                    {"expected": "required: false"}, "required: false", ("pii",),
                )  # fmt: skip
        elif self.pii is not None and self.type != "string":
            raise DeclarationProblem(
                f"'pii' is {self.pii}, which makes a text, and the field has the type {self.type}",
                {"applies to": "string", "any type": "drop, with required: false"}, "type: string", ("pii",),
            )  # fmt: skip
        elif self.pii is not None and self.values is not None:
            raise DeclarationProblem(
                f"'pii' is {self.pii}, and the contract lists the values",
                {"why": "readers could not hold a record to them"}, "remove values or pii", ("pii",),
            )  # fmt: skip

    def _check_sizes(self) -> None:
        for low, high in (("scale", "precision"), ("min_items", "max_items")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise DeclarationProblem(
                    f"{low!r} {least} is above {high!r} {most}", {"expected": f"{low} <= {high}"}, f"{low}: {most}",
                    (low,),
                )  # fmt: skip

    def _check_inner(self) -> None:
        if self.type == "object" and not self.fields:
            raise DeclarationProblem("'fields' is empty", {"expected": "at least one field"}, None, ("fields",))
        for name in self.fields or {}:
            checked_name(name)
        for path, field in self.inner.items():
            if field.default is not None:
                raise DeclarationProblem(
                    f"{path!r} has a default, and only a field of the event itself can have one",
                    {"instead": "required: false"},
                    "remove default",
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
