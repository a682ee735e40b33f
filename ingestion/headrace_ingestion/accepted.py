"""Accepted values of an event → values that an encoder takes again: instants as text instead of milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headrace_ingestion.contract import Contract
from headrace_ingestion.fields import Field
from headrace_ingestion.timestamps import format_timestamp

_Convert = Callable[[Any], Any]


def values_to_send(contract: Contract) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return the function that takes `Parsed.fields` of the contract and leaves out what is absent."""
    converters = [(name, _converter(field)) for name, field in contract.fields.items()]

    def convert(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: fields[name] if converter is None else converter(fields[name])
            for name, converter in converters
            if fields[name] is not None
        }

    return convert


def _converter(field: Field) -> _Convert | None:
    """Return what converts a value; None where it stays as it is."""
    if field.type == "timestamp":
        return format_timestamp
    inner = {path.removeprefix("."): _converter(one) for path, one in field.inner.items()}
    if not any(inner.values()):
        return None
    if field.type == "list":
        return lambda value: [_by(inner["[]"], one) for one in value]
    if field.type == "map":
        return lambda value: {key: _by(inner["{}"], one) for key, one in value.items()}
    return lambda value: {name: _by(inner[name], one) for name, one in value.items()}


def _by(convert: _Convert | None, value: Any) -> Any:
    return value if convert is None or value is None else convert(value)
