"""A file of events: its format by its name, whether it is compressed, and the digest of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import Literal

from headrace_ingestion.errors import closest

from headrace.events.errors import SourceError

Format = Literal["csv", "jsonl", "parquet"]

_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
_SHOWN_FILES = 10


@dataclass(frozen=True)
class Source:
    """A file that exists.

    Attributes:
        path: The file, as it was given.
        format: How its rows stand in it.
        is_gzip: Whether that is compressed with gzip.
    """

    path: Path
    format: Format
    is_gzip: bool

    @property
    def stem(self) -> str:
        """The file's name without the suffixes that tell its format."""
        return _without_suffixes(self.path.name)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file's bytes, in hexadecimal; reads the whole file once.

        Raises:
            SourceError: The file cannot be read.
        """
        with opened(self.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @cached_property
    def size_bytes(self) -> int:
        """Size of the file as it is stored."""
        return self.path.stat().st_size


def find_source(path: Path, form: Format | None = None) -> Source:
    """Return the file as a source of events.

    Args:
        path: The file.
        form: Its format; None takes it from the suffix: `.csv`, `.jsonl`, `.ndjson`, `.json`, `.parquet`, each also
            with `.gz` behind it.

    Raises:
        SourceError: There is no such file, or its suffix says nothing.
    """
    if not path.is_file():
        raise _missing(path)
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    is_gzip = bool(suffixes) and suffixes[-1] == ".gz"
    suffix = (suffixes[:-1] if is_gzip else suffixes)[-1:]
    found = form or (_FORMATS.get(suffix[0]) if suffix else None)
    if found is None:
        raise SourceError(
            f"the name of the file {path} does not say its format",
            {"suffixes": ", ".join(_FORMATS) + ", each also with .gz"},
            "--format csv, --format jsonl or --format parquet",
        )
    return Source(path, found, is_gzip)


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open the file as bytes.

    Raises:
        SourceError: It cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    with file:
        yield file


def unreadable(path: Path, why: str, expected: str = "a file that this user may read") -> SourceError:
    """Return the error of a file that cannot be read, or not to its end."""
    return SourceError(f"the file {path} cannot be read: {why}", {"expected": expected}, f"ls -l {path}")


def _missing(path: Path) -> SourceError:
    if path.is_dir():
        return SourceError(
            f"{path} is a folder", {"expected": "files", "files": _files_of(path)}, f"{path}/*.csv or {path}/*.parquet"
        )
    folder = path.parent
    if not folder.is_dir():
        return SourceError(
            f"the file {path} does not exist",
            {"expected": f"the folder {folder}, which does not exist either"},
            f"ls {next(above for above in folder.parents if above.is_dir())}",
        )
    names = [other.name for other in folder.iterdir() if other.is_file()]
    near = closest(path.name, names)
    return SourceError(
        f"the file {path} does not exist",
        {"files": _files_of(folder), "where": str(folder.absolute())},
        str(folder / near) if near else f"ls {folder}",
    )


def _files_of(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir() if _suffix_of(path.name) in _FORMATS)
    more = f" and {len(names) - _SHOWN_FILES} more" if len(names) > _SHOWN_FILES else ""
    return ", ".join(names[:_SHOWN_FILES]) + more if names else "none with events"


def _suffix_of(name: str) -> str:
    return Path(name.lower().removesuffix(".gz")).suffix


def _without_suffixes(name: str) -> str:
    plain = name[:-3] if name.lower().endswith(".gz") else name
    return plain[: -len(suffix)] if (suffix := Path(plain).suffix).lower() in _FORMATS else plain
