"""Training sets that were saved in the data folder: rows of a subject go out of them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from headrace_features.feature_store.training_set import METADATA

from headrace.forget.subject import Subject

_NOT_OURS = ("lake", "kafka", "flink", "online", "feast", "mlflow", "run", "logs")
"""Folders of the data folder that hold no training sets of people."""

_LONGEST_CELL = 2**31 - 1


class InFiles(NamedTuple):
    """What saved training sets hold of a subject.

    Attributes:
        rows: File → rows.
        failed: File → why it could not be read or written.
    """

    rows: dict[Path, int]
    failed: dict[Path, str]


def forget_in_files(subject: Subject, *, dry_run: bool = False) -> InFiles:
    """Write each saved training set that holds the subject anew, without its rows.

    Parquet, CSV and JSON Lines with a column of the key. A file is there as a whole, with or without the rows. What is
    in a data folder may be anything: a file that cannot be read is told, and does not keep the others from being looked
    at.

    Args:
        subject: The subject.
        dry_run: Only count.
    """
    found = InFiles({}, {})
    for path in _files(subject.project.folders.root):
        try:
            rows = _FORMS[path.suffix.lower()](path, subject, dry_run)
        except (OSError, csv.Error, pa.ArrowException) as error:
            found.failed[path] = str(error).strip().splitlines()[0]
            continue
        if rows:
            found.rows[path] = rows
    return found


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in _FORMS and path.is_file() and path.relative_to(root).parts[0] not in _NOT_OURS:
            yield path


def _parquet(path: Path, subject: Subject, dry_run: bool) -> int:
    described = json.loads((pq.read_schema(path).metadata or {}).get(METADATA, b"{}"))
    own = {view.name for view in subject.own_views}
    keys = {str(view["key"]) for name, view in described.get("views", {}).items() if name in own} | {subject.field}
    columns = [name for name in pq.read_schema(path).names if name in keys]
    if not columns:
        return 0
    table = pq.read_table(path)
    kept, values = table, pa.array(subject.values, pa.string())
    for name in columns:
        kept = kept.filter(pc.invert(pc.is_in(pc.cast(kept.column(name), "string"), value_set=values)))
    if kept.num_rows < table.num_rows and not dry_run:
        _replaced(path, lambda beside: pq.write_table(kept, beside))
    return int(table.num_rows - kept.num_rows)


def _csv(path: Path, subject: Subject, dry_run: bool) -> int:
    # A cell may be long. Bytes that are no UTF-8 are kept as they are.
    csv.field_size_limit(_LONGEST_CELL)
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.reader(file))
    header = [name.removeprefix("\ufeff").strip('"') for name in rows[0]] if rows else []
    if subject.field not in header:
        return 0
    place = header.index(subject.field)
    kept = [row for row in rows if len(row) <= place or row[place] not in subject.values]
    if len(kept) < len(rows) and not dry_run:

        def write(beside: Path) -> None:
            with beside.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
                csv.writer(file).writerows(kept)

        _replaced(path, write)
    return len(rows) - len(kept)


def _json_lines(path: Path, subject: Subject, dry_run: bool) -> int:
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not _names(line, subject)]
    if len(kept) < len(lines) and not dry_run:
        _replaced(path, lambda beside: beside.write_bytes(b"".join(kept)))
    return len(lines) - len(kept)


def _names(line: bytes, subject: Subject) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    return isinstance(row, dict) and str(row.get(subject.field)) in subject.values


def _replaced(path: Path, write: Callable[[Path], object]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


_FORMS: dict[str, Callable[[Path, Subject, bool], int]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
}
