"""JSON Schema for what a model's validators demand beyond the types of its fields: stands beside the validators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any]

GIVEN: Schema = {"type": ["array", "boolean", "number", "object", "string"]}
"""Anything but null."""
NOT_GIVEN: Schema = {"type": "null"}
"""A field that may only be left out, or null."""


def having(**fields: Schema) -> Schema:
    """Return the schema of a mapping that has each of these fields, with a value that matches."""
    return {"required": list(fields), "properties": fields}


def limiting(**fields: Schema) -> Schema:
    """Return the schema of a mapping whose fields of these names match, where it has them."""
    return {"properties": fields}


def when(condition: Schema, then: Schema, otherwise: Schema | None = None) -> Schema:
    """Return the schema of what matches `then` where it matches the condition, and `otherwise` where it does not."""
    rule: Schema = {"if": condition, "then": then}
    return rule if otherwise is None else {**rule, "else": otherwise}


def exactly_one(names: Sequence[str]) -> Schema:
    """Return the schema of a mapping that gives exactly one of the fields; null is not given."""
    return {"oneOf": [having(**{name: GIVEN}) for name in names]}


def at_least_one(names: Sequence[str]) -> Schema:
    """Return the schema of a mapping that gives one of the fields, or more; null is not given."""
    return {"anyOf": [having(**{name: GIVEN}) for name in names]}


def one_or_more(item: Schema) -> Schema:
    """Return the schema of one value, or of a list of at least one."""
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def rules(*schemas: Schema) -> Schema:
    """Return what goes into `json_schema_extra` of a model: all of the schemas hold."""
    return {"allOf": list(schemas)}
