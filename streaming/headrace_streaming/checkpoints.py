"""The state of a job on disk: which checkpoint or savepoint is the newest complete one, and what may go."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StateFolder:
    """Where one job keeps its state: below the hash of all that decides whether old state can be read.

    Attributes:
        root: Folder of the job's group.
        digest: Hash of plan, functions and Flink version. Another one starts with empty state.
    """

    root: Path
    digest: str

    @property
    def path(self) -> Path:
        """The folder of this plan's state."""
        return self.root / self.digest

    @property
    def checkpoints(self) -> Path:
        """Where Flink writes checkpoints: `<job id>/chk-<n>`."""
        return self.path / "checkpoints"

    @property
    def savepoints(self) -> Path:
        """Where a job that is stopped in order writes its state."""
        return self.path / "savepoints"

    def newest(self) -> Path | None:
        """Return the newest complete checkpoint or savepoint, or None when there is none.

        One is complete when it holds `_metadata`, which Flink writes last.
        """
        found = [*self.checkpoints.glob("*/chk-*/_metadata"), *self.savepoints.glob("*/_metadata")]
        return max(found, key=lambda metadata: metadata.stat().st_mtime_ns).parent if found else None

    def prune(self, keep: Path | None) -> None:
        """Remove what no start needs any more: every checkpoint and savepoint but `keep`.

        Called before a job starts; the job that wrote the others has ended.
        """
        for folder in [*self.checkpoints.glob("*"), *self.savepoints.glob("*")]:
            if keep is None or (folder != keep and folder not in keep.parents):
                shutil.rmtree(folder, ignore_errors=True)
