"""Where a lake and its tables stand: a folder of this machine, or a prefix on object storage."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

from headrace_lake.errors import LakeError
from headrace_lake.object_store import SCHEME, ObjectPlace

if TYPE_CHECKING:
    import duckdb
    from deltalake import DeltaTable

Place: TypeAlias = Path | ObjectPlace
"""A folder or a file of a lake."""


def as_place(place: Place | str) -> Place:
    """Return a place that was given as text, a folder, as an absolute path.

    Raises:
        LakeError: It is a URI: that does not say how to reach the store.
    """
    if isinstance(place, str) and place.startswith(SCHEME):
        raise LakeError(
            f"{place} does not say how its store is reached",
            {"expected": "ObjectPlace.of(uri, ObjectStore(endpoint=…)), or the lake of a project"},
            'headrace.open("DIR").lake',
        )
    return Path(place).absolute() if isinstance(place, str) else place.absolute()


def delta_table(folder: Place, version: int | None = None) -> DeltaTable:
    """Return a fresh handle of the Delta table in a folder.

    Raises:
        DeltaError: There is none, or it cannot be read.
        OSError: The disk or the store does not answer.
    """
    from deltalake import DeltaTable

    return DeltaTable(str(folder), version=version, storage_options=delta_options(folder))


def delta_options(folder: Place) -> dict[str, str] | None:
    """Return what delta-rs has to be told to reach the folder; None: nothing."""
    return folder.store.delta_options if isinstance(folder, ObjectPlace) else None


def make_folder(folder: Place) -> None:
    """Make the folder in which a table is to stand.

    Raises:
        LakeError: It is on a store that cannot keep the promises of a table.
        OSError: It cannot be made.
    """
    if isinstance(folder, ObjectPlace):
        folder.check_refuses_a_second()
    else:
        folder.mkdir(parents=True, exist_ok=True)


def can_read(connection: duckdb.DuckDBPyConnection, place: Place | None) -> None:
    """Let a DuckDB connection read and write below the place."""
    if isinstance(place, ObjectPlace):
        connection.register_filesystem(place.store.files)


@contextmanager
def new_file(target: Place) -> Iterator[Path]:
    """Yield a path to write a file to; it stands at the target, safe from a power failure, when the block has ended.

    When the block fails nothing is left.
    """
    if isinstance(target, Path):
        try:
            yield target
            _force_to_disk(target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return
    with tempfile.TemporaryDirectory(prefix="headrace-upload-") as folder:
        path = Path(folder) / target.name
        yield path
        target.upload(path)


def _force_to_disk(path: Path) -> None:
    # The only copy of these rows, once the old files are gone.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def readable(lake: Place | None, file: str) -> AbstractContextManager[str | IO[bytes]]:
    """Return a file that delta-rs has named as pyarrow reads it: its path, or its object opened.

    Args:
        lake: The lake it is of; None: one in a folder.
        file: Its path, or its URI.

    Raises:
        FileNotFoundError: The object is not there.
        LakeError: The store does not answer.
    """
    if isinstance(lake, ObjectPlace):
        opened: AbstractContextManager[IO[bytes]] = ObjectPlace.of(file, lake.store).open()
        return opened
    return nullcontext(file)


def is_there(lake: Place, file: str) -> bool:
    """Return whether a file that delta-rs has named is there.

    Args:
        lake: The lake it is of.
        file: Its path, or its URI.
    """
    return (ObjectPlace.of(file, lake.store) if isinstance(lake, ObjectPlace) else Path(file)).exists()


def size_bytes(file: Place) -> int:
    """Return the size of a file; 0 when it is not there."""
    try:
        return file.size_bytes() if isinstance(file, ObjectPlace) else file.stat().st_size
    except FileNotFoundError:
        return 0


def local_folder(place: Place, what: str) -> Path:
    """Return the place as a folder of this machine.

    Args:
        place: The place.
        what: What needs it to be one: `headrace lake rebuild`.

    Raises:
        LakeError: It is on object storage.
    """
    if isinstance(place, Path):
        return place
    raise LakeError(
        f"{what} does not work on a lake on object storage",
        {"lake.path": str(place), "expected": "a lake in a folder of this machine"},
        "docs/object-storage.md says what works there",
    )


def what_writing_needs(folder: Place) -> tuple[str, str]:
    """Return what is expected of a folder that is written, and what to type to look at it."""
    if isinstance(folder, Path):
        return "a folder that can be written, on a disk that is not full", f"df -h {folder}"
    return "a bucket that answers and can be written", folder.store.command(f"ls {folder}/")
