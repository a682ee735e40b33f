"""Log files of a stack: begun anew, looked at from their end, followed."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from headrace_ingestion.errors import closest

from headrace.stack.errors import StackError
from headrace.stack.folders import StackFolders

_OLD_LOGS = 3
_TAIL_BYTES = 8192


def log_files(folders: StackFolders, name: str | None = None) -> dict[str, Path]:
    """Return the newest log file of each process by its name, or of the one process.

    Raises:
        StackError: No process of that name has a log, or none at all.
    """
    # `x.1.log` is an older one; names of processes may have dots, but no last part that is a number.
    found = {
        path.name.removesuffix(".log"): path
        for path in sorted(folders.logs.glob("*.log"))
        if not path.name.removesuffix(".log").rpartition(".")[2].isdigit()
    }
    if name is None and not found:
        raise StackError("no process has printed anything yet", {"where": str(folders.logs)}, "headrace up")
    if name is None:
        return found
    if name not in found:
        raise StackError(
            f"no process named {name!r} has a log",
            {"logs": ", ".join(found) or "none", "where": str(folders.logs)},
            f"headrace logs {closest(name, found) or ''}".strip(),
        )
    return {name: found[name]}


def rotate(log_file: Path) -> None:
    """Rename `x.log` to `x.1.log`, `x.1.log` to `x.2.log` and so on; the oldest is dropped."""
    names = [log_file, *(log_file.with_suffix(f".{age}.log") for age in range(1, _OLD_LOGS + 1))]
    for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
        if newer.exists():
            newer.replace(older)


def tail(log_file: Path, count: int) -> list[str]:
    """Return the last lines of a log file, oldest first; none when it does not exist."""
    try:
        with log_file.open("rb") as log:
            size_bytes = log.seek(0, os.SEEK_END)
            log.seek(max(size_bytes - max(_TAIL_BYTES, count * 400), 0))
            return log.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


def last_telling_line(log_file: Path) -> str:
    """Return the last line that is neither empty nor a frame of a Java stack trace; an empty text when none is."""
    lines = (line for line in reversed(tail(log_file, 200)) if line.strip() and not line.startswith(("\t", "    at ")))
    return next(lines, "").strip()


class FollowedLogs:
    """Reads what is appended to log files; a file that was begun anew is read from its start."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)
        self._inodes = {name: _inode(path) for name, path in files.items()}
        self._positions = {name: path.stat().st_size for name, path in files.items()}
        self._rests = dict.fromkeys(files, "")

    def new_lines(self) -> Iterator[tuple[str, str]]:
        """Yield (process, line) for each whole line written since the last call."""
        for name, path in self._files.items():
            inode = _inode(path)
            if inode is None:
                continue
            if inode != self._inodes[name]:
                self._inodes[name], self._positions[name], self._rests[name] = inode, 0, ""
            with path.open("rb") as log:
                log.seek(self._positions[name])
                fresh = log.read()
            self._positions[name] += len(fresh)
            *lines, self._rests[name] = (self._rests[name] + fresh.decode(errors="replace")).split("\n")
            yield from ((name, line) for line in lines)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
