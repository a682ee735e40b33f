"""DuckDB's errors → errors that say what exists and what to type."""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb
from headrace_ingestion.errors import closest

from headrace_lake.errors import QueryError
from headrace_lake.query import Limits

_UNKNOWN_TABLE = re.compile(r'Table with name "?(?P<name>[^"\n]+?)"? does not exist')
_UNKNOWN_COLUMN = re.compile(r'column "(?P<name>[^"]+)" not found')
_CANDIDATES = re.compile(r"Candidate bindings: (?P<names>.+)")
_NOT_GIVEN = re.compile(r"Values were not provided for the following(?: prepared statement)? parameters: (?P<names>.+)")
_TOO_MANY = re.compile(r"excess parameters|argument count mismatch for prepared statement. Expected 0")
_EXCESS = re.compile(r"identifiers of the excess parameters: (?P<names>.+)")
_NEAR = re.compile(r'syntax error at or near "(?P<word>[^"]+)"')
_OF_CLAUSES = frozenset(
    ("and", "as", "by", "case", "else", "from", "group", "having", "in", "join", "limit", "not", "on", "or", "order",
     "select", "then", "union", "using", "values", "when", "where", "with")
)  # fmt: skip
_LINE = re.compile(r"LINE (?P<number>\d+): (?P<line>.*)")


def query_error(
    error: duckdb.Error, query: str, tables: Sequence[str], limits: Limits, is_cancelled: bool = False
) -> QueryError:
    """Return the error of a query in its four parts.

    Args:
        error: What DuckDB raised.
        query: The query.
        tables: Names of the tables that it may read.
        limits: What it was allowed to use.
        is_cancelled: Whether somebody has ended it.
    """
    message = str(error)
    if is_cancelled and isinstance(error, duckdb.InterruptException):
        return QueryError("the query was cancelled", {"query": _shown(query)})
    if isinstance(error, duckdb.InterruptException):
        return QueryError(
            f"the query was stopped after {limits.seconds:g} seconds",
            {"limit": f"{limits.seconds:g} seconds", "query": _shown(query)},
            "read less with where …, or allow more seconds",
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError(
            f"the query needs more than {limits.memory_bytes:,} bytes of memory",
            {"limit": f"{limits.memory_bytes:,} bytes", "query": _shown(query)},
            "read less with where …, or allow more memory",
        )
    if isinstance(error, duckdb.PermissionException):
        return QueryError(
            f"a query reads tables of the lake, nothing else: {_first_line(message)}",
            {"tables": ", ".join(tables)},
            f"select * from {tables[0]}" if tables else None,
        )
    if _TOO_MANY.search(message):
        excess = _EXCESS.search(message)
        names = excess["names"].split(", ") if excess else []
        which = f"the parameter {names[0]!r}" if names else "a parameter"
        return QueryError(
            f"a value was given for {which}, and the query does not ask for it",
            {"not asked for": ", ".join(names)} | {"query": _shown(query)} if names else {"query": _shown(query)},
            f"${names[0]} in the query" if names else "$name or ? in the query",
        )
    not_given = _NOT_GIVEN.search(message)
    if not_given is not None:
        names = not_given["names"].split(", ")
        return QueryError(
            f"the query asks for the parameter {names[0]!r}, and no value was given",
            {"missing": ", ".join(names), "query": _shown(query)},
            f"--param {names[0]}=VALUE",
        )
    unknown = _UNKNOWN_TABLE.search(message)
    if unknown is not None:
        return _unknown_table(unknown["name"], query, tables)
    return _wrong_query(message, query)


def _unknown_table(name: str, query: str, tables: Sequence[str]) -> QueryError:
    # DuckDB leaves the schema out when only the table is unknown.
    written = re.search(rf'[\w"]+\."?{re.escape(name)}\b', query)
    return unknown_table(written[0].replace('"', "") if written and "." not in name else name, tables)


def unknown_table(full: str, tables: Sequence[str]) -> QueryError:
    """Return the error of a table that does not exist."""
    near = closest(full, tables) or closest(full, [table.split(".")[1] for table in tables])
    if near is not None and "." not in near:
        near = next(table for table in tables if table.endswith(f".{near}"))
    return QueryError(
        f"there is no table {full!r}",
        {"tables": ", ".join(tables) or "none"},
        near or "headrace lake tables",
    )


def _bare_keyword(message: str, query: str) -> str | None:
    """Return the keyword at which the parser gave up, or before it, where it may be meant as a column."""
    near = _NEAR.search(message)
    if near is None:
        return None
    starts = [place for place, _ in duckdb.tokenize(query)]
    tokens = [query[begin:end].strip() for begin, end in zip(starts, [*starts[1:], len(query)], strict=True)]
    kinds = [kind for _, kind in duckdb.tokenize(query)]
    for place, token in enumerate(tokens):
        if token != near["word"]:
            continue
        for at in (place, place - 1):
            if at >= 0 and kinds[at] == duckdb.token_type.keyword and tokens[at].lower() not in _OF_CLAUSES:
                return tokens[at]
    return None


def _wrong_query(message: str, query: str) -> QueryError:
    facts: dict[str, str] = {}
    near = None
    candidates = _CANDIDATES.search(message)
    if candidates is not None:
        facts["columns"] = candidates["names"].replace('"', "")
        missing = _UNKNOWN_COLUMN.search(message)
        if missing is not None:
            near = closest(missing["name"], facts["columns"].split(", "))
    word = _bare_keyword(message, query)
    if word is not None:
        facts[word] = "a word of SQL: as the name of a column it stands in double quotes"
        near = f'"{word}"'
    place = _LINE.search(message)
    facts["query"] = f"line {place['number']}: {place['line']}" if place else _shown(query)
    return QueryError(f"the query is wrong: {_first_line(message)}", facts, near or "headrace lake tables")


def _first_line(message: str) -> str:
    first = message.strip().splitlines()[0] if message.strip() else "no message"
    return first.partition(" Error: ")[2] or first


def _shown(query: str) -> str:
    flat = " ".join(query.split())
    return flat if len(flat) <= 120 else f"{flat[:119]}…"
