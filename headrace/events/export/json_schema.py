"""A contract → the JSON Schema (draft 2020-12) of the values of its records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace_ingestion.contract import Contract
from headrace_ingestion.fields import INTEGER_RANGES, Field

Schema = dict[str, Any]

_DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_HOUR = "([01][0-9]|2[0-3]):[0-5][0-9]"
_TIMESTAMP = rf"^{_DAY}T{_HOUR}:[0-5][0-9](\.[0-9]+)?(Z|[+-]{_HOUR})$"


def json_schema(contract: Contract) -> Schema:
    """Return the schema. It accepts every value that the contract accepts.

    What JSON Schema cannot say, the contract refuses all the same: days that no month has, years before 1970, bounds of
    decimals, whole numbers written as `1.0`, keys and times of records.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": contract.label,
        **_described(contract.description),
        **_object(contract.fields),
    }


def _object(fields: Mapping[str, Field]) -> Schema:
    required = [name for name, field in fields.items() if field.is_needed]
    return {
        "type": "object",
        "properties": {name: _field(field) for name, field in fields.items()},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _field(field: Field) -> Schema:
    schema = {**_value(field), **_described(field.description)}
    if field.unit:
        schema["x-unit"] = field.unit
    if field.pii:
        schema["x-pii"] = field.pii
    if field.default is not None:
        schema["default"] = field.default
    return schema if field.is_needed else _or_null(schema)


def _or_null(schema: Schema) -> Schema:
    allowed = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **allowed}


def _value(field: Field) -> Schema:
    if field.type == "object":
        return _object(field.fields or {})
    inner = next(iter(field.inner.values()), None)
    if field.type == "list" and inner is not None:
        return {"type": "array", "items": _field(inner), **_given(minItems=field.min_items, maxItems=field.max_items)}
    if field.type == "map" and inner is not None:
        return {"type": "object", "additionalProperties": _field(inner)}
    if field.type == "decimal":
        return {"type": "string", "pattern": _decimal(field.precision or 0, field.scale or 0)}
    if field.type in INTEGER_RANGES:
        low, high = INTEGER_RANGES[field.type]
        bounds = {
            "minimum": low if field.minimum is None else field.minimum,
            "maximum": high if field.maximum is None else field.maximum,
        }
        return {"type": "integer", **bounds, **_given(enum=_listed(field))}
    if field.type == "double":
        return {"type": "number", **_given(minimum=field.minimum, maximum=field.maximum)}
    if field.type == "timestamp":
        return {"type": "string", "format": "date-time", "pattern": _TIMESTAMP}
    if field.type == "date":
        return {"type": "string", "format": "date", "pattern": f"^{_DAY}$"}
    if field.type == "bool":
        return {"type": "boolean"}
    pattern = None if field.pattern is None else f"^(?:{field.pattern})$"
    return {"type": "string", **_given(pattern=pattern, maxLength=field.max_length, enum=_listed(field))}


def _listed(field: Field) -> list[str | int] | None:
    return None if field.allowed is None else list(field.allowed)


def _decimal(precision: int, scale: int) -> str:
    whole = f"0*[0-9]{{1,{precision - scale}}}" if precision > scale else "0+"
    fraction = rf"(\.[0-9]{{1,{scale}}}0*)?" if scale else r"(\.0+)?"
    return f"^-?{whole}{fraction}$"


def _given(**words: Any) -> Schema:
    return {word: value for word, value in words.items() if value is not None}


def _described(text: str | None) -> Schema:
    return {"description": text} if text else {}
