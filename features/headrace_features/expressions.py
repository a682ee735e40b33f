"""The SQL of `derive` and `expression`: a subset on which both engines agree, parsed, typed, and rendered for each.

Numbers are doubles. What has no value is null: a quotient by zero, the root of a negative number, the logarithm of zero
or less, a number that is not finite where it is compared or chosen. `operations` lists the subset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, NoReturn

import sqlglot
from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.errors import closest
from sqlglot import exp

from headrace_features.operations import FUNCTIONS, SUBSET

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
# What the parser reads besides, and no engine here is told: floor(x, 2), BETWEEN SYMMETRIC.
_MODIFIERS = ("decimals", "to", "symmetric")
_LAST_IN_ORDER = "\ud7ff"
"""Flink's planner puts literals in order by UTF-16, all else is by code points: up to here they are the same."""
_STAYS_FINITE = (exp.Sqrt, exp.Ln)
LARGEST = "1.7976931348623157e308"
"""The largest double."""
_LONGEST = 200_000
"""Characters of an expression as the engines read it: nested conditions repeat what they compare."""


@dataclass(frozen=True)
class Column:
    """A name that an expression may read.

    Attributes:
        type: Its type.
        sql: Its SQL in each engine, a double where it is a number.
        is_plain: Whether a number is finite and not minus zero, or null, whatever the data.
    """

    type: ValueType
    sql: Mapping[Dialect, str]
    is_plain: bool = True


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


def compile_expression(
    text: str, columns: Mapping[str, Column], *, what: str, unfit: Mapping[str, str] | None = None
) -> Compiled:
    """Return the expression for both engines.

    Args:
        text: The SQL expression.
        columns: What it may read, by name.
        what: How messages call it, such as `derive 'abroad'`.
        unfit: Name → type of what is there and no expression can read.

    Raises:
        DeclarationProblem: It is no expression of the subset, reads an unknown name, its types do not fit, or it is
            nested too deeply.
    """
    tree = _parsed(text, what)
    compiler = _Compiler(columns, what, unfit or {})
    value = compiler.node(tree)
    if value.type is None:
        raise DeclarationProblem(f"{what} is always null", {"expression": text}, "an expression with a value")
    return Compiled(value.type, {"flink": value.flink, "duckdb": value.duckdb}, frozenset(compiler.reads))


def plain(sql: str) -> str:
    """Return the SQL of a number that is null where `sql` is not finite, and zero where it is minus zero."""
    # In DuckDB what is not a number is equal to itself and above all others, in Flink it is neither: this comparison is
    # false in both. Flink looks numbers up in lists by their bits, so that minus zero is not found there.
    return f"(CASE WHEN ABS({sql}) <= {LARGEST} THEN {sql} + 0e0 END)"


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


class _Value(NamedTuple):
    """A part of an expression.

    Attributes:
        type: Its type; None: the literal null.
        flink: Its SQL for Flink.
        duckdb: Its SQL for DuckDB.
        is_plain: Whether a number is as `plain` makes it.
    """

    type: ValueType | None
    flink: str
    duckdb: str
    is_plain: bool = True

    def wrapped(self, render: Callable[[str], str], *, is_plain: bool | None = None) -> _Value:
        """Return a number made of this one."""
        known = self.is_plain if is_plain is None else is_plain
        return _Value("double", render(self.flink), render(self.duckdb), known)

    @property
    def with_a_value(self) -> _Value:
        """This one; a number that is not finite is null, and minus zero is zero."""
        return self if self.is_plain else self.wrapped(plain, is_plain=True)


def _merged(
    kind: ValueType, parts: Sequence[_Value], render: Callable[[list[str]], str], *, is_plain: bool = True
) -> _Value:
    """Return the value that `render` makes of the parts, once for each engine."""
    return _Value(kind, render([part.flink for part in parts]), render([part.duckdb for part in parts]), is_plain)


def _has_modifier(tree: exp.Expression) -> bool:
    return any(tree.args.get(modifier) for modifier in _MODIFIERS)


class _Compiler:
    """Renders one tree; collects the names it reads."""

    def __init__(self, columns: Mapping[str, Column], what: str, unfit: Mapping[str, str]) -> None:
        self._columns = columns
        self._unfit = unfit
        self._what = what
        self.reads: set[str] = set()

    def node(self, tree: exp.Expression) -> _Value:
        kind = type(tree)
        method = _HANDLERS.get(kind)
        if _has_modifier(tree):
            self._outside(tree)
        if kind in _ARITHMETIC:
            value = self._join("double", _ARITHMETIC[kind], tree)
        elif kind in _CONNECTORS:
            value = self._join("bool", _CONNECTORS[kind], tree)
        elif kind in _COMPARISONS:
            value = self._comparison(tree, _COMPARISONS[kind])
        elif kind in _OF_ONE_NUMBER:
            value = self._of_one_number(tree)
        elif method is not None:
            value = method(self, tree)
        else:
            self._outside(tree)
        if len(value.flink) > _LONGEST:
            raise DeclarationProblem(
                f"{self._what} is nested too deeply",
                {"part": _shortened(tree), "most": f"{_LONGEST} characters of SQL"},
                "fewer conditions, divisions and extremes within one another",
            )
        return value

    def _outside(self, tree: exp.Expression) -> NoReturn:
        name = tree.name if isinstance(tree, exp.Anonymous) else tree.key
        # What there is needs no cast: every number is read as a double.
        try_ = tree.this.sql(dialect="duckdb") if isinstance(tree, exp.Cast) else closest(name.lower(), FUNCTIONS)
        raise DeclarationProblem(
            f"{self._what} uses {_shortened(tree)}, which is outside the subset of expressions ({name.lower()})",
            {"subset": SUBSET},
            try_,
        )

    def _wrong(self, tree: exp.Expression, wanted: str, got: ValueType | None) -> DeclarationProblem:
        return DeclarationProblem(
            f"{self._what}: {tree.sql(dialect='duckdb')} is a {got}, where a {wanted} is expected",
            {"types": "double, string, bool"},
            f"an expression of type {wanted}",
        )

    def _typed(self, tree: exp.Expression, wanted: ValueType) -> _Value:
        return self._checked(tree, self.node(tree), wanted)

    def _checked(self, tree: exp.Expression, value: _Value, wanted: ValueType) -> _Value:
        """Return the value of a tree as one of the type wanted."""
        if value.type is None:
            sql_type = {"double": "DOUBLE", "string": "VARCHAR", "bool": "BOOLEAN"}[wanted]
            return _Value(wanted, f"CAST(NULL AS {sql_type})", f"CAST(NULL AS {sql_type})")
        if value.type != wanted:
            raise self._wrong(tree, wanted, value.type)
        return value

    def _join(self, kind: ValueType, operator: str, tree: exp.Expression) -> _Value:
        parts = [self._typed(tree.this, kind), self._typed(tree.expression, kind)]
        return _merged(kind, parts, lambda sql: f"({sql[0]} {operator} {sql[1]})", is_plain=kind != "double")

    def _divide(self, tree: exp.Expression) -> _Value:
        parts = [self._typed(tree.this, "double"), self._typed(tree.expression, "double")]
        return _merged("double", parts, lambda sql: f"({sql[0]} / NULLIF({sql[1]}, 0e0))", is_plain=False)

    def _of_one_number(self, tree: exp.Expression) -> _Value:
        value = self._typed(tree.this, "double")
        if isinstance(tree, _STAYS_FINITE):
            value = value.with_a_value
        # The root of minus zero, and the ceiling of -0.5, are minus zero.
        known = value.is_plain and not isinstance(tree, exp.Exp | exp.Ceil)
        return value.wrapped(_OF_ONE_NUMBER[type(tree)].format, is_plain=known)

    def _alike(self, trees: list[exp.Expression]) -> tuple[ValueType, list[_Value]]:
        """Return the one type of all trees, and their values."""
        values = [self.node(tree) for tree in trees]
        types = {value.type for value in values if value.type is not None}
        if len(types) != 1:
            shown = ", ".join(sorted(types)) or "only nulls"
            raise DeclarationProblem(
                f"{self._what} mixes values of different types: {shown}",
                {"in": ", ".join(tree.sql(dialect="duckdb") for tree in trees)},
                "values of one type",
            )
        wanted = types.pop()
        return wanted, [self._checked(tree, value, wanted) for tree, value in zip(trees, values, strict=True)]

    def _compared(self, trees: list[exp.Expression], *, in_order: bool = False) -> tuple[ValueType, list[_Value]]:
        """Return the one type of values that are compared, and them; numbers that are not finite are null."""
        wanted, values = self._alike(trees)
        if in_order and wanted == "bool":
            raise self._wrong(trees[0], "double or string", "bool")
        if in_order and wanted == "string" and any(max(value.flink) > _LAST_IN_ORDER for value in values):
            raise DeclarationProblem(
                f"{self._what} puts text in order by a literal with characters beyond U+D7FF",
                {"in": ", ".join(map(_shortened, trees)), "why": "the engines put such literals in different orders"},
                "= or IN, or a literal without them",
            )
        return wanted, [value.with_a_value for value in values]

    def _comparison(self, tree: exp.Expression, operator: str) -> _Value:
        _, parts = self._compared([tree.this, tree.expression], in_order=operator not in ("=", "<>"))
        return _merged("bool", parts, lambda sql: f"({sql[0]} {operator} {sql[1]})")

    def _column(self, tree: exp.Expression) -> _Value:
        name = tree.name
        column = self._columns.get(name)
        if column is None and name in self._unfit:
            raise DeclarationProblem(
                f"{self._what} reads {name!r}, which is a {self._unfit[name]}",
                {"types": "int, long, double, string, bool", "exist": ", ".join(self._columns)},
                f"{name}: {{type: double}} in the event"
                if self._unfit[name] == "decimal"
                else next(iter(self._columns), None),
            )
        if column is None or len(tree.parts) > 1:  # type: ignore[attr-defined]  # a Column has parts
            raise DeclarationProblem(
                f"{self._what} reads {tree.sql(dialect='duckdb')!r}, which does not exist here",
                {"exist": ", ".join(self._columns)},
                closest(name, self._columns),
            )
        self.reads.add(name)
        return _Value(column.type, column.sql["flink"], column.sql["duckdb"], column.is_plain)

    def _literal(self, tree: exp.Expression) -> _Value:
        if tree.is_string:
            text = "'" + tree.name.replace("'", "''") + "'"
            return _Value("string", text, text)
        text = repr(float(tree.name))
        if "inf" in text:
            raise DeclarationProblem(f"{self._what}: {tree.name} is too large a number", {"largest": LARGEST}, "1e308")
        text = text if "e" in text else text + "e0"
        return _Value("double", text, text)

    def _boolean(self, tree: exp.Expression) -> _Value:
        text = "TRUE" if tree.this else "FALSE"
        return _Value("bool", text, text)

    def _null(self, tree: exp.Expression) -> _Value:
        return _Value(None, "NULL", "NULL")

    def _paren(self, tree: exp.Expression) -> _Value:
        return self.node(tree.this)

    def _negative(self, tree: exp.Expression) -> _Value:
        value = self._typed(tree.this, "double")
        known = isinstance(tree.this, exp.Literal) and float(tree.this.name) > 0
        return value.wrapped(lambda sql: f"(- {sql})", is_plain=known)

    def _not(self, tree: exp.Expression) -> _Value:
        return _merged("bool", [self._typed(tree.this, "bool")], lambda sql: f"(NOT {sql[0]})")

    def _is(self, tree: exp.Expression) -> _Value:
        if not isinstance(tree.expression, exp.Null):
            self._outside(tree)
        return _merged("bool", [self.node(tree.this).with_a_value], lambda sql: f"({sql[0]} IS NULL)")

    def _between(self, tree: exp.Expression) -> _Value:
        _, parts = self._compared([tree.this, tree.args["low"], tree.args["high"]], in_order=True)
        return _merged("bool", parts, lambda sql: f"({sql[0]} >= {sql[1]} AND {sql[0]} <= {sql[2]})")

    def _in(self, tree: exp.Expression) -> _Value:
        choices = tree.expressions
        if not choices:
            self._outside(tree)
        _, parts = self._compared([tree.this, *choices])
        return _merged("bool", parts, lambda sql: f"({' OR '.join(f'{sql[0]} = {choice}' for choice in sql[1:])})")

    def _case(self, tree: exp.Expression) -> _Value:
        if tree.this is not None:
            self._outside(tree)
        whens = [self._typed(branch.this, "bool") for branch in tree.args["ifs"]]
        otherwise = tree.args.get("default") or exp.Null()
        wanted, thens = self._alike([*(branch.args["true"] for branch in tree.args["ifs"]), otherwise])

        def rendered(sql: list[str]) -> str:
            conditions, values = sql[: len(whens)], sql[len(whens) :]
            branches = " ".join(f"WHEN {when} THEN {then}" for when, then in zip(conditions, values, strict=False))
            return f"(CASE {branches} ELSE {values[-1]} END)"

        return _merged(wanted, [*whens, *thens], rendered, is_plain=all(then.is_plain for then in thens))

    def _coalesce(self, tree: exp.Expression) -> _Value:
        wanted, parts = self._compared([tree.this, *tree.expressions])
        return _merged(wanted, parts, lambda sql: f"COALESCE({', '.join(sql)})")

    def _nullif(self, tree: exp.Expression) -> _Value:
        wanted, parts = self._compared([tree.this, tree.expression])
        return _merged(wanted, parts, lambda sql: f"NULLIF({sql[0]}, {sql[1]})")

    def _extreme(self, tree: exp.Expression) -> _Value:
        parts = [self._typed(part, "double").with_a_value for part in (tree.this, *tree.expressions)]
        operator = "<" if isinstance(tree, exp.Least) else ">"

        def rendered(sql: list[str]) -> str:
            text, *rest = sql
            for other in rest:
                text = f"(CASE WHEN {text} {operator} {other} THEN {text} WHEN {text} IS NOT NULL THEN {other} END)"
            return text

        return _merged("double", parts, rendered)


def _shortened(tree: exp.Expression) -> str:
    # DuckDB has other words for what only other engines know.
    text = tree.sql(dialect=None if _has_modifier(tree) else "duckdb")
    return text if len(text) <= 60 else f"{text[:59]}…"


_HANDLERS: dict[type[exp.Expression], Callable[[_Compiler, exp.Expression], _Value]] = {
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

RENDERED = frozenset({*_ARITHMETIC, *_CONNECTORS, *_COMPARISONS, *_OF_ONE_NUMBER, *_HANDLERS})
"""What of the parser's tree has a rendering: that of the table of operations, names, literals and parentheses."""
