"""Every operator and function of the subset of expressions, in DuckDB, with nulls."""

import math
from typing import Any

import duckdb
import pytest
from headrace_features.expressions import Column, ValueType, compile_expression
from headrace_features.operations import FUNCTIONS

_TYPES: dict[str, tuple[ValueType, str]] = {
    "x": ("double", "DOUBLE"),
    "y": ("double", "DOUBLE"),
    "n": ("double", "BIGINT"),
    "s": ("string", "VARCHAR"),
    "t": ("string", "VARCHAR"),
    "b": ("bool", "BOOLEAN"),
    "c": ("bool", "BOOLEAN"),
}
_COLUMNS = {
    name: Column(kind, {"duckdb": f'CAST("{name}" AS DOUBLE)' if name == "n" else f'"{name}"', "flink": name})
    for name, (kind, _) in _TYPES.items()
}

# SQL, the values of the names it reads, and what comes out.
CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("x + y", {"x": 0.1, "y": 0.2}, 0.1 + 0.2),
    ("x + y", {"x": None, "y": 0.2}, None),
    ("x - y", {"x": 1.0, "y": 0.9}, 1.0 - 0.9),
    ("x * y", {"x": 3.0, "y": -0.5}, -1.5),
    ("x / y", {"x": 1.0, "y": 3.0}, 1 / 3),
    ("x / y", {"x": 1.0, "y": 0.0}, None),
    ("x / y", {"x": None, "y": 0.0}, None),
    ("1 / 4", {}, 0.25),
    ("n / 2", {"n": 7}, 3.5),
    ("n + 1", {"n": 2**53}, float(2**53)),
    ("-x", {"x": 2.5}, -2.5),
    ("-x", {"x": None}, None),
    ("2 * (x + 1)", {"x": 1.5}, 5.0),
    ("x = y", {"x": 1.0, "y": 1.0}, True),
    ("x = y", {"x": None, "y": None}, None),
    ("x <> y", {"x": 1.0, "y": 1.0}, False),
    ("x != y", {"x": 1.0, "y": 2.0}, True),
    ("x < y", {"x": 1.0, "y": 2.0}, True),
    ("x <= y", {"x": 2.0, "y": 2.0}, True),
    ("x > y", {"x": 1.0, "y": 2.0}, False),
    ("x >= y", {"x": 1.0, "y": None}, None),
    ("s = t", {"s": "a", "t": "a"}, True),
    ("s < t", {"s": "Z", "t": "a"}, True),
    ("s < t", {"s": "z", "t": "ä"}, True),
    ("s = 'it''s'", {"s": "it's"}, True),
    ("b = c", {"b": True, "c": False}, False),
    ("b and c", {"b": False, "c": None}, False),
    ("b and c", {"b": True, "c": None}, None),
    ("b or c", {"b": True, "c": None}, True),
    ("b or c", {"b": False, "c": None}, None),
    ("not b", {"b": False}, True),
    ("not b", {"b": None}, None),
    ("x is null", {"x": None}, True),
    ("x is not null", {"x": None}, False),
    ("x / y is null", {"x": 1.0, "y": 0.0}, True),
    ("x between 1 and 2", {"x": 2.0}, True),
    ("x between 1 and 2", {"x": 2.5}, False),
    ("x between 1 and 2", {"x": None}, None),
    ("x not between 1 and 2", {"x": 2.5}, True),
    ("s in ('a', 'b')", {"s": "b"}, True),
    ("s in ('a', 'b')", {"s": None}, None),
    ("x not in (1, 2)", {"x": 3.0}, True),
    ("case when x > 1 then 'high' when x > 0 then 'low' end", {"x": 2.0}, "high"),
    ("case when x > 1 then 'high' when x > 0 then 'low' end", {"x": 0.5}, "low"),
    ("case when x > 1 then 'high' when x > 0 then 'low' end", {"x": None}, None),
    ("case when b then 1 else 0 end", {"b": None}, 0.0),
    ("abs(x)", {"x": -2.5}, 2.5),
    ("abs(x)", {"x": None}, None),
    ("ceil(x)", {"x": 1.2}, 2.0),
    ("ceil(x)", {"x": -1.2}, -1.0),
    ("floor(x)", {"x": 1.8}, 1.0),
    ("floor(x)", {"x": -1.2}, -2.0),
    ("coalesce(x, y, 7)", {"x": None, "y": None}, 7.0),
    ("coalesce(x, y, 7)", {"x": None, "y": 2.0}, 2.0),
    ("coalesce(s, '')", {"s": None}, ""),
    ("exp(x)", {"x": 1.0}, math.e),
    ("exp(x)", {"x": None}, None),
    ("ln(x)", {"x": math.e}, 1.0),
    ("ln(x)", {"x": 0.0}, None),
    ("ln(x)", {"x": -1.0}, None),
    ("sqrt(x)", {"x": 2.0}, math.sqrt(2)),
    ("sqrt(x)", {"x": -1.0}, None),
    ("nullif(x, y)", {"x": 1.0, "y": 1.0}, None),
    ("nullif(x, y)", {"x": 1.0, "y": None}, 1.0),
    ("nullif(s, '')", {"s": ""}, None),
    ("least(x, y)", {"x": 1.0, "y": 2.0}, 1.0),
    ("least(x, y, n)", {"x": 3.0, "y": 2.0, "n": 1}, 1.0),
    ("least(x, y)", {"x": 1.0, "y": None}, None),
    ("least(x, y)", {"x": None, "y": 1.0}, None),
    ("greatest(x, y)", {"x": 1.0, "y": 2.0}, 2.0),
    ("greatest(x, y)", {"x": 2.0, "y": None}, None),
    ("true", {}, True),
    ("1e3", {}, 1000.0),
    ("'text'", {}, "text"),
]


@pytest.mark.parametrize(("sql", "values", "expected"), CASES)
def test_an_expression_has_this_value_in_duckdb(sql: str, values: dict[str, Any], expected: Any) -> None:
    compiled = compile_expression(sql, _COLUMNS, what="expression 'e'")
    given = ", ".join(f'CAST(${name} AS {_TYPES[name][1]}) AS "{name}"' for name in values) or "1 AS _"
    with duckdb.connect() as connection:
        (got,) = (
            connection.execute(f"SELECT {compiled.sql['duckdb']} FROM (SELECT {given})", values or None).fetchone()
            or ()
        )
    assert got == (pytest.approx(expected, rel=1e-15) if sql.startswith(("exp", "ln")) and expected else expected)
    assert type(got) is type(expected)
    assert compiled.reads == set(values)


def test_every_function_of_the_subset_is_evaluated_here() -> None:
    assert {name for name in FUNCTIONS if any(f"{name}(" in sql for sql, _, _ in CASES)} == set(FUNCTIONS)
