"""`ops.quarantine` and `ops.quality`: rows that are not as expected, and what checks found. Tables like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from headrace_lake.catalog import Lake
from headrace_lake.commit import ATTEMPTS, append
from headrace_lake.delta_table import make_table
from headrace_lake.errors import LakeWriteError
from headrace_lake.layout import is_table, table_folder
from headrace_lake.place import Place, delta_table, what_writing_needs
from headrace_lake.quality.rules import Finding, Rule
from headrace_lake.query import Limits
from headrace_lake.schemas import TIMESTAMP

QUALITY, QUARANTINE = "quality", "quarantine"

MOST_ROWS = 100_000
"""Rows that one check copies; the rest follows with the next."""

_QUARANTINE = pa.schema(
    [
        ("_recorded_at", TIMESTAMP),
        ("table", pa.string()),
        ("rule", pa.string()),
        ("event_id", pa.string()),
        ("_key", pa.string()),
        ("_partition", pa.int32()),
        ("_offset", pa.int64()),
        ("record", pa.string()),
    ]
)
_QUALITY = pa.schema(
    [
        ("_recorded_at", TIMESTAMP),
        ("table", pa.string()),
        ("rule", pa.string()),
        ("kind", pa.string()),
        ("status", pa.string()),
        ("measure", pa.float64()),
        ("expected", pa.string()),
        ("rows", pa.int64()),
        ("failing", pa.int64()),
        ("quarantined", pa.int64()),
        ("detail", pa.string()),
        ("seconds", pa.float64()),
        ("who", pa.string()),
    ]
)


def quarantine(
    lake: Lake, rule: Rule, failing: str, parameters: Mapping[str, object], now: datetime, limits: Limits | None = None
) -> int:
    """Copy the rows that a rule finds failing, once by rule and event id, and return how many were new.

    Args:
        lake: The lake.
        rule: The rule.
        failing: Query of `record` and `is_failing`.
        parameters: Its parameters.
        now: When they were found.
        limits: What the query may use.

    Raises:
        QueryError: The query is wrong or beyond its limits.
        LakeWriteError: They could not be stored.
    """
    new = (
        'SELECT $now::TIMESTAMPTZ AS _recorded_at, $table AS "table", $rule AS rule, f.record.event_id AS event_id, '
        "f.record._key AS _key, f.record._partition AS _partition, f.record._offset AS _offset, "
        f"to_json(f.record)::VARCHAR AS record FROM ({failing}) AS f WHERE f.is_failing AND f.record.event_id NOT NULL "
        'AND NOT EXISTS (SELECT 1 FROM ops.quarantine AS q WHERE q."table" = $table AND q.rule = $rule '
        "AND q.event_id = f.record.event_id) QUALIFY row_number() OVER (PARTITION BY f.record.event_id "
        f"ORDER BY f.record._partition, f.record._offset) = 1 LIMIT {MOST_ROWS}"
    )
    given = {**parameters, "now": now, "table": rule.table, "rule": rule.name}
    for _ in range(ATTEMPTS):
        # What is there is read at one version, and the rows are appended to that version or not at all: two checks at
        # once do not copy a row twice.
        handle = _opened(lake.path, QUARANTINE, _QUARANTINE)
        rows = lake.sql(new, given, limits, as_of={f"ops.{QUARANTINE}": handle.version()}).arrow().cast(_QUARANTINE)
        if rows.num_rows == 0 or _appended(handle, lake.path, QUARANTINE, rows, "headrace lake quality"):
            return int(rows.num_rows)
    raise _write_error(lake.path, QUARANTINE, f"it was changed by others during {ATTEMPTS} attempts")


def record_findings(lake: Place, findings: Sequence[Finding], now: datetime, who: str) -> None:
    """Add findings to `ops.quality`, which is made with its first.

    Args:
        lake: Folder of the lake.
        findings: What was found.
        now: When.
        who: Who asked.

    Raises:
        LakeWriteError: They could not be stored.
    """
    if not findings:
        return
    found = [{"_recorded_at": now, "who": who, **asdict(finding)} for finding in findings]
    rows = pa.Table.from_pylist(found, schema=_QUALITY)
    for _ in range(ATTEMPTS):
        if _appended(_opened(lake, QUALITY, _QUALITY), lake, QUALITY, rows, who):
            return
    raise _write_error(lake, QUALITY, f"it was changed by others during {ATTEMPTS} attempts")


def _opened(lake: Place, name: str, schema: pa.Schema) -> DeltaTable:
    folder = table_folder(lake, "ops", name)
    try:
        return delta_table(folder) if is_table(folder) else make_table(folder, schema)
    except (DeltaError, OSError) as error:
        raise _write_error(lake, name, str(error)) from error


def _appended(handle: DeltaTable, lake: Place, name: str, rows: pa.Table, who: str) -> bool:
    try:
        append(handle, rows, {}, who)
    except CommitFailedError:
        return False
    except (DeltaError, OSError) as error:
        raise _write_error(lake, name, str(error)) from error
    return True


def _write_error(lake: Place, name: str, cause: str) -> LakeWriteError:
    expected, look = what_writing_needs(lake)
    return LakeWriteError(
        f"ops.{name} could not be written: {cause.strip().splitlines()[0]}",
        {"folder": str(table_folder(lake, "ops", name)), "expected": expected},
        look,
    )
