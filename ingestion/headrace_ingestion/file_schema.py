"""The pydantic model that reads a YAML file → the JSON Schema of that file: editors propose, explain and check with it.

Fields are described by the `Attributes` of the model's docstring. A type whose form in the file is not its own, such as
a duration, says so beside its validator; rules over several fields stand in the model's `json_schema_extra`.
"""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from headrace_ingestion.durations import format_duration
from headrace_ingestion.model_shape import model_at
from headrace_ingestion.schema_rules import Schema

_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_WHOLE_IN_QUOTES = r"^\s*[+-]?[0-9]+(_[0-9]+)*(\.0+)?\s*$"
_NUMBER_IN_QUOTES = r"^\s*[+-]?([0-9]+(_[0-9]+)*(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"


def file_schema(model: type[BaseModel], title: str, *others: type[BaseModel]) -> Schema:
    """Return the JSON Schema (draft 2020-12) of what `model` reads, or one of the others.

    Args:
        model: The model.
        title: What editors call the file.
        others: Models that read other forms of the file.
    """
    forms = [one.model_json_schema(schema_generator=_Generator) for one in (model, *others)]
    defined = {name: part for form in forms for name, part in form.pop("$defs", {}).items()}
    schema = {"anyOf": forms} if others else forms[0]
    definitions = {"$defs": defined} if defined else {}
    return {"$schema": GenerateJsonSchema.schema_dialect, **definitions, **schema, "title": title}


def field_descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a model and its bases say about its fields, by key of the file.

    A field without a word of its own is described by the model that it holds.
    """
    told: dict[str, str] = {}
    for base in reversed(model.__mro__):
        _, _, attributes = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")
        told |= {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(attributes)}
    found = {}
    for name, field in model.model_fields.items():
        held = model_at(field.annotation, ())
        text = field.description or told.get(name) or (_summary(held) if held else None)
        if text:
            found[field.alias or name] = text
    return found


def _summary(model: type[BaseModel]) -> str:
    text, _, _ = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")
    return " ".join(text.split())


class _Generator(GenerateJsonSchema):
    """Pydantic's own, with the descriptions of the house and without what only repeats names."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        """Describe the model and its fields by its docstring."""
        found = super().model_schema(schema)
        model = schema["cls"]
        found["description"] = _summary(model)
        for name, text in field_descriptions(model).items():
            found["properties"][name]["description"] = text
        return found

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave out titles: they repeat the names."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        """Show defaults as the file would write them; nothing and whole sections are no use to an author."""
        found = super().default_schema(schema)
        default = self.get_default_value(schema)
        if isinstance(default, timedelta):
            found["default"] = format_duration(default)
        elif default is None or isinstance(default, BaseModel):
            found.pop("default", None)
        return found

    def dict_schema(self, schema: core_schema.DictSchema) -> Schema:
        """Refuse keys that are no names."""
        found = super().dict_schema(schema)
        return {**found, "additionalProperties": False} if "patternProperties" in found else found

    def int_schema(self, schema: core_schema.IntSchema) -> Schema:
        """Take a number in quotes where the reader does: variables of the environment are text."""
        return _with_text(super().int_schema(schema), schema.get("strict"), _WHOLE_IN_QUOTES)

    def float_schema(self, schema: core_schema.FloatSchema) -> Schema:
        """Take a number in quotes where the reader does."""
        return _with_text(super().float_schema(schema), schema.get("strict"), _NUMBER_IN_QUOTES)


def _with_text(number: Schema, strict: bool | None, pattern: str) -> Schema:
    return number if strict else {"anyOf": [number, {"type": "string", "pattern": pattern}]}
