"""The commits of a table as its log has them.

Read as files: the history of delta-rs counts back from the newest commit, whichever version the handle is of, and so
gives wrong numbers as soon as a writer commits meanwhile.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from datetime import UTC, datetime
from typing import Any

from headrace_lake.place import Place

Commit = list[dict[str, Any]]
"""The actions of a commit; each is a mapping of its one kind."""


def logged_versions(folder: Place) -> list[int]:
    """Return the versions of which the log still has the commit, oldest first.

    Args:
        folder: Folder of the table.
    """
    names = (path.name.removesuffix(".json") for path in (folder / "_delta_log").iterdir())
    return sorted(int(name) for name in names if name.isdigit())


def read_commit(folder: Place, version: int) -> Commit:
    """Return the actions of a version.

    Raises:
        FileNotFoundError: The log has it no more.
    """
    path = folder / "_delta_log" / f"{version:020d}.json"
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def commit_info(commit: Commit) -> dict[str, Any]:
    """Return what a commit says about itself."""
    return next((action["commitInfo"] for action in commit if "commitInfo" in action), {})


def committed_at(commit: Commit) -> datetime:
    """Return when a commit was made, to the millisecond."""
    return datetime.fromtimestamp(commit_info(commit).get("timestamp", 0) / 1_000, UTC)


def version_before(folder: Place, instant: datetime) -> int | None:
    """Return the newest logged version that was committed at the instant or before; None when there is none.

    Args:
        folder: Folder of the table.
        instant: Timezone-aware.
    """
    versions = logged_versions(folder)
    place = bisect_right(versions, instant, key=lambda version: committed_at(read_commit(folder, version)))
    return versions[place - 1] if place else None
