"""Records of a topic → what a sink sends of them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import sqlglot
from headrace_ingestion.records import Record
from headrace_lake.decode import compile_decoder
from headrace_lake.query import time_limit
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import SINK_LETTERS, TableSpec
from headrace_lake.views import quoted
from sqlglot import exp

from headrace.events.fixes import NotMended, project_function, transformed
from headrace.events.locked_sql import SECONDS_A_QUERY, ExpressionError, locked_connection, plain
from headrace.sinks.declaration import SinkDeclaration

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = "_row_number"
_OVER_SEVERAL = (exp.Window, exp.AggFunc, exp.Query, exp.Unnest, exp.Explode)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record, as the endpoint gets it.

    Attributes:
        record: The record as read.
        key: What tells it from all others of the table, the same whenever it is sent again.
        event_id: Its event id; None where the table has none.
        body: The JSON value; None when it could not be made.
        problem: Why it could not.
    """

    record: Record
    key: str
    event_id: str | None
    body: bytes | None
    problem: str | None = None


class SinkRows:
    """Makes of the records of a table's topic what a sink sends.

    Args:
        sink: The sink.
        spec: Its table.
        folder: The project folder, where the function is looked for.

    Raises:
        ExpressionError: `where` or `select` cannot be read, or looks at more than one record.
        FixError: There is no function `transform`.
    """

    def __init__(self, sink: SinkDeclaration, spec: TableSpec, folder: Path) -> None:
        own = ", ".join(quoted(column.name) for column in spec.columns if not column.name.startswith("_"))
        for text in (sink.where, sink.select):
            if text is not None:
                _check_is_of_one_row(text)
        # A comment at the end of an expression ends with its line.
        select, where = sink.select or own, sink.where or "true"
        self._query = f"SELECT {quoted(_NUMBER)}, {select}\nFROM batch WHERE ({where}\n)"
        if spec.full_name == "ops.dead_letters":
            # What this sink cannot hand over is a dead letter, too: it would go round for ever.
            self._query += f" AND NOT starts_with(coalesce(event, ''), '{SINK_LETTERS}')"
        self._decode = compile_decoder(spec)
        self._connection = locked_connection()
        self._transform: Callable[[dict[str, Any]], Any] | None = None
        if sink.transform is not None:
            self._transform = project_function(sink.transform, folder, "row")
        self._key_columns = spec.unique_by or (("event_id",) if spec.columns[0].name == "event_id" else ())
        if spec.schema == "features":
            self._key_columns = ("event_id", "revision")
        self._topic = spec.topic
        self._selected(arrow_schema(spec).empty_table())

    def __call__(self, records: Sequence[Record]) -> list[Outgoing]:
        """Return what is sent, in the order of the records.

        Records that are no rows are left out: they are dead letters of the table already.
        """
        rows, refused = self._decode(records)
        unreadable = {(item.record.partition, item.record.offset) for item in refused}
        kept = [record for record in records if (record.partition, record.offset) not in unreadable]
        keys = [self._key(values, record) for values, record in zip(self._key_values(rows), kept, strict=True)]
        ids = rows.column("event_id").to_pylist() if "event_id" in rows.column_names else [None] * len(kept)
        found = []
        for number, values in self._values(rows):
            body, problem = (None, values) if isinstance(values, str) else self._body(values)
            if body is not None or problem is not None:
                found.append(Outgoing(kept[number], keys[number], ids[number], body, problem))
        return found

    def _values(self, rows: pa.Table) -> list[tuple[int, dict[str, Any] | str]]:
        """Return number and values of each row that is meant, or why it has none."""
        try:
            return list(self._selected(rows))
        except ExpressionError:
            pass
        # One row may spoil a batch: each by itself then.
        found: list[tuple[int, dict[str, Any] | str]] = []
        for number in range(rows.num_rows):
            try:
                found += [(number, values) for _, values in self._selected(rows.slice(number, 1))]
            except ExpressionError as error:
                found.append((number, str(error).splitlines()[0]))
        return found

    def _selected(self, rows: pa.Table) -> list[tuple[int, dict[str, Any]]]:
        import duckdb
        import pyarrow as pa

        numbered = rows.append_column(_NUMBER, pa.array(range(rows.num_rows), pa.int64()))
        try:
            with time_limit(self._connection, SECONDS_A_QUERY):
                self._connection.register("batch", numbered)
                answer = self._connection.execute(self._query)
                names = [column[0] for column in answer.description or ()][1:]
                found = answer.fetchall()
        except duckdb.Error as error:
            first = str(error).strip().splitlines()[0]
            raise ExpressionError(
                f"the expression fails: {first.partition(' Error: ')[2] or first}",
                {"columns": ", ".join(rows.column_names)},
                "where: country = 'CH'",
            ) from error
        return sorted(((row[0], dict(zip(names, row[1:], strict=True))) for row in found), key=lambda one: one[0])

    def _body(self, values: dict[str, Any]) -> tuple[bytes | None, str | None]:
        """Return the JSON, or why there is none; neither when nothing is to be sent."""
        try:
            return transformed(self._made, values), None
        except NotMended as error:
            return None, str(error)

    def _made(self, values: dict[str, Any]) -> bytes | None:
        found = values if self._transform is None else self._transform(values)
        return None if found is None else json_bytes(found)

    def _key_values(self, rows: pa.Table) -> list[tuple[Any, ...]]:
        columns = [rows.column(name).to_pylist() for name in self._key_columns]
        return list(zip(*columns, strict=True)) if columns else [()] * rows.num_rows

    def _key(self, values: tuple[Any, ...], record: Record) -> str:
        # The first revision of a feature row is the usual one: its key is the id of its event.
        named = [str(value) for name, value in zip(self._key_columns, values) if (name, value) != ("revision", 0)]
        return "/".join(named) or f"{self._topic}/{record.partition}/{record.offset}"


def json_bytes(value: Any) -> bytes:
    """Return a value as JSON: times in RFC 3339, decimals as numbers, bytes in base 64, NaN as null."""
    return orjson.dumps(value, default=_as_json, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def _as_json(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    found = plain(value)
    return found if found is not value else str(value)


def _check_is_of_one_row(text: str) -> None:
    """Refuse what DuckDB would compute over the rows that happen to be read together."""
    try:
        trees = sqlglot.parse(f"SELECT {text}", read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise ExpressionError("the expression cannot be read", {"expression": text}, "where: country = 'CH'") from error
    several = len(trees) != 1 or not isinstance(trees[0], exp.Select)
    tree = trees[0]
    guilty = None if tree is None else next((one for one in tree.find_all(*_OVER_SEVERAL) if one is not tree), None)
    if several or guilty is not None or (tree is not None and (tree.args.get("from") or tree.args.get("from_"))):
        raise ExpressionError(
            "the expression looks at more than one record",
            {"expression": text, "expected": "no aggregates, windows or queries"},
            "features of a view, for what is computed over several events",
        )
