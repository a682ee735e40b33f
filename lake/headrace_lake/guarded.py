"""Queries of people who may not see everything: which tables a query reads, and what of them is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from headrace_lake.errors import QueryError
from headrace_lake.query_errors import unknown_table
from headrace_lake.views import quoted

MASK = "***"
"""What stands for a masked text; a masked value of another type is null."""

# Table functions that make rows of values; all others read files, settings or other queries.
_HARMLESS_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
# They tell of the connection: its settings hold the paths of files.
_TELLING_FUNCTIONS = frozenset({"current_setting", "getenv", "getvariable", "current_query"})
# A name of a WITH that looked like a file or a table of the catalog would mean that one outside of its WITH.
_PLAIN_NAME = re.compile(r"(?!duckdb_|sqlite_|pragma_|pg_)[a-z_][a-z0-9_]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a table is shown.

    Attributes:
        where: A SQL expression over its rows, unmasked; None: all rows.
        masked: Columns that are masked, whatever the case of their letters.
    """

    where: str | None = None
    masked: frozenset[str] = frozenset()


Guard = Callable[[str], Shown]
"""Table (`events.call`) → what of it is shown; raises when it may not be read at all."""


def guard_views(connection: duckdb.DuckDBPyConnection, query: str, tables: Sequence[str], guard: Guard) -> None:
    """Replace the views that the query reads by what is shown of them.

    Args:
        connection: It has the views of all tables, and is not locked yet.
        query: One statement that only reads.
        tables: Names of all tables.
        guard: Says what is shown; called once for each table that the query reads.

    Raises:
        QueryError: The query reads what is no table of the lake, or cannot be looked through.
    """
    for name in sorted(tables_read(connection, query, tables)):
        shown = guard(name)
        if shown == Shown():
            continue
        schema, _, table = name.partition(".")
        hidden = f"{table} unmasked"
        columns = connection.execute(f"DESCRIBE {quoted(schema)}.{quoted(table)}").fetchall()
        # The Kafka key is a field of the event, or says which one.
        masked = {column.lower() for column in shown.masked} | ({"_key"} if shown.masked else set())
        selected = ", ".join(_column(column[0], column[1], masked) for column in columns)
        # DuckDB moves no expression of the query past an OFFSET: evaluated on a hidden row, its error would tell of it.
        where = f" WHERE ({shown.where}) OFFSET 0" if shown.where else ""
        connection.execute(f"ALTER VIEW {quoted(schema)}.{quoted(table)} RENAME TO {quoted(hidden)}")
        try:
            connection.execute(
                f"CREATE VIEW {quoted(schema)}.{quoted(table)} AS "
                f"SELECT {selected} FROM (SELECT * FROM {quoted(schema)}.{quoted(hidden)}{where})"
            )
        except duckdb.Error as error:
            # Not why: who asks may not know the condition, nor all columns.
            raise QueryError(
                f"a condition of the policy does not fit the table {name}, so nothing of it is shown",
                {"expected": "'where' over columns of each table in 'resources', without a comment"},
                "correct 'where' or 'resources' of the rule in policy.yaml",
            ) from error


def tables_read(connection: duckdb.DuckDBPyConnection, query: str, tables: Collection[str]) -> set[str]:
    """Return the tables of the lake that a query reads.

    Raises:
        QueryError: It reads something else (a file, a function that reads, the unmasked rows), or is none of SELECT,
            WITH, DESCRIBE and SUMMARIZE.
    """
    (text,) = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchone() or ("{}",)
    parsed = json.loads(text)
    if parsed.get("error", True):
        raise _not_allowed(f"this statement: {parsed.get('error_message', 'it cannot be parsed')}", tables)
    nodes = list(_nodes(parsed))
    own = {entry["key"].lower() for node in nodes for entry in _cte_entries(node)}
    for name in own:
        if not _PLAIN_NAME.fullmatch(name):
            raise _not_allowed(f"the name {name!r} in WITH", tables)
    known = {name.lower(): name for name in tables}
    found = set()
    for node in nodes:
        kind = node.get("type")
        if kind == "TABLE_FUNCTION":
            function = str((node.get("function") or {}).get("function_name", "")).lower()
            if function not in _HARMLESS_FUNCTIONS:
                raise _not_allowed(f"the table function {function!r}", tables)
        elif node.get("class") == "FUNCTION" and str(node.get("function_name", "")).lower() in _TELLING_FUNCTIONS:
            raise _not_allowed(f"the function {node['function_name']!r}", tables)
        elif kind == "SHOW_REF" and not node.get("query"):
            raise _not_allowed("SHOW", tables)
        elif kind == "BASE_TABLE":
            path = [str(part).lower() for part in (node.get("qualified_name") or {}).get("path", [])]
            if len(path) == 1 and path[0] in own:
                continue
            full = ".".join(path)
            if full not in known:
                raise unknown_table(full, sorted(tables))
            found.add(known[full])
    return found


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    # Not by recursion: how deep a query may be nested is DuckDB's business.
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _cte_entries(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = node.get("cte_map")
    return list(found.get("map", [])) if isinstance(found, dict) else []


def _column(name: str, kind: str, masked: Collection[str]) -> str:
    if name.lower() not in masked:
        return quoted(name)
    value = f"'{MASK}'" if kind == "VARCHAR" else f"NULL::{kind}"
    # An absent value shows as absent: whether there is one is no secret of a mask.
    return f"CASE WHEN {quoted(name)} IS NOT NULL THEN {value} END AS {quoted(name)}"


def _not_allowed(what: str, tables: Collection[str]) -> QueryError:
    return QueryError(
        f"a guarded query reads tables of the lake, nothing else; not allowed is {what}",
        {"tables": ", ".join(sorted(tables)), "allowed": "SELECT, WITH, DESCRIBE, SUMMARIZE"},
        "select … from events.…",
    )
