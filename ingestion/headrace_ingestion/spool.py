"""Records on disk, in the order of their arrival, until a broker has them: bounded, append-only, checksummed."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import NamedTuple

from headrace_ingestion.errors import SettingsError
from headrace_ingestion.spool_record import pack, unpack_all
from headrace_ingestion.transport import OutgoingRecord

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 4 << 20
"""Size at which a file is full; a file goes when the broker has all that is in it."""


class SpoolFullError(Exception):
    """There is no place for the record, by the limit or on the disk; the text says which."""


class _Place(NamedTuple):
    segment: int
    offset: int


class Spool:
    """The files of one folder, for one process at a time. The caller sees to it that one thread uses it at a time.

    Records are read in order, and answered in any: what is gone for good is the answered beginning. An append is with
    the operating system when it returns, so it survives the death of the process; with `fsync` also a loss of power.
    """

    def __init__(self, folder: Path, max_bytes: int, *, fsync: bool = False) -> None:
        """Open the folder, and find what an earlier process left.

        Raises:
            SettingsError: Another process uses the folder, or it cannot be written.
        """
        self.folder = folder
        self._max_bytes = max_bytes
        self._fsync = fsync
        self._lock_file = _locked(folder)
        # Segment → end of what is whole in it.
        self._ends: dict[int, int] = {}
        self._append_file: int | None = None
        self._answered = self._load_position()
        self._position_file = os.open(folder / "position", os.O_WRONLY | os.O_CREAT, 0o600)
        self._next = self._answered
        self.unread = 0
        # Read and not yet gone: number → its end; the numbers count up from `_oldest`.
        self._oldest = self._count = 0
        self._places: dict[int, _Place] = {}
        self._done: set[int] = set()
        self._without_answer: set[int] = set()
        self._rewinding = False
        self._buffer: tuple[int, bytes] = (-1, b"")
        self._scan()

    @property
    def active(self) -> bool:
        """Whether there are records that must be read before any newer one goes to the broker."""
        return self.unread > 0 or self._rewinding

    @property
    def records(self) -> int:
        """Number of records that the broker does not have, as far as is known."""
        return self.unread + len(self._places)

    def append(self, record: OutgoingRecord) -> None:
        """Add a record behind all others.

        Raises:
            SpoolFullError: The limit or the disk does not allow it; nothing was added.
        """
        data = pack(record)
        used = sum(self._ends.values())
        if used + len(data) > self._max_bytes:
            raise SpoolFullError(f"{self.folder}: {used} of {self._max_bytes} bytes are used")
        segment = max(self._ends, default=self._answered.segment)
        if self._append_file is not None and self._ends[segment] >= SEGMENT_BYTES:
            self._close_segment()
        if self._append_file is None:
            segment = segment + 1
        end = self._ends.get(segment, 0)
        try:
            if self._append_file is None:
                self._append_file = os.open(self._path(segment), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            _write_whole(self._append_file, data, end)
            if self._fsync:
                os.fsync(self._append_file)
        except OSError as error:
            raise SpoolFullError(f"{self.folder}: {error}") from error
        self._ends[segment] = end + len(data)
        self.unread += 1

    def read(self, limit: int) -> list[tuple[int, OutgoingRecord]]:
        """Return up to that many records behind those already read, each with its number for `answer`."""
        found: list[tuple[int, OutgoingRecord]] = []
        while self.unread and not self._rewinding and len(found) < limit:
            segment, offset = self._next
            if offset >= self._ends.get(segment, 0):
                self._next = _Place(min(number for number in self._ends if number > segment), 0)
                continue
            before = self._count
            for record, end in unpack_all(self._data(segment), offset):
                self._next = self._places[self._count] = _Place(segment, end)
                found.append((self._count, record))
                self._without_answer.add(self._count)
                self._count += 1
                self.unread -= 1
                if len(found) == limit:
                    break
            if self._count == before:
                # Damaged since it was opened.
                self._ends[segment] = offset
                self.unread = sum(self._whole(later, 0)[0] for later in self._ends if later > segment)
        return found

    def _data(self, segment: int) -> bytes:
        end = self._ends[segment]
        if self._buffer[0] != segment or len(self._buffer[1]) < end:
            path = self._path(segment)
            self._buffer = (segment, path.read_bytes()[:end] if path.exists() else b"")
        return self._buffer[1]

    def answer(self, number: int, *, keep: bool) -> None:
        """Say what became of a record that was read; the first answer counts.

        Args:
            number: Its number.
            keep: The broker has it not: it, and all behind it, is read again when all others have their answer.
        """
        if number not in self._without_answer:
            return
        self._without_answer.remove(number)
        self._rewinding = self._rewinding or keep
        if not keep:
            self._done.add(number)
            self._forget_beginning()
        if self._rewinding and not self._without_answer:
            self.unread += len(self._places)
            self._places.clear()
            self._done.clear()
            self._oldest = self._count
            self._next = self._answered
            self._rewinding = False

    def _forget_beginning(self) -> None:
        before = self._answered
        while self._oldest in self._done:
            self._done.remove(self._oldest)
            self._answered = self._places.pop(self._oldest)
            self._oldest += 1
        if self._answered == before:
            return
        newest = max(self._ends)
        for segment in [number for number in self._ends if number <= self._answered.segment]:
            over = segment < self._answered.segment or self._answered.offset >= self._ends[segment]
            if over and (segment < newest or not self.records):
                if segment == newest and self._append_file is not None:
                    self._close_segment()
                self._path(segment).unlink(missing_ok=True)
                del self._ends[segment]
        self._save_position()

    def close(self) -> None:
        """Write everything through to the disk, and leave the folder to others."""
        if self._append_file is not None:
            self._close_segment()
        os.close(self._position_file)
        os.close(self._lock_file)

    def _close_segment(self) -> None:
        if self._append_file is not None:
            with contextlib.suppress(OSError):
                os.fsync(self._append_file)
            os.close(self._append_file)
            self._append_file = None

    def _scan(self) -> None:
        numbers = sorted(int(path.stem) for path in self.folder.glob("*.events") if path.stem.isdecimal())
        for segment in numbers:
            path = self._path(segment)
            if segment < self._answered.segment:
                path.unlink()
                continue
            count, end = self._whole(segment, self._answered.offset if segment == self._answered.segment else 0)
            size = path.stat().st_size
            if end < size:
                logger.warning("%s: %d bytes behind %d records are torn and left out", path, size - end, count)
                os.truncate(path, end)
            self._ends[segment] = end
            self.unread += count

    def _whole(self, segment: int, start: int) -> tuple[int, int]:
        """Return the number of whole records of a segment from a place on, and the end of the last."""
        count, end = 0, start
        for _, behind in unpack_all(self._path(segment).read_bytes(), start):
            count, end = count + 1, behind
        return count, end

    def _path(self, segment: int) -> Path:
        return self.folder / f"{segment:010}.events"

    def _load_position(self) -> _Place:
        try:
            segment, offset = (self.folder / "position").read_text().split()
            place = _Place(int(segment), int(offset))
        except (OSError, ValueError):
            # None yet, or torn: what was answered already is sent again, with the same event ids.
            return _Place(0, 0)
        size = self._path(place.segment).stat().st_size if self._path(place.segment).exists() else 0
        return _Place(place.segment, min(place.offset, size))

    def _save_position(self) -> None:
        text = f"{self._answered.segment:010} {self._answered.offset:020}\n"
        # In place: a process that dies leaves the old text or the new one, of the same length.
        with contextlib.suppress(OSError):
            os.pwrite(self._position_file, text.encode(), 0)


def _write_whole(file: int, data: bytes, end: int) -> None:
    """Append the data, or leave the file as it was."""
    try:
        written = os.write(file, data)
        if written < len(data):
            raise OSError(f"{written} of {len(data)} bytes were written: the disk is full")
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(file, end)
        raise


def _locked(folder: Path) -> int:
    """Return the open lock file of the folder.

    Raises:
        SettingsError: Another producer has it, or the folder cannot be made.
    """
    import fcntl

    file = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        return file
    except BlockingIOError as error:
        owner = os.read(file, 20).decode() if file is not None else ""
        if file is not None:
            os.close(file)
        raise SettingsError(
            f"the spill folder {folder} belongs to another producer",
            {"process": owner, "expected": "a folder of its own for each producer"},
            "spill_folder=… with another name",
        ) from error
    except OSError as error:
        raise SettingsError(
            f"the spill folder {folder} cannot be used", {"answer": str(error)}, f"mkdir -p {folder}"
        ) from error
