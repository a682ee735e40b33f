"""The state of a job on disk: which checkpoint or savepoint is the newest complete one, and what may go."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace_streaming.plan import Seam

_SEAM = "seam.json"
# How `_metadata` begins: magic number, version of the format, and number of the checkpoint.
_HEADER = struct.Struct(">iiq")
_MAGIC = 0x4960672D
_FIRST_VERSION = 3


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

    @property
    def seed(self) -> Path:
        """What a backfill has left for a start without state: `seam.json`, and a folder a view."""
        return self.path / "seed"

    def write_seam(self, offsets: Mapping[int, int], newest_ms: int, begin: Mapping[int, int] | None = None) -> None:
        """Say, at once and for good, that the folders of `seed` are complete.

        Args:
            offsets: Partition → first offset behind what was counted.
            newest_ms: How far time had come there, in milliseconds since 1970.
            begin: Partition → first offset that the job reads, where it is an earlier one.
        """
        unfinished = self.seed / ".seam.json"
        seam = {"offsets": dict(offsets), "newest_ms": newest_ms, "begin": dict(begin or {})}
        unfinished.write_text(json.dumps(seam))
        unfinished.replace(self.seed / _SEAM)

    def seam(self, base_uri: str) -> Seam | None:
        """Return where a start without state goes on from; None: from the beginning of the topic.

        Args:
            base_uri: This folder as Flink's processes see it.
        """
        file = self.seed / _SEAM
        if not file.is_file():
            return None
        found = json.loads(file.read_text())
        offsets, begin = (
            {int(partition): offset for partition, offset in found.get(name, {}).items()}
            for name in ("offsets", "begin")
        )
        return Seam(offsets, found["newest_ms"], f"{base_uri}/{self.seed.name}", begin)

    def newest(self) -> Path | None:
        """Return the newest complete checkpoint or savepoint, or None when there is none.

        One is complete when it holds `_metadata`, which Flink writes last.
        """
        found = [*self.checkpoints.glob("*/chk-*/_metadata"), *self.savepoints.glob("*/_metadata")]
        # By the number that Flink counts up, also over restarts: the clock of the files may have been set back.
        return max(found, key=lambda file: (_number(file), file.stat().st_mtime_ns)).parent if found else None

    def prune(self, keep: Path | None) -> None:
        """Remove what no start needs any more: every checkpoint and savepoint but `keep`.

        Called before a job starts; the job that wrote the others has ended.
        """
        for folder in [*self.checkpoints.glob("*"), *self.savepoints.glob("*")]:
            if keep is None or (folder != keep and folder not in keep.parents):
                shutil.rmtree(folder, ignore_errors=True)
        if keep is not None:
            shutil.rmtree(self.seed, ignore_errors=True)


def _number(metadata: Path) -> int:
    """Return the number of a checkpoint, which a savepoint has, too; -1 where the file does not say."""
    with metadata.open("rb") as file:
        header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return -1
    magic, version, number = _HEADER.unpack(header)
    return int(number) if magic == _MAGIC and version >= _FIRST_VERSION else -1
