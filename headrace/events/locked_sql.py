"""SQL that somebody typed, over single records: DuckDB without files, network or settings, fed with values alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from headrace_ingestion.errors import HeadraceError

if TYPE_CHECKING:
    import duckdb

MEMORY_BYTES = 256_000_000
SECONDS_A_QUERY = 10.0
_ROWS_A_QUERY = 500


class ExpressionError(HeadraceError):
    """A SQL expression cannot be read, or means what the records do not have."""


class FieldExpressions:
    """`EXPRESSION AS field, …`: each gives a field anew; the others stay, and a field that becomes null is left out.

    Args:
        text: The expressions.

    Raises:
        ExpressionError: It is no list of SQL expressions.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._connection = locked_connection()
        _check(self._connection, f"SELECT {text}", text, "abs(duration_s) AS duration_s")

    def applied(self, fields: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of one record as the expressions say.

        Args:
            fields: Field → value; a null stands for a field that the record does not have.
            beside: More columns that the expressions may read.

        Raises:
            ExpressionError: An expression names what is not there, or fails on the values.
        """
        import duckdb
        from headrace_lake.query import time_limit
        from headrace_lake.views import quoted

        columns = {**beside, **fields}
        row = ", ".join(f"${number} AS {quoted(name)}" for number, name in enumerate(columns, start=1))
        try:
            with time_limit(self._connection, SECONDS_A_QUERY):
                answer = self._connection.execute(f"SELECT {self.text} FROM (SELECT {row})", list(columns.values()))
                names = [column[0] for column in answer.description or ()]
                found = answer.fetchone() or ()
        except (duckdb.Error, OverflowError, ValueError) as error:
            raise ExpressionError(
                f"the expression fails: {_first_line(error)}",
                {"expression": self.text, "columns": ", ".join(columns)},
                "another expression, such as try_cast(value AS DOUBLE) AS value",
            ) from error
        changed = {**fields, **{name: plain(value) for name, value in zip(names, found, strict=True)}}
        return {name: value for name, value in changed.items() if value is not None}


class Condition:
    """A truth value over rows of known columns.

    Args:
        text: The expression.
        columns: Name → type in SQL of each column.

    Raises:
        ExpressionError: It is no SQL expression over these columns.
    """

    def __init__(self, text: str, columns: Mapping[str, str]) -> None:
        from headrace_lake.views import quoted

        self.text = text
        self._connection = locked_connection()
        self._columns = columns
        nothing = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in columns.items())
        query = f"SELECT ({text}) FROM (SELECT {nothing})"
        _check(self._connection, query, text, f"{next(iter(columns))} IS NOT NULL", columns)

    def holds(self, rows: Sequence[Sequence[Any]]) -> list[bool]:
        """Return for each row whether the expression is true; null is not.

        Args:
            rows: Values in the order of the columns.

        Raises:
            ExpressionError: It fails on the values.
        """
        found: list[bool] = []
        for start in range(0, len(rows), _ROWS_A_QUERY):
            found += self._held(rows[start : start + _ROWS_A_QUERY])
        return found

    def _held(self, rows: Sequence[Sequence[Any]]) -> list[bool]:
        import duckdb
        from headrace_lake.query import time_limit
        from headrace_lake.views import quoted

        names = ", ".join(quoted(name) for name in self._columns)
        typed = ", ".join(f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" for name, kind in self._columns.items())
        one = f"({', '.join('?' * len(self._columns))})"
        values = f"SELECT {typed} FROM (VALUES {', '.join([one] * len(rows))}) AS v({names})"
        try:
            with time_limit(self._connection, SECONDS_A_QUERY):
                query = f"SELECT coalesce(CAST(({self.text}) AS BOOLEAN), false) FROM ({values})"
                answer = self._connection.execute(query, [cell for row in rows for cell in row]).fetchall()
        except duckdb.Error as error:
            raise ExpressionError(
                f"the expression fails: {_first_line(error)}",
                {"expression": self.text, "columns": ", ".join(self._columns)},
                "an expression that is true or false for every record",
            ) from error
        return [bool(row[0]) for row in answer]


def check_expression(text: str) -> None:
    """Do nothing when the text is one SQL expression, as far as that can be told without columns.

    Raises:
        ExpressionError: It is none.
    """
    with locked_connection() as connection:
        _check(connection, f"SELECT ({text})", text, "country = 'CH'")


def locked_connection() -> duckdb.DuckDBPyConnection:
    """Return a database in memory that reaches nothing else, for good."""
    import duckdb
    from headrace_lake.query import lock

    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{MEMORY_BYTES}B",
            "threads": "1",
            "max_temp_directory_size": "0B",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            # Otherwise a name could mean a variable of the calling Python code.
            "python_enable_replacements": "false",
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    lock(connection, [])
    return connection


def plain(value: Any) -> Any:
    """Return a value of DuckDB as JSON and contracts know it: decimals as numbers, times in UTC, dates as text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return value.isoformat() if isinstance(value, date) else value


def _check(
    connection: duckdb.DuckDBPyConnection, query: str, text: str, example: str, columns: Iterable[str] = ()
) -> None:
    import duckdb
    from headrace_lake.errors import QueryError
    from headrace_lake.query import check_is_read

    try:
        check_is_read(connection, query)
        if columns:
            connection.execute(query).fetchall()
    except (duckdb.Error, QueryError) as error:
        raise ExpressionError(
            f"the expression cannot be read: {_first_line(error)}",
            {"expression": text, "columns": ", ".join(columns)},
            example,
        ) from error


def _first_line(error: Exception) -> str:
    first = str(error).strip().splitlines()[0]
    return first.partition(" Error: ")[2] or first
