"""A body as it is sent → the events in it: bounded in bytes and records, unpacked, each with its place."""

from __future__ import annotations

import asyncio
import csv
import io
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from headrace_ingestion.codec import NOT_AN_OBJECT, NOT_JSON
from headrace_ingestion.contract import Contract

from headrace.events.values import converter
from headrace.http.errors import BodyError, MediaTypeError, SlowBodyError, TooLargeError

Form = Literal["json", "jsonl", "csv"]

FORMS: dict[str, Form] = {
    "application/json": "json",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/json-lines": "jsonl",
    "text/csv": "csv",
}
ENCODINGS = ("identity", "gzip")

READ_SECONDS = 30.0
"""A body that takes longer is given up: a few slow senders must not hold all connections."""


@dataclass(frozen=True, slots=True)
class Item:
    """One record of a body.

    Attributes:
        index: Its place among the records, from 0.
        line: Its line in JSON Lines and CSV, from 1.
        fields: Field → value; None when it cannot be read.
        problem: Why it cannot.
    """

    index: int
    line: int | None
    fields: dict[str, Any] | None
    problem: str = ""


def form_of(content_type: str | None) -> Form:
    """Return how the records stand in a body.

    Raises:
        MediaTypeError: There is no reader for that type.
    """
    name = (content_type or "").partition(";")[0].strip().lower()
    if name not in FORMS:
        raise MediaTypeError(
            f"there is no reader for the content type {name!r}" if name else "the request has no content type",
            {"types": ", ".join(FORMS)},
            "Content-Type: application/json",
        )
    return FORMS[name]


async def read_body(
    chunks: AsyncIterator[bytes], encoding: str | None, max_bytes: int, *, read_seconds: float = READ_SECONDS
) -> bytes:
    """Return the unpacked body; no more than the limit is ever held, however small it was packed.

    Args:
        chunks: The body as it comes.
        encoding: The header `Content-Encoding`.
        max_bytes: Most bytes, as sent and unpacked.
        read_seconds: How long it may take to come.

    Raises:
        MediaTypeError: It is packed in a way that is not known.
        TooLargeError: It has more bytes.
        SlowBodyError: It did not come in time.
        BodyError: It is not gzip, though it says so.
    """
    name = (encoding or "identity").strip().lower()
    if name not in ENCODINGS:
        raise MediaTypeError(
            f"there is no reader for the content encoding {name!r}",
            {"encodings": ", ".join(ENCODINGS)},
            "Content-Encoding: gzip",
        )
    body = bytearray()
    try:
        async with asyncio.timeout(read_seconds):
            async for chunk in chunks:
                body += chunk
                if len(body) > max_bytes:
                    raise _too_many_bytes(max_bytes)
    except TimeoutError as error:
        raise SlowBodyError(
            f"the body did not come within {read_seconds:g} seconds", {"received": f"{len(body)} bytes"}, "send less"
        ) from error
    return bytes(body) if name == "identity" else _unzipped(bytes(body), max_bytes)


def read_items(form: Form, body: bytes, contract: Contract, max_records: int) -> list[Item]:
    """Return the records of a body, in their order.

    Args:
        form: How they stand in it.
        body: The unpacked body.
        contract: Says what the texts of CSV are.
        max_records: Most records.

    Raises:
        BodyError: The body cannot be read, or holds nothing.
        TooLargeError: It has more records.
    """
    found = {"json": _json, "jsonl": _json_lines, "csv": _csv}[form](body, contract)
    items: list[Item] = []
    for item in found:
        if len(items) == max_records:
            raise TooLargeError(
                f"the body has more than {max_records} records",
                {"limit": "http.max_records"},
                "send them in several requests",
            )
        items.append(item)
    if not items:
        raise BodyError("the body holds no event", {"event": contract.name}, _example(contract))
    return items


def _json(body: bytes, contract: Contract) -> Iterator[Item]:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BodyError(
            f"the body is not JSON: {error}", {"expected": "an object, or an array of objects"}, _example(contract)
        ) from error
    for index, value in enumerate(data if isinstance(data, list) else [data]):
        yield _item(index, None, value)


def _json_lines(body: bytes, contract: Contract) -> Iterator[Item]:
    index = 0
    for line, text in enumerate(body.split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            yield _item(index, line, orjson.loads(text))
        except orjson.JSONDecodeError:
            yield Item(index, line, None, NOT_JSON)
        index += 1


def _csv(body: bytes, contract: Contract) -> Iterator[Item]:
    try:
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        names = next(reader, [])
        if len(set(names)) != len(names):
            raise BodyError("the CSV has a column twice", {"columns": ", ".join(names)[:200]}, "name each column once")
        convert = {name: converter(field, "csv", None) for name, field in contract.fields.items()}
        cells = ((reader.line_num, row) for row in reader if row)
        for index, (line, row) in enumerate(cells):
            if len(row) != len(names):
                yield Item(index, line, None, f"the line has {len(row)} values, the header has {len(names)}")
                continue
            # A cell without text holds nothing: CSV cannot tell an empty text from none.
            values = {name: cell for name, cell in zip(names, row, strict=True) if cell}
            yield Item(index, line, {name: _converted(convert.get(name), cell) for name, cell in values.items()})
    except (UnicodeDecodeError, csv.Error) as error:
        raise BodyError(
            f"the body cannot be read as CSV: {error}",
            {"expected": 'CSV in UTF-8, quoted with ", the names of the columns in the first line'},
            "Content-Type: application/x-ndjson, if it is JSON Lines",
        ) from error


def _converted(convert: Any, cell: str) -> Any:
    return cell if convert is None else convert(cell)


def _item(index: int, line: int | None, value: Any) -> Item:
    return Item(index, line, value) if isinstance(value, dict) else Item(index, line, None, NOT_AN_OBJECT)


def _unzipped(packed: bytes, max_bytes: int) -> bytes:
    plain = bytearray()
    try:
        # gzip may have several members, one after the other.
        while packed:
            unpacker = zlib.decompressobj(wbits=31)
            plain += unpacker.decompress(packed, max_bytes + 1 - len(plain))
            if len(plain) > max_bytes:
                raise _too_many_bytes(max_bytes)
            if not unpacker.eof:
                raise BodyError(
                    "the gzip of the body ends early", {"received": f"{len(plain)} bytes unpacked"}, "gzip -t"
                )
            packed = unpacker.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise BodyError(
            f"the body is not gzip: {error}", {"encodings": ", ".join(ENCODINGS)}, "leave Content-Encoding out"
        ) from error
    return bytes(plain)


def _too_many_bytes(max_bytes: int) -> TooLargeError:
    return TooLargeError(
        f"the body has more than {max_bytes} bytes", {"limit": "http.max_body_bytes"}, "send it in several requests"
    )


def _example(contract: Contract) -> str:
    shown: Mapping[str, str] = {name: "…" for name, field in contract.fields.items() if field.required}
    return "{" + ", ".join(f'"{name}": {value}' for name, value in shown.items()) + "}"
