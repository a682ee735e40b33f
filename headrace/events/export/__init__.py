"""A contract in the languages of others: JSON Schema, Avro, typed Python. Knows no broker and no lake."""

from headrace.events.export.avro import avro_schema
from headrace.events.export.json_schema import json_schema
from headrace.events.export.python_module import python_module

__all__ = ["avro_schema", "json_schema", "python_module"]
