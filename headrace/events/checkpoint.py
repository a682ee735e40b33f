"""How far a replay has come: per file the first row that is not acknowledged, in a small file of the project."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = "replay"


@dataclass(frozen=True)
class Progress:
    """What was acknowledged.

    Attributes:
        next_rows: Of each file, in the order of the replay, the number of the first row to send.
        sent: Number of events that were acknowledged.
    """

    next_rows: tuple[int, ...]
    sent: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """The file that one replay writes; another replay has another.

    Attributes:
        path: The file.
        files: Number of files of the replay.
    """

    path: Path
    files: int

    @classmethod
    def of(cls, folder: Path, digests: Sequence[str], options: object) -> Checkpoint:
        """Return the checkpoint of a replay.

        Args:
            folder: Where the project's stack keeps things.
            digests: Of the event, the content and the reading of each file, in order.
            options: What else decides which events are sent; its text counts.
        """
        name = hashlib.sha256(repr((list(digests), options)).encode()).hexdigest()[:16]
        return cls(folder / FOLDER / f"{name}.json", len(digests))

    def load(self) -> Progress | None:
        """Return what an earlier run of the same replay recorded; None when there is nothing of use."""
        try:
            found = json.loads(self.path.read_text())
            progress = Progress(tuple(int(row) for row in found["next_rows"]), int(found["sent"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return progress if len(progress.next_rows) == self.files else None

    def save(self, progress: Progress) -> None:
        """Record the progress: either the old or the new one stands in the file, whenever the process dies."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(f".{os.getpid()}")
        with scratch.open("w") as file:
            json.dump({"next_rows": list(progress.next_rows), "sent": progress.sent}, file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.path)
