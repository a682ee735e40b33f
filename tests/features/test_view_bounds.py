"""How far an expression may be off follows from how far its inputs may be."""

from collections.abc import Iterator

import duckdb
import pytest
from headrace_features.duckdb_bounds import expression_bound
from headrace_features.expressions import Column, ValueType, compile_expression

_KINDS: dict[str, ValueType] = {"x": "double", "y": "double", "k": "double", "s": "string", "b": "bool"}
_COLUMNS = {name: Column(kind, {"duckdb": f'"{name}"', "flink": name}) for name, kind in _KINDS.items()}

EXPRESSIONS = [
    "x + y", "x - y * 2", "x * y", "x * x * y", "x / y", "k / x", "(x - y) / (x + y)", "-x / 3", "abs(x - y)",
    "sqrt(x)", "sqrt(abs(x * y))", "ln(x)", "ln(abs(x) + 1)", "exp(x)", "exp(-x * y)", "floor(x * 3)", "ceil(x / y)",
    "x > y", "x > 0 and not (y > k)", "x is null", "x / y is null", "b or x < k", "nullif(x, y)", "nullif(x, 0) + 1",
    "coalesce(x / y, k)", "coalesce(ln(x), y)", "least(x, y)", "greatest(x, y, k)", "x between y and k", "x in (k, 0)",
    "case when x > y then x when y > k then y - k else k end", "case when x > 0 then 'up' else s end",
    "case when b then x / y end", "case when x > 0 then sqrt(x) end", "case when least(x, y) < k then 1 else x end",
]  # fmt: skip

# The other engine's x and y lie within the bounds; k, s and b are the same. Whole numbers make ties and zeros.
_NUMBER = """CASE WHEN random() < 0.1 THEN NULL
  WHEN random() < 0.5 THEN floor(random() * 5) - 2 ELSE 6 * random() - 3 END"""
_BOUND = "CASE WHEN random() < 0.2 THEN 0 ELSE 10 ** (-6 * random()) * 0.3 END"
_SAMPLES = f"""
CREATE TABLE given AS
SELECT x, y, k, s, b, ex AS "_bound_x", ey AS "_bound_y",
  x + ex * (2 * random() - 1) AS other_x,
  CASE WHEN random() < 0.3 THEN y ELSE y + ey * (2 * random() - 1) END AS other_y
FROM (
  SELECT {_NUMBER} AS x, {_NUMBER} AS y, floor(random() * 3) - 1 AS k,
    CASE WHEN random() < 0.5 THEN 'up' ELSE 'down' END AS s, random() < 0.5 AS b, {_BOUND} AS ex, {_BOUND} AS ey
  FROM range(20000)
)"""


@pytest.fixture(scope="module")
def samples() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"SELECT setseed(0.5); {_SAMPLES}")
        yield connection


@pytest.mark.parametrize("sql", EXPRESSIONS)
def test_values_within_their_bounds_give_values_within_the_bound(sql: str, samples: duckdb.DuckDBPyConnection) -> None:
    compiled = compile_expression(sql, _COLUMNS, what="expression 'e'")
    value = compiled.sql["duckdb"]
    bound = expression_bound(value, frozenset({"x", "y"}))
    assert bound is not None
    apart = "abs(v - w) > e + 1e-12 * (1 + abs(v))" if compiled.type == "double" else "v IS DISTINCT FROM w"
    ((violations, judged),) = samples.execute(f"""
      WITH seen AS (
        SELECT *, {value} AS v, COALESCE({bound}, 0) AS e FROM given
      ),
      other AS (
        SELECT {value} AS w, v, e FROM
          (SELECT other_x AS x, other_y AS y, k, s, b, v, e FROM seen)
      )
      SELECT count(*) FILTER (isfinite(e) AND ((v IS NULL) <> (w IS NULL) OR {apart})), count(*) FILTER (isfinite(e))
      FROM other""").fetchall()
    assert violations == 0
    assert judged > 8000


@pytest.mark.parametrize("sql", ["k + 1", "s = 'a'", "case when b then k else 2 end", "coalesce(k, 0)", "k / 3"])
def test_what_reads_only_exact_values_is_exact(sql: str) -> None:
    compiled = compile_expression(sql, _COLUMNS, what="expression 'e'")
    assert expression_bound(compiled.sql["duckdb"], frozenset({"x", "y"})) is None


def test_libraries_may_round_exp_and_ln_differently() -> None:
    for sql in ("exp(k)", "ln(k)"):
        compiled = compile_expression(sql, _COLUMNS, what="expression 'e'")
        assert expression_bound(compiled.sql["duckdb"], frozenset()) is not None
