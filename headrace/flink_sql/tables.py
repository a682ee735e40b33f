"""Tables of a project → the Flink SQL that declares their topics. Text only; knows no Flink object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from headrace_ingestion.fields import Field
from headrace_lake.tables import Column, ColumnType, TableSpec

Start = Literal["earliest", "latest"] | datetime
"""Where reading begins: a time is that of the records, timezone-aware."""

WATERMARK_SECONDS = 5
"""How much older than the newest event an event may be before windows of `--follow` leave it out."""

_TYPES: Mapping[ColumnType, str] = {
    "string": "STRING",
    "bool": "BOOLEAN",
    "int": "INT",
    "long": "BIGINT",
    "double": "DOUBLE",
    "timestamp": "TIMESTAMP_LTZ(3)",
    "reasons": "ARRAY<ROW<`feature` STRING, `value` DOUBLE, `contribution` DOUBLE>>",
}
_FIELD_TYPES: Mapping[str, str] = {
    "string": "STRING",
    "enum": "STRING",
    "bool": "BOOLEAN",
    "int": "INT",
    "long": "BIGINT",
    "double": "DOUBLE",
    "timestamp": "TIMESTAMP_LTZ(3)",
    "date": "DATE",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How the topics are read.

    Attributes:
        bootstrap_servers: `host:port,…`.
        properties: Login and certificates, by the names of the Java client.
        start: Where reading begins.
        follow: Whether it goes on with what comes; else it ends with what is there.
    """

    bootstrap_servers: str
    properties: Mapping[str, str]
    start: Start = "earliest"
    follow: bool = False


def declare(spec: TableSpec, reading: Reading) -> str:
    """Return the statement that declares the topic of a table under the name that the table has in the lake."""
    own = spec.columns if spec.contract is None else spec.columns[3:]
    lines = [line for column in own for line in _column(column, is_of_contract=spec.contract is not None)]
    if spec.contract is not None:
        lines += ["`_headers` MAP<STRING, BYTES> METADATA FROM 'headers' VIRTUAL"]
        lines += ["`event_id` AS DECODE(`_headers`['event_id'], 'UTF-8')"]
    lines += [
        "`_key` STRING",
        "`_partition` INT METADATA FROM 'partition' VIRTUAL",
        "`_offset` BIGINT METADATA FROM 'offset' VIRTUAL",
        "`_recorded_at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL",
        f"WATERMARK FOR {_name(spec.time_column)} AS {_name(spec.time_column)} - INTERVAL '{WATERMARK_SECONDS}' SECOND",
    ]
    options = ",\n  ".join(f"{_text(name)} = {_text(value)}" for name, value in _options(spec, reading).items())
    body = ",\n  ".join(lines)
    return f"CREATE TABLE {_name(spec.schema)}.{_name(spec.name)} (\n  {body}\n) WITH (\n  {options}\n)"


def _column(column: Column, *, is_of_contract: bool) -> list[str]:
    name = _name(column.name)
    if column.declared is not None:
        return [f"{name} {_field_type(column.declared)}"]
    if column.type == "timestamp" and not is_of_contract:
        # Rows hold milliseconds, under a name that says so.
        return [f"{_name(column.field)} BIGINT", f"{name} AS TO_TIMESTAMP_LTZ({_name(column.field)}, 3)"]
    return [f"{name} {_TYPES[column.type]}"]


def _field_type(field: Field) -> str:
    inner = {path.removeprefix("."): _field_type(one) for path, one in field.inner.items()}
    if field.type == "decimal":
        return f"DECIMAL({field.precision}, {field.scale})"
    if field.type == "list":
        return f"ARRAY<{inner['[]']}>"
    if field.type == "map":
        return f"MAP<STRING, {inner['{}']}>"
    if field.type == "object":
        return f"ROW<{', '.join(f'{_name(name)} {kind}' for name, kind in inner.items())}>"
    return _FIELD_TYPES[field.type]


def _options(spec: TableSpec, reading: Reading) -> dict[str, str]:
    options = {
        "connector": "kafka",
        "topic": spec.topic,
        "properties.bootstrap.servers": reading.bootstrap_servers,
        "properties.isolation.level": "read_committed" if spec.committed_only else "read_uncommitted",
        **{f"properties.{name}": value for name, value in reading.properties.items()},
        "key.format": "raw",
        "key.fields": "_key",
        "value.format": "json",
        "value.fields-include": "EXCEPT_KEY",
        # What the contract refuses is a dead letter, not the end of a query: its columns are null.
        "value.json.ignore-parse-errors": "true",
        "value.json.timestamp-format.standard": "ISO-8601",
        # No group: nothing is committed, and nobody is disturbed.
        "scan.startup.mode": "timestamp" if isinstance(reading.start, datetime) else f"{reading.start}-offset",
    }
    if isinstance(reading.start, datetime):
        options["scan.startup.timestamp-millis"] = str(round(reading.start.timestamp() * 1000))
    if not reading.follow:
        options["scan.bounded.mode"] = "latest-offset"
    return options


def _name(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _text(text: str) -> str:
    quoted = text.replace("'", "''")
    return f"'{quoted}'"
