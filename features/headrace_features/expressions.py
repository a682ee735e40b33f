"""The SQL of `derive` and `expression`: a subset on which both engines agree, parsed, typed, and rendered for each.

Numbers are doubles. What has no value is null: a quotient by zero, the root of a negative number, the logarithm of zero
or less.
`least` and `greatest` are null when one of their arguments is. `docs/expressions.md` lists the subset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NoReturn

import sqlglot
from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.errors import closest
from sqlglot import exp

ValueType = Literal["double", "string", "bool"]
Dialect = Literal["flink", "duckdb"]

_ARITHMETIC: dict[type[exp.Expression], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_COMPARISONS: dict[type[exp.Expression], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_CONNECTORS: dict[type[exp.Expression], str] = {exp.And: "AND", exp.Or: "OR"}
# Functions of one number: the SQL around its argument {0}. The guards give null where the value does not exist.
_OF_ONE_NUMBER: dict[type[exp.Expression], str] = {
    exp.Abs: "ABS({0})",
    exp.Sqrt: "SQRT(CASE WHEN {0} >= 0e0 THEN {0} END)",
    exp.Ln: "LN(CASE WHEN {0} > 0e0 THEN {0} END)",
    exp.Exp: "EXP({0})",
    exp.Floor: "FLOOR({0})",
    exp.Ceil: "CEIL({0})",
}
FUNCTIONS = ("abs", "ceil", "coalesce", "exp", "floor", "greatest", "least", "ln", "nullif", "sqrt")
"""The functions of the subset."""

_SUBSET = (
    "+ - * /, comparisons, AND OR NOT, IS [NOT] NULL, BETWEEN, IN (…), CASE WHEN, literals, and the functions "
    + ", ".join(FUNCTIONS)
)


@dataclass(frozen=True)
class Column:
    """A name that an expression may read: its type, and its SQL in each engine (a double where it is a number)."""

    type: ValueType
    sql: Mapping[Dialect, str]


@dataclass(frozen=True)
class Compiled:
    """An expression in the words of both engines.

    Attributes:
        type: Type of its value.
        sql: Text for each engine; a number that is not finite is still in it (the engines' ends make it null).
        reads: Names it reads.
    """

    type: ValueType
    sql: Mapping[Dialect, str] = field(hash=False)
    reads: frozenset[str]


def compile_expression(text: str, columns: Mapping[str, Column], *, what: str) -> Compiled:
    """Return the expression for both engines.

    Args:
        text: The SQL expression.
        columns: What it may read, by name.
        what: How messages call it, such as `derive 'abroad'`.

    Raises:
        DeclarationProblem: It is no expression of the subset, reads an unknown name, or its types do not fit.
    """
    tree = _parsed(text, what)
    compiler = _Compiler(columns, what)
    typed, flink, duckdb = compiler.node(tree)
    if typed is None:
        raise DeclarationProblem(f"{what} is always null", {"expression": text}, "an expression with a value")
    return Compiled(typed, {"flink": flink, "duckdb": duckdb}, frozenset(compiler.reads))


def _parsed(text: str, what: str) -> exp.Expression:
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        detail = (
            error.errors[0]["description"]
            if isinstance(error, sqlglot.errors.ParseError) and error.errors
            else str(error)
        )
        # The parser names its own classes.
        detail = detail.partition(" for <class")[0]
        raise DeclarationProblem(
            f"{what} is not an SQL expression: {detail}", {"expression": text}, "country <> home_country"
        ) from error
    if not isinstance(tree, exp.Expression):
        raise DeclarationProblem(f"{what} is not an SQL expression", {"expression": text}, "country <> home_country")
    return tree


# Type (None: the literal null), text for Flink, text for DuckDB.
_Typed = tuple[ValueType | None, str, str]


class _Compiler:
    """Renders one tree; collects the names it reads."""

    def __init__(self, columns: Mapping[str, Column], what: str) -> None:
        self._columns = columns
        self._what = what
        self.reads: set[str] = set()

    def node(self, tree: exp.Expression) -> _Typed:
        kind = type(tree)
        if kind in _ARITHMETIC:
            return self._join("double", "double", _ARITHMETIC[kind], tree)
        if kind in _CONNECTORS:
            return self._join("bool", "bool", _CONNECTORS[kind], tree)
        if kind in _COMPARISONS:
            return self._comparison(tree, _COMPARISONS[kind])
        if kind in _OF_ONE_NUMBER:
            return self._same(lambda s: _OF_ONE_NUMBER[kind].format(s), "double", tree.this, "double")
        method = _HANDLERS.get(kind)
        if method is None:
            self._outside(tree)
        return method(self, tree)

    def _outside(self, tree: exp.Expression) -> NoReturn:
        name = tree.name if isinstance(tree, exp.Anonymous) else tree.key
        text = tree.sql(dialect="duckdb")
        shown = text if len(text) <= 60 else f"{text[:59]}…"
        raise DeclarationProblem(
            f"{self._what} uses {shown}, which is outside the subset of expressions ({name.lower()})",
            {"subset": _SUBSET},
            closest(name.lower(), FUNCTIONS),
        )

    def _wrong(self, tree: exp.Expression, wanted: str, got: ValueType | None) -> DeclarationProblem:
        return DeclarationProblem(
            f"{self._what}: {tree.sql(dialect='duckdb')} is a {got}, where a {wanted} is expected",
            {"types": "double, string, bool"},
            f"an expression of type {wanted}",
        )

    def _typed(self, tree: exp.Expression, wanted: ValueType) -> tuple[str, str]:
        got, flink, duckdb = self.node(tree)
        if got is None:
            sql_type = {"double": "DOUBLE", "string": "VARCHAR", "bool": "BOOLEAN"}[wanted]
            return f"CAST(NULL AS {sql_type})", f"CAST(NULL AS {sql_type})"
        if got != wanted:
            raise self._wrong(tree, wanted, got)
        return flink, duckdb

    def _same(self, render: Callable[[str], str], result: ValueType, tree: exp.Expression, wanted: ValueType) -> _Typed:
        flink, duckdb = self._typed(tree, wanted)
        return result, render(flink), render(duckdb)

    def _join(self, result: ValueType, wanted: ValueType, operator: str, tree: exp.Expression) -> _Typed:
        left, right = self._typed(tree.this, wanted), self._typed(tree.expression, wanted)
        return result, f"({left[0]} {operator} {right[0]})", f"({left[1]} {operator} {right[1]})"

    def _divide(self, tree: exp.Expression) -> _Typed:
        left, right = self._typed(tree.this, "double"), self._typed(tree.expression, "double")
        return "double", f"({left[0]} / NULLIF({right[0]}, 0e0))", f"({left[1]} / NULLIF({right[1]}, 0e0))"

    def _alike(self, trees: list[exp.Expression]) -> tuple[ValueType, list[tuple[str, str]]]:
        """Return the one type of all trees, and their texts."""
        types = {typed for tree in trees if (typed := self.node(tree)[0]) is not None}
        if len(types) != 1:
            shown = ", ".join(sorted(types)) or "only nulls"
            raise DeclarationProblem(
                f"{self._what} mixes values of different types: {shown}",
                {"in": ", ".join(tree.sql(dialect="duckdb") for tree in trees)},
                "values of one type",
            )
        wanted = types.pop()
        return wanted, [self._typed(tree, wanted) for tree in trees]

    def _comparison(self, tree: exp.Expression, operator: str) -> _Typed:
        wanted, (left, right) = self._alike([tree.this, tree.expression])
        if wanted == "bool" and operator not in ("=", "<>"):
            raise self._wrong(tree.this, "double or string", "bool")
        return "bool", f"({left[0]} {operator} {right[0]})", f"({left[1]} {operator} {right[1]})"

    def _column(self, tree: exp.Expression) -> _Typed:
        name = tree.name
        column = self._columns.get(name)
        if column is None or len(tree.parts) > 1:  # type: ignore[attr-defined]  # a Column has parts
            raise DeclarationProblem(
                f"{self._what} reads {tree.sql(dialect='duckdb')!r}, which does not exist here",
                {"exist": ", ".join(self._columns)},
                closest(name, self._columns),
            )
        self.reads.add(name)
        return column.type, column.sql["flink"], column.sql["duckdb"]

    def _literal(self, tree: exp.Expression) -> _Typed:
        if tree.is_string:
            text = "'" + tree.name.replace("'", "''") + "'"
            return "string", text, text
        text = repr(float(tree.name))
        if "inf" in text:
            raise DeclarationProblem(
                f"{self._what}: {tree.name} is too large a number", {"largest": "1.7976931348623157e308"}, "1e308"
            )
        text = text if "e" in text else text + "e0"
        return "double", text, text

    def _boolean(self, tree: exp.Expression) -> _Typed:
        text = "TRUE" if tree.this else "FALSE"
        return "bool", text, text

    def _null(self, tree: exp.Expression) -> _Typed:
        return None, "NULL", "NULL"

    def _paren(self, tree: exp.Expression) -> _Typed:
        return self.node(tree.this)

    def _negative(self, tree: exp.Expression) -> _Typed:
        return self._same(lambda s: f"(- {s})", "double", tree.this, "double")

    def _not(self, tree: exp.Expression) -> _Typed:
        return self._same(lambda s: f"(NOT {s})", "bool", tree.this, "bool")

    def _is(self, tree: exp.Expression) -> _Typed:
        if not isinstance(tree.expression, exp.Null):
            self._outside(tree)
        _, flink, duckdb = self.node(tree.this)
        return "bool", f"({flink} IS NULL)", f"({duckdb} IS NULL)"

    def _between(self, tree: exp.Expression) -> _Typed:
        wanted, parts = self._alike([tree.this, tree.args["low"], tree.args["high"]])
        if wanted == "bool":
            raise self._wrong(tree.this, "double or string", "bool")
        flink, duckdb = (tuple(part[i] for part in parts) for i in (0, 1))
        return (
            "bool",
            f"({flink[0]} >= {flink[1]} AND {flink[0]} <= {flink[2]})",
            f"({duckdb[0]} >= {duckdb[1]} AND {duckdb[0]} <= {duckdb[2]})",
        )

    def _in(self, tree: exp.Expression) -> _Typed:
        choices = tree.expressions
        if not choices:
            self._outside(tree)
        _, (value, *rest) = self._alike([tree.this, *choices])
        flink = " OR ".join(f"{value[0]} = {choice[0]}" for choice in rest)
        duckdb = " OR ".join(f"{value[1]} = {choice[1]}" for choice in rest)
        return "bool", f"({flink})", f"({duckdb})"

    def _case(self, tree: exp.Expression) -> _Typed:
        if tree.this is not None:
            self._outside(tree)
        whens = [self._typed(branch.this, "bool") for branch in tree.args["ifs"]]
        otherwise = tree.args.get("default") or exp.Null()
        wanted, thens = self._alike([*(branch.args["true"] for branch in tree.args["ifs"]), otherwise])
        texts = []
        for i in (0, 1):
            branches = " ".join(f"WHEN {when[i]} THEN {then[i]}" for when, then in zip(whens, thens, strict=False))
            texts.append(f"(CASE {branches} ELSE {thens[-1][i]} END)")
        return wanted, texts[0], texts[1]

    def _coalesce(self, tree: exp.Expression) -> _Typed:
        wanted, parts = self._alike([tree.this, *tree.expressions])
        flink, duckdb = (", ".join(part[i] for part in parts) for i in (0, 1))
        return wanted, f"COALESCE({flink})", f"COALESCE({duckdb})"

    def _nullif(self, tree: exp.Expression) -> _Typed:
        wanted, (left, right) = self._alike([tree.this, tree.expression])
        return wanted, f"NULLIF({left[0]}, {right[0]})", f"NULLIF({left[1]}, {right[1]})"

    def _extreme(self, tree: exp.Expression) -> _Typed:
        trees = [tree.this, *tree.expressions]
        parts = [self._typed(part, "double") for part in trees]
        operator = "<" if isinstance(tree, exp.Least) else ">"
        texts = []
        for i in (0, 1):
            text = parts[0][i]
            for part in parts[1:]:
                text = f"(CASE WHEN {text} {operator} {part[i]} THEN {text} WHEN {text} IS NOT NULL THEN {part[i]} END)"
            texts.append(text)
        return "double", texts[0], texts[1]


_HANDLERS: dict[type[exp.Expression], Callable[[_Compiler, exp.Expression], _Typed]] = {
    exp.Div: _Compiler._divide,
    exp.Column: _Compiler._column,
    exp.Literal: _Compiler._literal,
    exp.Boolean: _Compiler._boolean,
    exp.Null: _Compiler._null,
    exp.Paren: _Compiler._paren,
    exp.Neg: _Compiler._negative,
    exp.Not: _Compiler._not,
    exp.Is: _Compiler._is,
    exp.Between: _Compiler._between,
    exp.In: _Compiler._in,
    exp.Case: _Compiler._case,
    exp.Coalesce: _Compiler._coalesce,
    exp.Nullif: _Compiler._nullif,
    exp.Least: _Compiler._extreme,
    exp.Greatest: _Compiler._extreme,
}
