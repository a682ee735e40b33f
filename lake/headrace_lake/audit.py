"""`ops.audit`: who did what, and whether it was allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa

from headrace_lake.commit import append_rows
from headrace_lake.schemas import arrow_schema
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
class AuditRow:
    """Equal requests of some seconds.

    Attributes:
        first_at: When the first was made, UTC.
        last_at: When the last was made, UTC.
        requests: How many.
        principal: Who; `-` when nobody knows.
        via: `http` or `command line`.
        action: What.
        resource: Of what.
        decision: Whether it was allowed.
        why: The rules or the error that decided.
        query: The query, for SQL.
    """

    first_at: datetime
    last_at: datetime
    requests: int
    principal: str
    via: str
    action: str
    resource: str
    decision: Literal["allowed", "denied"]
    why: str
    query: str | None


def record_audit(lake: Path, rows: Sequence[AuditRow]) -> None:
    """Add rows in one commit; none for none.

    Raises:
        LakeWriteError: They could not be stored.
    """
    if not rows:
        return
    place = {"_partition": None, "_offset": None}
    listed = [{**asdict(row), **place, "_key": row.principal, "_recorded_at": row.last_at} for row in rows]
    append_rows(lake, _SPEC, pa.Table.from_pylist(listed, schema=arrow_schema(_SPEC)), "audit")
