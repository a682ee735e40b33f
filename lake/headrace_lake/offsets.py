"""Kafka offsets in the log of a Delta table: which record is the next to read, committed together with the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """A range of one partition: from `start`, up to and without `next`.

    Attributes:
        start: The offset that the table must have recorded, so that the range continues it; None: it has recorded none.
        next: The next offset to read. It may lie beyond the last record: transaction markers have offsets too.
    """

    start: int | None
    next: int


def table_app_id(topic_id: str, partition: int) -> str:
    """Return the application id under which a table records the offset of its own topic.

    Args:
        topic_id: The topic's UUID and not its name: a topic that is made anew starts at 0 again.
        partition: The partition.
    """
    return f"headrace/{topic_id}/{partition}"


def side_app_id(topic_id: str, partition: int) -> str:
    """Return the application id of rows that another topic's writer adds to this table (dead letters)."""
    return f"headrace/aside/{topic_id}/{partition}"


def recorded_offsets(handle: DeltaTable, app_ids: Iterable[str]) -> dict[str, int | None]:
    """Return the next offset per application id as of the handle's version; None where none was recorded."""
    return {app_id: handle.transaction_version(app_id) for app_id in app_ids}
