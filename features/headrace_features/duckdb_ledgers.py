"""What the job has noted of a view: the ledgers of late events and of duplicates, as relations of DuckDB.

Relations that `make_ledgers` makes: `told_late_events` and `told_duplicates`, each event once, and `late`: the late
events with the number that each has among those of its key. In the order of event times these gave no row; a repair
counts in the first of them, as many as the revision of its rows says.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import duckdb
import pyarrow as pa

from headrace_features.duckdb_text import quoted, text
from headrace_features.view import View

Ledger = Literal["late_events", "duplicates"]
LEDGERS: dict[Ledger, str] = {"late_events": '"is_late"', "duplicates": '"is_duplicate"'}
"""Ledgers of the job in the schema `ops`, and which of the marked events belong into each."""

_COLUMNS = {
    "view": "''", "event": "''", "event_id": "''", "key": "''", "partition": "0::INTEGER", "offset": "0::BIGINT",
    "event_time": "TIMESTAMPTZ 'epoch'", "clock": "TIMESTAMPTZ 'epoch'", "declaration": "''",
    "_partition": "0::INTEGER", "_offset": "0::BIGINT", "_recorded_at": "TIMESTAMPTZ 'epoch'",
}  # fmt: skip
_LATE = """
SELECT "partition" AS "_partition", "offset" AS "_offset", "key" AS "_key",
  row_number() OVER (PARTITION BY "key" ORDER BY COALESCE(told."_partition", after_partition) NULLS FIRST,
  COALESCE(told."_offset", after_offset) NULLS FIRST, told."_offset" NULLS LAST, "_recorded_at", "partition", "offset")
  AS "_number"
FROM (
  SELECT *, max("_partition") OVER before AS after_partition, max("_offset") OVER before AS after_offset
  FROM told_late_events
  WINDOW before AS (PARTITION BY "key" ORDER BY "_recorded_at" ROWS UNBOUNDED PRECEDING)
) AS told"""
"""Entries of a backfill stand on no topic: their place is behind those written before, so that no number changes."""


def make_ledgers(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    """Make the temporary tables of this module for one view, from a connection to a lake."""
    for ledger in LEDGERS:
        told = _told_sql(view, ledger, stored_columns(connection, f"raw.ops_{ledger}"))
        connection.execute(f"CREATE OR REPLACE TEMP TABLE told_{ledger} AS {told}")
    _number_late(connection)


def add_late(connection: duckdb.DuckDBPyConnection, entries: pa.Table) -> None:
    """Add late events to those of `make_ledgers`.

    Args:
        connection: Where `make_ledgers` made them.
        entries: Rows of the ledger of late events, under the names of its columns.
    """
    connection.register("added_late", entries)
    try:
        names = ", ".join(map(quoted, _COLUMNS))
        connection.execute(f"INSERT INTO told_late_events BY NAME SELECT {names} FROM added_late")
    finally:
        connection.unregister("added_late")
    _number_late(connection)


def _number_late(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE late AS {_LATE}")


def in_time_sql(view: View, repaired: int = 0) -> str:
    """Return the condition that an event counts in the rows of a view: it was not late, or a repair has counted it in.

    Args:
        view: The view.
        repaired: How many late events of a key a repair has counted in.
    """
    if view.order == "arrival":
        return "TRUE"
    return f'("_partition", "_offset") NOT IN (SELECT ("_partition", "_offset") FROM late WHERE "_number" > {repaired})'


def stored_columns(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    """Return the columns of a table of the lake, such as `raw.ops_duplicates`; none when nobody has written it yet."""
    there = connection.execute("SELECT view_name FROM duckdb_views() WHERE schema_name = 'raw'").fetchall()
    if (table.replace('"', "").removeprefix("raw."),) not in there:
        return set()
    return {name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}


def _told_sql(view: View, ledger: str, stored: Collection[str]) -> str:
    if not stored:
        return f"SELECT {', '.join(f'{value} AS {quoted(name)}' for name, value in _COLUMNS.items())} WHERE FALSE"
    columns = ", ".join(quoted(name) if name in stored else f"NULL AS {quoted(name)}" for name in _COLUMNS)
    return f"""
SELECT * FROM (SELECT {columns} FROM raw.ops_{ledger})
WHERE "view" = {text(view.name)} AND "event" = {text(view.contract.name)} AND "declaration" = {text(view.digest)}
QUALIFY row_number() OVER (PARTITION BY "event_id", "partition", "offset" ORDER BY "_partition", "_offset") = 1"""
