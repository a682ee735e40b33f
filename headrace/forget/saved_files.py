"""Training sets that were saved in the data folder: rows of a subject go out of them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from headrace_features.feature_store.training_set import METADATA

from headrace.forget.subject import Subject

_NOT_OURS = ("lake", "kafka", "flink", "online", "feast", "mlflow", "run", "logs")
"""Folders of the data folder that hold no training sets of people."""


def forget_in_files(subject: Subject, *, dry_run: bool = False) -> dict[Path, int]:
    """Write each saved training set that holds the subject anew, without its rows; return file → rows.

    Parquet, CSV and JSON Lines with a column of the key. A file is there as a whole, with or without the rows.

    Args:
        subject: The subject.
        dry_run: Only count.

    Raises:
        OSError: A file cannot be read or written.
    """
    found = {}
    for path in _files(subject.project.folders.root):
        rows = _FORMS[path.suffix.lower()](path, subject, dry_run)
        if rows:
            found[path] = rows
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
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows or subject.field not in rows[0]:
        return 0
    place = rows[0].index(subject.field)
    kept = [row for row in rows if len(row) <= place or row[place] not in subject.values]
    if len(kept) < len(rows) and not dry_run:

        def write(beside: Path) -> None:
            with beside.open("w", newline="", encoding="utf-8") as file:
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
