"""Every operator and function of expressions: how it is written, what it takes and gives, and where it has no value.

The compiler takes its words from this table, `docs/expressions.md` is made from it
(`python -m headrace_features.operations > docs/expressions.md`), and the tests go through it on both engines.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True)
class Operation:
    """One operator or function.

    Attributes:
        name: What it is called; a function's is that of its call.
        form: How it is written.
        nodes: What the parser makes of it.
        takes: Types of what stands in it.
        gives: Type of its value.
        nulls: When its value is null.
        edges: What else is worth knowing.
        is_function: Whether it is written as a call.
    """

    name: str
    form: str
    nodes: tuple[type[exp.Expression], ...]
    takes: str
    gives: str
    nulls: str
    edges: str = ""
    is_function: bool = False


def _function(
    name: str, form: str, node: type[exp.Expression], takes: str, gives: str, nulls: str, edges: str = ""
) -> Operation:
    return Operation(name, form, (node,), takes, gives, nulls, edges, is_function=True)


_EITHER = "an argument is null"
_ALIKE = "two of one type"

OPERATIONS = (
    Operation("+", "x + y", (exp.Add,), "doubles", "double", _EITHER, "beyond ±1.7976931348623157e308 it has no value"),
    Operation("-", "x - y", (exp.Sub,), "doubles", "double", _EITHER, "as `+`"),
    Operation("*", "x * y", (exp.Mul,), "doubles", "double", _EITHER, "as `+`"),
    Operation("/", "x / y", (exp.Div,), "doubles", "double", f"{_EITHER}, or y is 0",
              "never of whole numbers: 7 / 2 is 3.5"),
    Operation("negative", "-x", (exp.Neg,), "double", "double", "x is null", "of 0 it is 0"),
    Operation("=", "x = y", (exp.EQ,), _ALIKE, "bool", _EITHER,
              "−0 is 0; text is equal byte by byte, blanks and capitals count"),
    Operation("<>", "x <> y, x != y", (exp.NEQ,), _ALIKE, "bool", _EITHER, "as `=`"),
    Operation("<", "x < y", (exp.LT,), "two doubles or strings", "bool", _EITHER,
              "text in the order of its code points: `'Z' < 'a' < 'ä'`; a literal in it has none beyond U+D7FF"),
    Operation("<=", "x <= y", (exp.LTE,), "two doubles or strings", "bool", _EITHER, "as `<`"),
    Operation(">", "x > y", (exp.GT,), "two doubles or strings", "bool", _EITHER, "as `<`"),
    Operation(">=", "x >= y", (exp.GTE,), "two doubles or strings", "bool", _EITHER, "as `<`"),
    Operation("between", "x [NOT] BETWEEN y AND z", (exp.Between,), "three doubles or strings", "bool",
              "as `x >= y AND x <= z`", "both ends included; false where y is above z; text as for `<`"),
    Operation("in", "x [NOT] IN (y, z, …)", (exp.In,), "any number of one type", "bool",
              "x is null, or none is equal and one is null", "as `=`"),
    Operation("and", "b AND c", (exp.And,), "bools", "bool", "an argument is null and the other is not false"),
    Operation("or", "b OR c", (exp.Or,), "bools", "bool", "an argument is null and the other is not true"),
    Operation("not", "NOT b", (exp.Not,), "bool", "bool", "b is null"),
    Operation("is null", "x IS [NOT] NULL", (exp.Is,), "anything", "bool", "never"),
    Operation("case", "CASE WHEN b THEN x WHEN c THEN y ELSE z END", (exp.Case,), "bools, and values of one type",
              "that type", "the branch taken is null, or none is and there is no ELSE",
              "a condition that is null is not true"),
    _function("abs", "abs(x)", exp.Abs, "double", "double", "x is null"),
    _function("ceil", "ceil(x)", exp.Ceil, "double", "double", "x is null",
              "the least whole number that is not below x"),
    _function("coalesce", "coalesce(x, y, …)", exp.Coalesce, "any number of one type", "that type", "all are null",
              "the first that is not null; empty text is not null"),
    _function("exp", "exp(x)", exp.Exp, "double", "double", "x is null",
              "above 709.78… it has no value; the last two bits may differ"),
    _function("floor", "floor(x)", exp.Floor, "double", "double", "x is null",
              "the largest whole number that is not above x"),
    _function("greatest", "greatest(x, y, …)", exp.Greatest, "any number of doubles", "double", _EITHER),
    _function("least", "least(x, y, …)", exp.Least, "any number of doubles", "double", _EITHER),
    _function("ln", "ln(x)", exp.Ln, "double", "double", "x is null, 0 or less", "the last two bits may differ"),
    _function("nullif", "nullif(x, y)", exp.Nullif, _ALIKE, "that type", "x is null, or equal to y", "as `=`"),
    _function("sqrt", "sqrt(x)", exp.Sqrt, "double", "double", "x is null, or less than 0"),
)  # fmt: skip
"""The operators and functions, in the order in which people look for them."""

FUNCTIONS = tuple(operation.name for operation in OPERATIONS if operation.is_function)
"""The functions of the subset."""

SUBSET = (
    "+ - * /, comparisons, AND OR NOT, IS [NOT] NULL, BETWEEN, IN (…), CASE WHEN, literals, and the functions "
    + ", ".join(FUNCTIONS)
)
"""The subset on one line, for messages."""

_HEAD = """\
# Expressions

`derive` and `expression` are SQL expressions of a subset on which Flink and DuckDB agree; what is outside is refused
by name. `derive` reads the fields of the event and earlier derived values; `expression` reads those and every feature
declared before it.

- **Types** are double, string and bool. Every number is a double: an `int` or `long` beyond ±2⁵³ becomes the nearest
  one. Nothing is converted by itself.
- **Literals** are `1`, `0.5`, `1e3`, `'text'` (a quote in it is doubled), `TRUE`, `FALSE`, `NULL`.
- **A number that is not finite has no value**: where it is compared, chosen (`IS NULL`, `coalesce`, `nullif`, `least`,
  `greatest`) or stored, it is null. Arithmetic on the way there goes on as IEEE 754 says: `1 / (1e308 * x)` is 0 where
  `1e308 * x` is beyond all numbers.
- **Minus zero is zero** where it is compared or stored.
- **Timestamps** cannot be read; `calendar` and `since_last` give their parts.

"""
_TAIL = """
Both engines give the same bits for all of it but `exp` and `ln`, whose libraries may round the last two bits
differently; `headrace features verify` allows for them. `tests/features/test_expression_edges.py` and
`tests/streaming/test_expression_edges_in_flink.py` evaluate every row of this table over numbers and text at the edges,
and compare each engine with Python.
"""


def operations_page() -> str:
    """Return the page `docs/expressions.md`."""
    lines = ["| form | takes | gives | null where | notes |", "|---|---|---|---|---|"]
    for each in OPERATIONS:
        lines.append(f"| `{each.form}` | {each.takes} | {each.gives} | {each.nulls} | {each.edges} |")
    return _HEAD + "\n".join(lines) + "\n" + _TAIL


if __name__ == "__main__":
    sys.stdout.write(operations_page())
