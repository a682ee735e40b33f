"""A list of a declaration that may be written as its only value: `take: mean` is `take: [mean]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from headrace_ingestion.schema_rules import Schema


@dataclass(frozen=True)
class OneOrMore:
    """Marks the type of such a list, for the reader and for editors alike."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read a single value as a list of one."""
        return core_schema.no_info_before_validator_function(as_list, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        """Return what the file may hold: the value, or a list."""
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


def as_list(value: object) -> list[object]:
    """Return a list as it is, and anything else as a list of one."""
    return list(value) if isinstance(value, list | tuple) else [value]
