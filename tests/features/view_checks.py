"""Comparing a row of an engine with the reference, by rule 11 of the semantics page."""

import math
from collections.abc import Mapping
from typing import Any

from headrace_features.duckdb_compiler import CompiledSql
from headrace_features.view import ExpressionFeature, View
from reference import Row

INEXACT = {
    "sum", "mean", "std", "skew", "slope", "ewma", "group_mean", "cyclic_sin", "cyclic_cos", "distance", "travel",
}  # fmt: skip


def check_values(
    expected: Row, got: Mapping[str, Any], view: View, twin: Mapping[str, Any], compiled: CompiledSql
) -> None:
    """Fail unless every column is the expected one: exactly, or within its tolerance.

    A column that follows from sums is compared with DuckDB's, within the bound that `verify` allows it.

    Args:
        expected: The row of the reference.
        got: That of the engine.
        view: The view.
        twin: That of DuckDB, with bounds.
        compiled: DuckDB's statement.
    """
    inexact = {name for name, wanted in expected.columns.items() if wanted.tolerance > 0}
    for column in view.columns:
        wanted, value = expected.columns[column.name], got[column.name]
        place = f"{view.name}.{column.name} at offset {expected.event.offset}"
        where = f"{place}: {value!r}, reference {wanted.value!r} ± {wanted.tolerance}"
        if isinstance(column, ExpressionFeature) and _follows_from(column, inexact, view):
            other, bound = twin[column.name], twin.get(compiled.bounds.get(column.name, "")) or 0.0
            if not math.isfinite(bound):
                continue
            where += f", DuckDB {other!r} ± {bound}"
            if isinstance(value, float) and isinstance(other, float):
                assert abs(value - other) <= bound, where
            else:
                assert (value, type(value)) == (other, type(other)), where
        elif wanted.tolerance == math.inf:
            # Beyond what numbers of this size can say.
            assert value is None or isinstance(value, float), where
        elif isinstance(wanted.value, float) and value is not None:
            assert abs(value - wanted.value) <= wanted.tolerance, where
        else:
            assert (value, type(value)) == (wanted.value, type(wanted.value)), where


def _follows_from(column: ExpressionFeature, inexact: set[str], view: View) -> bool:
    kernel = {feature.name for feature in view.kernel if feature.operation in INEXACT}
    reads = column.compiled.reads
    expressions = {c.name: c for c in view.columns if isinstance(c, ExpressionFeature)}
    return bool(reads & (inexact | kernel)) or any(
        _follows_from(expressions[name], inexact, view) for name in reads & expressions.keys()
    )
