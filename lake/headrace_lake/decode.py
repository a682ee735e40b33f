"""Records of a topic → rows of its table, columns first. A record that cannot be read is data, never an exception."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import orjson
import pyarrow as pa
from headrace_ingestion.codec import compile_parser
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import Reason
from headrace_ingestion.feature_rows import FeatureRowError, read_feature_row
from headrace_ingestion.records import Parsed, Record, Refused

from headrace_lake.column_values import column_of, epoch_ms_column
from headrace_lake.declared_values import declared_column
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import TableSpec

NOT_AN_OBJECT: Final = "the value is not a JSON object"


class RefusedRecord(NamedTuple):
    """A record that is no row, and why.

    Attributes:
        record: The record as read.
        reason: One of the reasons of a dead letter.
        detail: Field, value and what was expected.
        event: Name of the event; None when the topic is not of one.
    """

    record: Record
    reason: Reason
    detail: str
    event: str | None


class Decoded(NamedTuple):
    """What a batch of records holds.

    Attributes:
        rows: The rows, in the order of the records.
        refused: The records that are none.
    """

    rows: pa.Table
    refused: list[RefusedRecord]


Decode: TypeAlias = Callable[[Sequence[Record]], Decoded]


def compile_decoder(spec: TableSpec) -> Decode:
    """Return the function that reads a batch of records of the table's topic."""
    return _row_decoder(spec) if spec.contract is None else _event_decoder(spec, spec.contract)


def _event_decoder(spec: TableSpec, contract: Contract) -> Decode:
    parse = compile_parser(contract)
    schema = arrow_schema(spec)
    fields = list(enumerate(spec.columns[3:]))

    def decode(records: Sequence[Record]) -> Decoded:
        parsed: list[Parsed] = []
        kept: list[Record] = []
        refused: list[RefusedRecord] = []
        for record in records:
            answer = parse(record)
            if isinstance(answer, Refused):
                refused.append(RefusedRecord(record, answer.reason, answer.detail, contract.name))
            else:
                parsed.append(answer)
                kept.append(record)
        # `Parsed.fields` holds every field in the contract's order, so one transposition makes all columns.
        values: Sequence[Sequence[Any]] = list(zip(*(answer.fields.values() for answer in parsed), strict=True))
        arrays = [
            pa.array([answer.event_id for answer in parsed], pa.string()),
            pa.array([answer.contract for answer in parsed], pa.string()),
            pa.array([answer.trace for answer in parsed], pa.string()),
        ]
        for index, column in fields:
            of_column = values[index] if parsed else ()
            if column.type == "timestamp":
                arrays.append(epoch_ms_column(of_column))
            elif column.declared is not None:
                arrays.append(declared_column(column.declared, of_column))
            else:
                arrays.append(pa.array(of_column, schema.field(column.name).type))
        return Decoded(pa.Table.from_arrays([*arrays, *_place(kept)], schema=schema), refused)

    return decode


def _row_decoder(spec: TableSpec) -> Decode:
    schema = arrow_schema(spec)
    read = _feature_row if spec.schema == "features" else _json_object

    def decode(records: Sequence[Record]) -> Decoded:
        objects: list[dict[str, Any]] = []
        kept: list[Record] = []
        refused: list[RefusedRecord] = []
        for record in records:
            data = read(record.value)
            if isinstance(data, str):
                refused.append(RefusedRecord(record, "not_json", data, None))
            else:
                objects.append(data)
                kept.append(record)
        wrong: dict[int, tuple[Reason, str]] = {}
        arrays = [column_of(column, [data.get(column.field) for data in objects], wrong) for column in spec.columns]
        rows = pa.Table.from_arrays([*arrays, *_place(kept)], schema=schema)
        if wrong:
            refused += [RefusedRecord(kept[index], *wrong[index], None) for index in sorted(wrong)]
            rows = rows.filter(pa.array([index not in wrong for index in range(len(kept))]))
        return Decoded(rows, refused)

    return decode


def _json_object(value: bytes | None) -> dict[str, Any] | str:
    """Return the object of a value, or the detail that says why there is none."""
    if value is None:
        return "the record has no value"
    try:
        data = orjson.loads(value)
    except orjson.JSONDecodeError:
        return "the value is not JSON"
    return data if isinstance(data, dict) else NOT_AN_OBJECT


def _feature_row(value: bytes | None) -> dict[str, Any] | str:
    """Return the fields of a feature row, or the detail that says why there are none."""
    try:
        return read_feature_row(value)
    except FeatureRowError as error:
        return str(error)


def _place(records: Sequence[Record]) -> list[pa.Array]:
    return [
        pa.array([record.partition for record in records], pa.int32()),
        pa.array([record.offset for record in records], pa.int64()),
        pa.array([key_text(record.key) for record in records], pa.string()),
        # -1 is a record without a timestamp.
        epoch_ms_column([record.timestamp if record.timestamp >= 0 else None for record in records]),
    ]


def key_text(key: bytes | None) -> str | None:
    r"""Return a record's key as text; bytes that are not UTF-8 become `\xNN`."""
    return None if key is None else key.decode("utf-8", "backslashreplace")
