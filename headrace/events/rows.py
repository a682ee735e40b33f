"""Rows of a file, a chunk at a time and in its order. Knows formats; knows nothing of contracts."""

from __future__ import annotations

import codecs
import csv
import gzip
import itertools
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import orjson

from headrace.events.errors import SourceError
from headrace.events.sources import Source, opened, unreadable

CHUNK_ROWS = 5_000


class Row(NamedTuple):
    """One row of a file.

    Attributes:
        number: Its place among the rows of the file, from 0.
        line: Where a person finds it: the line of a text file, the number of the row from 1 in Parquet.
        values: Column → value; None when the row cannot be read.
        problem: Why it cannot.
    """

    number: int
    line: int
    values: Mapping[str, Any] | None
    problem: str = ""


class Chunk(NamedTuple):
    """Some rows, and how many bytes of the file as it is stored have been read by then."""

    rows: list[Row]
    done_bytes: int


def header(source: Source) -> tuple[str, ...] | None:
    """Return the columns of the file, None for JSON Lines: there every row has its own.

    Raises:
        SourceError: The file cannot be read, or has no header.
    """
    if source.format == "jsonl":
        return None
    with _readable(source), _plain_bytes(source) as (_, data):
        if source.format == "parquet":
            import pyarrow.parquet as pq

            return tuple(pq.ParquetFile(data).schema_arrow.names)
        return tuple(_csv_header(csv.reader(_text(data), strict=True), source))


def read_rows(source: Source, columns: Sequence[str] | None = None, skip: int = 0) -> Iterator[Chunk]:
    """Yield the rows of the file from row `skip` on; needs the memory of a few thousand of them.

    CSV gives texts, and None for an empty cell. JSON Lines gives what stands in the lines. Parquet gives Python values;
    its timestamps are cut to milliseconds.

    Args:
        source: The file.
        columns: What is wanted; Parquet reads no more than this, the others give all.
        skip: Number of rows to leave out at the start.

    Raises:
        SourceError: The file cannot be read to its end.
    """
    with _readable(source), _plain_bytes(source) as (stored, data):
        if source.format == "parquet":
            yield from _parquet_chunks(source, data, columns, skip)
            return
        rows = _csv_rows(source, data) if source.format == "csv" else json_rows(data)
        wanted = itertools.islice(rows, skip, None)
        while chunk := list(itertools.islice(wanted, CHUNK_ROWS)):
            yield Chunk(chunk, stored.tell())


def json_rows(lines: Iterator[bytes] | BinaryIO) -> Iterator[Row]:
    """Yield a row for every line that is not empty."""
    number = 0
    for line, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            yield Row(number, line, None, "the line is not JSON")
        else:
            is_object = isinstance(value, dict)
            yield Row(number, line, value if is_object else None, "" if is_object else "the line is not a JSON object")
        number += 1


def _csv_rows(source: Source, data: BinaryIO) -> Iterator[Row]:
    reader = csv.reader(_text(data), strict=True)
    names = _csv_header(reader, source)
    number = 0
    for cells in reader:
        if not cells:
            continue
        if len(cells) == len(names):
            # A cell without text holds nothing: CSV cannot tell an empty text from none.
            values = {name: cell or None for name, cell in zip(names, cells, strict=True)}
            yield Row(number, reader.line_num, values)
        else:
            problem = f"the line has {len(cells)} values, the header has {len(names)}"
            yield Row(number, reader.line_num, None, problem)
        number += 1


def _csv_header(reader: Iterator[list[str]], source: Source) -> list[str]:
    names = next(reader, [])
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise SourceError(
            f"the file {source.path} {f'has the column {twice[0]!r} twice' if twice else 'has no header'}",
            {"expected": "the names of the columns in the first line, each once"},
            f"head -n 3 {source.path}",
        )
    return names


def _text(data: BinaryIO) -> Iterator[str]:
    # Line by line: a TextIOWrapper would close the file when it is collected.
    return codecs.iterdecode(data, "utf-8-sig")


def _parquet_chunks(source: Source, data: BinaryIO, columns: Sequence[str] | None, skip: int) -> Iterator[Chunk]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(data)
    present = [name for name in file.schema_arrow.names if columns is None or name in columns]
    total = max(1, file.metadata.num_rows)
    end = 0
    for batch in file.iter_batches(CHUNK_ROWS, columns=present):
        start, end = end, end + batch.num_rows
        if end <= skip:
            continue
        first = max(start, skip)
        values = [_python_values(column.slice(first - start)) for column in batch.columns]
        rows = [
            Row(number, number + 1, dict(zip(present, cells, strict=True)))
            for number, cells in enumerate(zip(*values, strict=True), start=first)
        ]
        yield Chunk(rows, source.size_bytes * end // total)


def _python_values(column: Any) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type) and column.type.unit != "ms":
        # Nanoseconds would come as pandas objects, which Python's datetime cannot hold.
        column = column.cast(pa.timestamp("ms", column.type.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values


@contextmanager
def _plain_bytes(source: Source) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Yield the file as it is stored, and its decompressed bytes; those of Parquet can be sought in."""
    with opened(source.path) as stored:
        if not source.is_gzip:
            yield stored, stored
            return
        with gzip.GzipFile(fileobj=stored) as data:
            if source.format != "parquet":
                yield stored, data  # type: ignore[misc]  # GzipFile has all that BinaryIO asks for, but its name
                return
            with tempfile.TemporaryFile() as scratch:
                shutil.copyfileobj(data, scratch)
                scratch.seek(0)
                yield stored, scratch


@contextmanager
def _readable(source: Source) -> Iterator[None]:
    """Turn what the readers of formats raise into our error."""
    wanted = {"csv": 'CSV in UTF-8, quoted with "', "jsonl": "JSON Lines", "parquet": "Parquet"}[source.format]
    expected = f"{wanted}{', compressed with gzip' if source.is_gzip else ''}"
    try:
        yield
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise unreadable(source.path, f"it is not UTF-8 (byte 0x{byte:02x})", expected) from error
    except csv.Error as error:
        raise unreadable(source.path, str(error), expected) from error
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(source.path, str(error), expected) from error
    except ValueError as error:
        # The errors of Arrow are ValueErrors; their first line says it.
        raise unreadable(source.path, str(error).splitlines()[0], expected) from error
