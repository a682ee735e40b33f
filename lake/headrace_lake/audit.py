"""`ops.audit`: who did what, and whether it was allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from headrace_lake.commit import append_records
from headrace_lake.place import Place
from headrace_lake.tables import Column, TableSpec

_COLUMNS = (
    Column("first_at", "timestamp"),
    Column("last_at", "timestamp"),
    Column("requests", "long"),
    Column("principal", "string"),
    Column("via", "string"),
    Column("action", "string"),
    Column("resource", "string"),
    Column("decision", "string"),
    Column("why", "string"),
    Column("query", "string"),
)
# No topic feeds it: the processes that answer write it.
_SPEC = TableSpec("ops", "audit", "", _COLUMNS, "last_at")


@dataclass(frozen=True, slots=True)
class Note:
    """What is told of a request; equal ones are counted.

    Attributes:
        principal: Who; `-` when nobody knows.
        via: `http` or `command line`.
        action: What.
        resource: Of what.
        decision: Whether it was allowed.
        why: The rules or the error that decided.
        query: The query, for SQL.
    """

    principal: str
    via: str
    action: str
    resource: str
    decision: Literal["allowed", "denied"]
    why: str
    query: str | None = None


def record_audit(lake: Place, notes: Mapping[Note, tuple[datetime, datetime, int]]) -> None:
    """Add a row a note in one commit; none for none.

    Args:
        lake: Folder of the lake.
        notes: Note → when the first and the last such request was made, UTC, and how many were.

    Raises:
        LakeWriteError: They could not be stored.
    """
    rows = [
        ({**asdict(note), "first_at": first, "last_at": last, "requests": requests}, note.principal, last)
        for note, (first, last, requests) in notes.items()
    ]
    append_records(lake, _SPEC, rows, "audit")
