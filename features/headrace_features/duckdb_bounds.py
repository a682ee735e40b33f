"""An expression over columns that two engines may round differently → how far apart its own values may lie.

The bound is carried through the tree: that of a sum is the sum of the bounds, that of a quotient grows with how near
to zero the divisor may come, a branch whose condition could go either way may give either value. A bound that is
infinite or not a number says that nothing follows about the value; null stands for equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from headrace_features.duckdb_text import quoted
from headrace_features.expressions import LARGEST

_INFINITE = "CAST('inf' AS DOUBLE)"
# exp and ln of the two engines' mathematical libraries, in units of the result.
_LIBRARY = "1e-14"


@dataclass(frozen=True)
class _Node:
    """SQL of a value, and of its bound; None where both engines have the same bits."""

    sql: str
    bound: str | None

    @property
    def some_bound(self) -> str:
        return "0e0" if self.bound is None else f"COALESCE({self.bound}, 0e0)"

    @property
    def is_exact(self) -> bool:
        return self.bound is None


def expression_bound(sql: str, bounded: frozenset[str]) -> str | None:
    """Return the SQL of the bound, or None when the expression is equal bit for bit in both engines.

    Args:
        sql: The expression for DuckDB, as `compile_expression` renders it.
        bounded: Kernel columns that have a bound, in a column `_bound_<name>`.
    """
    return _Bounds(bounded).node(sqlglot.parse_one(sql, read="duckdb")).bound


class _Bounds:
    def __init__(self, bounded: frozenset[str]) -> None:
        self._bounded = bounded

    def node(self, tree: exp.Expr) -> _Node:
        if isinstance(tree, exp.Column):
            return _Node(_sql(tree), quoted(f"_bound_{tree.name}") if tree.name in self._bounded else None)
        if isinstance(tree, exp.Paren | exp.Cast | exp.Neg | exp.Not):
            return _Node(_sql(tree), self.node(tree.this).bound)
        if isinstance(tree, exp.Case):
            value = _guarded(tree)
            return _Node(_sql(tree), self.node(value).bound) if value else self._case(tree, 0)
        if isinstance(tree, exp.Coalesce):
            return self._coalesce(tree)
        parts = [self.node(part) for part in _arguments(tree)]
        if isinstance(tree, exp.Exp | exp.Ln) or not all(part.is_exact for part in parts):
            rule = _RULES.get(type(tree))
            return _Node(_sql(tree), rule(*parts) if rule else _INFINITE)
        return _Node(_sql(tree), None)

    def _case(self, tree: exp.Case, at: int) -> _Node:
        """Return the CASE from its branch `at` on."""
        branches = tree.args["ifs"]
        otherwise = tree.args.get("default") or exp.Null()
        if at == len(branches):
            return self.node(otherwise)
        condition, then = self.node(branches[at].this), self.node(branches[at].args["true"])
        rest = self._case(tree, at + 1)
        value = f"(CASE WHEN {condition.sql} THEN {then.sql} ELSE {rest.sql} END)"
        if condition.is_exact and then.is_exact and rest.is_exact:
            return _Node(value, None)
        bound = f"CASE WHEN {condition.sql} THEN {then.some_bound} ELSE {rest.some_bound} END"
        if not condition.is_exact:
            # Either branch may be taken: the value may be as far off as the two are apart.
            distance = f"COALESCE({_distance(then.sql, rest.sql)}, {_INFINITE})"
            apart = f"CASE WHEN {then.sql} IS NULL AND {rest.sql} IS NULL THEN 0e0 ELSE {distance} END"
            either = f"{apart} + {then.some_bound} + {rest.some_bound}"
            bound = f"CASE WHEN {condition.some_bound} > 0e0 THEN {either} ELSE {bound} END"
        return _Node(value, f"({bound})")

    def _coalesce(self, tree: exp.Coalesce) -> _Node:
        parts = [self.node(part) for part in (tree.this, *tree.expressions)]
        if all(part.is_exact for part in parts):
            return _Node(_sql(tree), None)
        # What may be null in one engine only is of no use.
        doubt = " OR ".join(f"NOT isfinite({part.some_bound})" for part in parts if not part.is_exact)
        chosen = " ".join(f"WHEN {part.sql} IS NOT NULL THEN {part.some_bound}" for part in parts)
        return _Node(_sql(tree), f"(CASE WHEN {doubt} THEN {_INFINITE} {chosen} END)")


def _guarded(tree: exp.Case) -> exp.Expr | None:
    """Return the number that the CASE only makes plain, as `expressions.plain` renders it; None: it does more."""
    match tree.args:
        case {"ifs": [exp.If(args={"this": exp.LTE(this=exp.Abs(this=asked), expression=limit), "true": value})]} if (
            limit.name == LARGEST and isinstance(value, exp.Add) and asked == value.this
        ):
            found: exp.Expr = value.this
            return found
    return None


def _sql(tree: exp.Expr) -> str:
    return tree.sql(dialect="duckdb")


def _arguments(tree: exp.Expr) -> list[exp.Expr]:
    return [part for part in (tree.this, tree.args.get("expression"), *tree.expressions) if isinstance(part, exp.Expr)]


def _distance(left: str, right: str) -> str:
    # Text and booleans have no distance: they are equal, or nothing follows. try_cast of a boolean would be a number.
    both = f"[typeof({left}), typeof({right})]"
    number = f"abs(TRY_CAST({left} AS DOUBLE) - TRY_CAST({right} AS DOUBLE))"
    return f"CASE WHEN {left} = {right} THEN 0e0 WHEN {both} = ['DOUBLE', 'DOUBLE'] THEN {number} ELSE {_INFINITE} END"


def _sum(left: _Node, right: _Node) -> str:
    return f"({left.some_bound} + {right.some_bound})"


def _product(left: _Node, right: _Node) -> str:
    a, b = left.some_bound, right.some_bound
    return f"(abs({left.sql}) * {b} + abs({right.sql}) * {a} + {a} * {b})"


def _quotient(left: _Node, right: _Node) -> str:
    # The divisor stands as NULLIF(b, 0): null where it is exactly zero.
    least = f"(abs({right.sql}) - {right.some_bound})"
    error = f"({left.some_bound} + abs({left.sql} / {right.sql}) * {right.some_bound}) / {least}"
    return (
        f"(CASE WHEN {right.sql} IS NULL THEN {right.some_bound} WHEN {least} > 0e0 THEN {error} ELSE {_INFINITE} END)"
    )


def _nullif(left: _Node, right: _Node) -> str:
    both = f"({left.some_bound} + {right.some_bound})"
    near = f"{both} > 0e0 AND NOT abs({left.sql} - {right.sql}) > {both}"
    return f"(CASE WHEN {near} THEN {_INFINITE} ELSE {left.some_bound} END)"


def _comparison(left: _Node, right: _Node) -> str:
    both = f"({left.some_bound} + {right.some_bound})"
    near = f"{both} > 0e0 AND NOT {_distance(left.sql, right.sql)} > {both}"
    return f"(CASE WHEN {near} THEN {_INFINITE} ELSE 0e0 END)"


def _either(left: _Node, right: _Node) -> str:
    return f"greatest({left.some_bound}, {right.some_bound})"


def _is_null(value: _Node, _: _Node) -> str:
    return f"(CASE WHEN isfinite({value.some_bound}) THEN 0e0 ELSE {_INFINITE} END)"


def _sqrt(value: _Node) -> str:
    return (
        f"(CASE WHEN {value.sql} > 0e0 THEN {value.some_bound} / sqrt({value.sql}) ELSE sqrt({value.some_bound}) END)"
    )


def _ln(value: _Node) -> str:
    least = f"({value.sql} - {value.some_bound})"
    error = f"{value.some_bound} / {least} + {_LIBRARY} * (1e0 + abs(ln({value.sql})))"
    return (
        f"(CASE WHEN {value.sql} IS NULL THEN {value.some_bound} WHEN {least} > 0e0 THEN {error} ELSE {_INFINITE} END)"
    )


def _exp(value: _Node) -> str:
    return f"(exp({value.sql}) * (exp({value.some_bound}) - 1e0 + {_LIBRARY}))"


def _whole(function: str) -> Callable[[_Node], str]:
    def rule(value: _Node) -> str:
        low, high = f"({value.sql} - {value.some_bound})", f"({value.sql} + {value.some_bound})"
        return f"(CASE WHEN {function}({low}) = {function}({high}) THEN 0e0 ELSE {value.some_bound} + 1e0 END)"

    return rule


_RULES: dict[type[exp.Expr], Callable[..., str]] = {
    exp.Add: _sum,
    exp.Sub: _sum,
    exp.Mul: _product,
    exp.Div: _quotient,
    exp.Nullif: _nullif,
    exp.And: _either,
    exp.Or: _either,
    exp.Is: _is_null,
    exp.Abs: lambda value: value.some_bound,
    exp.Sqrt: _sqrt,
    exp.Ln: _ln,
    exp.Exp: _exp,
    exp.Floor: _whole("floor"),
    exp.Ceil: _whole("ceil"),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), _comparison),
}
