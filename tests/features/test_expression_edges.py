"""Every operation of expressions at the edges in DuckDB, against plain Python; the table says what there is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from expression_cases import CASES, NAMES, Case, all_cases, columns, differences, rows
from headrace_features.expressions import RENDERED, compile_expression
from headrace_features.operations import OPERATIONS, operations_page
from headrace_ingestion.documents import DeclarationProblem
from sqlglot import exp

PAGE = Path(__file__).parents[2] / "docs" / "expressions.md"
ROWS = rows()


@pytest.fixture(scope="module")
def given() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        declared = ", ".join(f'"{name}" {kind}' for name, (_, kind) in NAMES.items())
        connection.execute(f"CREATE TABLE given (i INTEGER, {declared})")
        marks = ", ".join("?" for _ in range(len(NAMES) + 1))
        connection.executemany(
            f"INSERT INTO given VALUES ({marks})", [[index, *row.values()] for index, row in enumerate(ROWS)]
        )
        yield connection


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text() == operations_page(), "python -m headrace_features.operations > docs/expressions.md"


def test_the_table_has_everything_that_is_rendered() -> None:
    told = {node for operation in OPERATIONS for node in operation.nodes}
    assert RENDERED - told == {exp.Column, exp.Literal, exp.Boolean, exp.Null, exp.Paren}
    assert told <= RENDERED
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_has_cases_that_use_it(operation: Any) -> None:
    cases = CASES[operation.name]
    assert cases
    for case in cases:
        assert sqlglot.parse_one(case.sql, read="duckdb").find(*operation.nodes), case.sql


def test_no_case_is_of_an_operation_that_does_not_exist() -> None:
    assert set(CASES) == {operation.name for operation in OPERATIONS}


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.sql)
def test_duckdb_gives_what_the_definition_says(case: Case, given: duckdb.DuckDBPyConnection) -> None:
    compiled = compile_expression(case.sql, columns(), what="expression 'e'")
    got = given.execute(f"SELECT {compiled.sql['duckdb']} FROM given ORDER BY i").fetchall()
    assert differences(case, ROWS, [value for (value,) in got]) == []


@pytest.mark.parametrize(
    ("sql", "named"),
    [("floor(x, 1)", "FLOOR(x, 1)"), ("ceil(x, 1)", "CEIL(x, 1)"), ("x between symmetric 2 and 1", "BETWEEN")],
)
def test_a_modifier_that_no_engine_would_be_told_is_refused(sql: str, named: str) -> None:
    with pytest.raises(DeclarationProblem, match="outside the subset of expressions") as caught:
        compile_expression(sql, columns(), what="expression 'e'")
    assert named in caught.value.failure


@pytest.mark.parametrize("sql", ["s < '😀'", "s between 'a' and '\ufffd'", "case when b then s else '😀' end >= t"])
def test_text_is_not_put_in_order_by_literals_that_flink_orders_otherwise(sql: str) -> None:
    with pytest.raises(DeclarationProblem, match=r"puts text in order by a literal with characters beyond U\+D7FF"):
        compile_expression(sql, columns(), what="expression 'e'")


def test_what_is_nested_too_deeply_is_refused_at_once() -> None:
    sql = "x"
    for _ in range(30):
        sql = f"greatest({sql}, y)"
    with pytest.raises(DeclarationProblem, match="is nested too deeply"):
        compile_expression(sql, columns(), what="expression 'e'")
