"""`ops.upkeep`: what upkeep did, when, and with what result; a table of the lake like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake
from deltalake.exceptions import DeltaError

from headrace_lake.delta_table import open_for_read
from headrace_lake.errors import LakeError, LakeWriteError
from headrace_lake.layout import is_table, table_folder
from headrace_lake.place import Place, delta_options, make_folder, what_writing_needs
from headrace_lake.schemas import TIMESTAMP

Action = Literal["retain", "compact", "vacuum", "quality", "rollup"]
OF_TABLES: tuple[Action, ...] = ("retain", "compact", "vacuum", "quality")
"""What is done with every table, in this order: old rows go before files are merged, files before they are removed."""

TABLE = "ops.upkeep"

_SCHEMA = pa.schema(
    [
        ("_recorded_at", TIMESTAMP),
        ("table", pa.string()),
        ("action", pa.string()),
        ("who", pa.string()),
        ("files_before", pa.int64()),
        ("files_after", pa.int64()),
        ("bytes_before", pa.int64()),
        ("bytes_after", pa.int64()),
        ("rows", pa.int64()),
        ("files_freed", pa.int64()),
        ("bytes_freed", pa.int64()),
        ("seconds", pa.float64()),
        ("failure", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that upkeep did, or could not do.

    Attributes:
        table: `<schema>.<name>`.
        action: What.
        who: `headrace up`, or a command.
        files_before: Files of the table before.
        files_after: Files afterwards.
        bytes_before: Bytes before.
        bytes_after: Bytes afterwards.
        rows: Rows rewritten by a compaction, deleted by retention, written to a roll-up, or found not as expected.
        files_freed: Files that a vacuum removed from the disk.
        bytes_freed: Their bytes.
        seconds: Time it took.
        failure: Why it failed; None when it did not.
    """

    table: str
    action: Action
    who: str
    files_before: int | None = None
    files_after: int | None = None
    bytes_before: int | None = None
    bytes_after: int | None = None
    rows: int | None = None
    files_freed: int | None = None
    bytes_freed: int | None = None
    seconds: float | None = None
    failure: str | None = None

    def figures(self) -> dict[str, object]:
        """Return what is known of it, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None and name != "action"}


def record(lake: Place, entries: Sequence[Entry], now_ms: int) -> None:
    """Add entries to `ops.upkeep`, which is made with its first.

    Args:
        lake: Folder of the lake.
        entries: What was done.
        now_ms: The time of day, in milliseconds since 1970.

    Raises:
        LakeWriteError: They could not be stored.
    """
    if not entries:
        return
    names = [field.name for field in fields(Entry)]
    now = datetime.fromtimestamp(now_ms / 1_000, UTC)
    rows = [{"_recorded_at": now, **{name: getattr(entry, name) for name in names}} for entry in entries]
    folder = _folder(lake)
    try:
        if not is_table(folder):
            make_folder(folder.parent)
        write_deltalake(
            str(folder),
            pa.Table.from_pylist(rows, schema=_SCHEMA),
            mode="append",
            storage_options=delta_options(folder),
            commit_properties=CommitProperties(custom_metadata={"userName": entries[0].who}),
        )
    except (DeltaError, OSError) as error:
        raise LakeWriteError(
            f"what upkeep did could not be written to {TABLE}: {str(error).strip().splitlines()[0]}",
            {"folder": str(folder), "expected": what_writing_needs(lake)[0]},
            what_writing_needs(lake)[1],
        ) from error


def last_done(lake: Place, now: datetime | None = None) -> dict[tuple[str, str], datetime]:
    """Return (table, action) → when it was last done without a failure.

    Args:
        lake: Folder of the lake.
        now: The present; what was done after it was done by a clock that was set back since, and does not count.

    Raises:
        LakeError: The table cannot be read.
    """
    newest: dict[tuple[str, str], datetime] = {}
    for row in _read(_folder(lake), ["table", "action", "failure", "_recorded_at"]):
        key, at = (row["table"], row["action"]), row["_recorded_at"]
        if row["failure"] is None and (now is None or at <= now) and (key not in newest or at > newest[key]):
            newest[key] = at
    return newest


def _read(folder: Place, columns: list[str]) -> list[dict[str, Any]]:
    try:
        handle = open_for_read(folder)
        return [] if handle is None else list(pa.table(handle.scan(columns=columns)).to_pylist())
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise LakeError(
            f"{TABLE} cannot be read: {str(error).strip().splitlines()[0]}", {"folder": str(folder)}, f"ls {folder}"
        ) from error


def _folder(lake: Place) -> Place:
    return table_folder(lake, "ops", TABLE.partition(".")[2])
