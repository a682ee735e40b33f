"""A contract → the Avro schema of its events. What Avro cannot say (bounds, patterns, lengths) is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from headrace_ingestion.checks import field_check
from headrace_ingestion.contract import Contract
from headrace_ingestion.fields import Field

NAMESPACE = "headrace.events"

_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PLAIN = {"string": "string", "bool": "boolean", "int": "int", "long": "long", "double": "double"}
_LOGICAL = {
    "timestamp": {"type": "long", "logicalType": "timestamp-millis"},
    "date": {"type": "int", "logicalType": "date"},
}


def avro_schema(contract: Contract) -> dict[str, Any]:
    """Return the schema: a record, with a record of its own for each object and an enum for each closed set of names.

    Timestamps are `timestamp-millis`, dates `date`, decimals `decimal` over bytes. An optional field is a union with
    null, and null by default; a field with a default has it as Avro's own.
    """
    about = {"doc": contract.description} if contract.description else {}
    about |= {"namespace": NAMESPACE, "headrace.contract": contract.label}
    return {"type": "record", "name": contract.name, **about, **_record(contract.name, contract.fields)}


def _record(name: str, fields: Mapping[str, Field]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [_field(name, *one) for one in fields.items()]}


def _field(owner: str, name: str, field: Field) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "type": _or_null(f"{owner}_{name}", field)}
    if field.default is not None:
        found["default"] = _default(name, field)
    elif not field.required:
        found["default"] = None
    if field.description:
        found["doc"] = field.description
    return found | {word: value for word, value in (("unit", field.unit), ("pii", field.pii)) if value}


def _or_null(name: str, field: Field) -> Any:
    type_ = _type(name, field)
    return type_ if field.required or field.default is not None else ["null", type_]


def _type(name: str, field: Field) -> Any:
    inner = next(iter(field.inner.values()), None)
    if field.type == "object":
        return _record(name, field.fields or {})
    if field.type == "list" and inner is not None:
        return {"type": "array", "items": _or_null(f"{name}_item", inner)}
    if field.type == "map" and inner is not None:
        return {"type": "map", "values": _or_null(f"{name}_value", inner)}
    if field.type == "decimal":
        return {"type": "bytes", "logicalType": "decimal", "precision": field.precision, "scale": field.scale}
    if field.type == "enum":
        symbols = [str(value) for value in field.allowed or ()]
        if all(_SYMBOL.fullmatch(symbol) for symbol in symbols):
            return {"type": "enum", "name": name, "symbols": symbols}
        return "string"
    return _LOGICAL.get(field.type) or _PLAIN[field.plain_type]


def _default(name: str, field: Field) -> Any:
    """Return the default as a schema writes it: logical types as what they stand on, bytes one character each."""
    value = field_check(name, field)(field.default)
    if field.type == "date":
        return (date.fromisoformat(value) - date(1970, 1, 1)).days
    if field.type == "decimal":
        unscaled = int(value.replace(".", ""))
        length = (unscaled + (unscaled < 0)).bit_length() // 8 + 1
        return unscaled.to_bytes(length, "big", signed=True).decode("latin-1")
    return value
