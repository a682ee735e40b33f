"""`ops.forgotten`: of which keys rows were deleted on demand. It holds digests, so that it names nobody by itself."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from headrace_lake.catalog import Lake
from headrace_lake.commit import append_records
from headrace_lake.layout import is_table, table_folder
from headrace_lake.place import Place
from headrace_lake.tables import Column, TableSpec

TABLE = "ops.forgotten"

_COLUMNS = (
    Column("table", "string"),
    Column("field", "string"),
    Column("kind", "string"),
    Column("salt", "string"),
    Column("digest", "string"),
    Column("who", "string"),
    Column("forgotten_at", "timestamp"),
)
# No topic feeds it: the command that forgets writes it.
_SPEC = TableSpec("ops", "forgotten", "", _COLUMNS, "forgotten_at")


KEY = "_key"
"""The field of a key of events that some are missing of, whoever else has events of that key."""


class Missing(NamedTuple):
    """Of what rows were deleted.

    Attributes:
        table: `<schema>.<name>`.
        value: A value, as it is stored.
        field: The column that held it in each of these rows; `_key`: of that key some rows of events are missing.
        kind: Of records of several kinds, the one that is meant: a view, or an event; None: all.
    """

    table: str
    value: str
    field: str = KEY
    kind: str | None = None


def kind_column(table: str, columns: Collection[str]) -> str:
    """Return the column that tells the kinds of records of a table apart.

    Args:
        table: `<schema>.<name>`.
        columns: Its columns.
    """
    return "view" if "view" in columns and not table.startswith("events.") else "event"


def digest_of(salt: str, key: str) -> str:
    """Return what stands for a key: SHA-256 over salt and key, as `sha256(salt || key)` of DuckDB."""
    return hashlib.sha256(f"{salt}{key}".encode()).hexdigest()


def salt_of(lake: Lake) -> str:
    """Return the salt of the lake's digests; a new one when there is none yet.

    With one salt the keys of a table are compared with all digests in one join.
    """
    if is_table(table_folder(lake.path, "ops", "forgotten")):
        rows = lake.sql(f"SELECT min(salt) FROM {TABLE}").rows
        if rows and rows[0][0]:
            return str(rows[0][0])
    return secrets.token_hex(16)


def record_forgotten(lake: Place, missing: Sequence[Missing], salt: str, who: str, now: datetime) -> None:
    """Note of what rows are missing from now on, in one commit; none for none.

    Args:
        lake: Folder of the lake.
        missing: Of what.
        salt: See `salt_of`.
        who: User and command.
        now: When, UTC.

    Raises:
        LakeWriteError: They could not be stored.
    """
    listed = [
        {
            "table": one.table, "field": one.field, "kind": one.kind, "salt": salt,
            "digest": digest_of(salt, one.value), "who": who, "forgotten_at": now,
        }
        for one in missing
    ]  # fmt: skip
    append_records(lake, _SPEC, [(record, None, now) for record in listed], who)
