"""`ops.replays`: which dead letters were sent again, by whom and how; written before a record is sent and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from headrace_lake.catalog import Lake
from headrace_lake.commit import append_records
from headrace_lake.layout import is_table, table_folder
from headrace_lake.place import Place
from headrace_lake.tables import Column, TableSpec

ReplayState = Literal["sending", "sent", "already_there", "refused", "failed"]
"""`sending` is written before a record is sent: without a later row nobody knows yet whether it was."""

TABLE = "ops.replays"

_COLUMNS = (
    Column("event", "string"),
    Column("topic", "string"),
    Column("partition", "int"),
    Column("offset", "long"),
    Column("record_timestamp", "timestamp"),
    Column("reason", "string"),
    Column("event_id", "string"),
    Column("fix", "string"),
    Column("fix_sha256", "string"),
    Column("who", "string"),
    Column("state", "string"),
    Column("detail", "string"),
    Column("replayed_at", "timestamp"),
)
# No topic feeds it: the command that replays writes it.
_SPEC = TableSpec("ops", "replays", "", _COLUMNS, "replayed_at")


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One step of one dead letter.

    Attributes:
        event: The event that it was sent as.
        topic: The topic it stands on.
        partition: The partition.
        offset: The place there.
        record_timestamp: The record's timestamp, UTC: tells records of a topic that was made anew from older ones.
        reason: Why it was refused.
        event_id: The id it is sent with.
        fix: What mended it: `sql: …`, `python: module:function`, or `none`.
        fix_sha256: Hash of that, of a function's source too.
        who: User and command.
        state: What became of it.
        detail: Why it is still refused, or could not be delivered.
        replayed_at: When, UTC.
    """

    event: str
    topic: str
    partition: int
    offset: int
    record_timestamp: datetime | None
    reason: str
    event_id: str
    fix: str
    fix_sha256: str
    who: str
    state: ReplayState
    detail: str | None
    replayed_at: datetime


def record_replays(lake: Place, rows: Sequence[ReplayRow]) -> None:
    """Add rows in one commit; none for none.

    Raises:
        LakeWriteError: They could not be stored.
    """
    append_records(
        lake, _SPEC, [(asdict(row), row.event_id, row.replayed_at) for row in rows], rows[0].who if rows else ""
    )


def replays_of(lake: Lake, event: str) -> list[ReplayRow]:
    """Return every row of an event, the oldest first."""
    if not is_table(table_folder(lake.path, "ops", "replays")):
        return []
    names = ", ".join(f'"{column.name}"' for column in _COLUMNS)
    query = f"SELECT {names} FROM {TABLE} WHERE event = $event ORDER BY replayed_at"
    return [ReplayRow(**row) for row in lake.sql(query, {"event": event}).arrow().to_pylist()]
