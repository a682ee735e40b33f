"""What was done to a table: its versions, newest first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headrace_lake.commit_log import Commit, commit_info, committed_at, logged_versions, read_commit
from headrace_lake.errors import LakeError
from headrace_lake.upkeep.files import KeptTable


@dataclass(frozen=True, slots=True)
class Change:
    """One version of a table.

    Attributes:
        version: Its number.
        at: When it was committed.
        operation: What was done: `write`, `compact`, `recompress`, `delete`, `vacuum start`, …
        files_added: Files that came.
        files_removed: Files that went.
        rows_added: Rows in the files that came; None when the log does not say.
        rows_removed: Rows in the files that went; None when the log does not say.
        who: Who did it, or the program.
    """

    version: int
    at: datetime
    operation: str
    files_added: int
    files_removed: int
    rows_added: int | None
    rows_removed: int | None
    who: str


def table_history(table: KeptTable, limit: int | None = None) -> list[Change]:
    """Return the versions that the log of a table still has, newest first.

    Args:
        table: The table.
        limit: Most versions; None: all.

    Raises:
        LakeError: The log cannot be read.
    """
    changes: list[Change] = []
    for version in reversed(logged_versions(table.folder)):
        if len(changes) == limit:
            break
        try:
            changes.append(_change(version, read_commit(table.folder, version)))
        except FileNotFoundError:
            break  # the log was cleaned while it was read: what is older went with it
        except (OSError, ValueError) as error:
            raise LakeError(
                f"version {version} of table {table.full_name} cannot be read: {error}",
                {"folder": str(table.folder / "_delta_log")},
                f"ls -l {table.folder}/_delta_log/{version:020d}.json",
            ) from error
    return changes


def _change(version: int, commit: Commit) -> Change:
    info = commit_info(commit)
    added = [action["add"] for action in commit if "add" in action]
    removed = [action["remove"] for action in commit if "remove" in action]
    note = info.get("headrace") or {}
    return Change(
        version,
        committed_at(commit),
        str(note.get("action") or info.get("operation", "unknown")).lower(),
        len(added),
        len(removed),
        _rows(added),
        # The log of a removed file does not say how many rows it had: upkeep notes it.
        note.get("rows_removed") if removed else 0,
        str(info.get("userName") or info.get("clientVersion") or info.get("engineInfo") or "unknown"),
    )


def _rows(added: list[dict[str, Any]]) -> int | None:
    rows = 0
    for file in added:
        count = json.loads(file["stats"]).get("numRecords") if file.get("stats") else None
        if count is None:
            return None
        rows += count
    return rows
