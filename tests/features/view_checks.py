"""Comparing a row of an engine with the reference, by rule 11 of the semantics page."""

import math
from collections.abc import Mapping
from typing import Any

from headrace_features.view import ExpressionFeature, View
from reference import Row


def check_values(expected: Row, got: Mapping[str, Any], view: View) -> None:
    """Fail unless every column is the expected one: exactly, or within its tolerance.

    A column that follows from sums has the tolerance of the reference; a comparison of two such sums may go either way.
    """
    inexact = {name for name, wanted in expected.columns.items() if wanted.tolerance > 0}
    for column in view.columns:
        wanted, value = expected.columns[column.name], got[column.name]
        place = f"{view.name}.{column.name} at offset {expected.event.offset}"
        where = f"{place}: {value!r}, reference {wanted.value!r} ± {wanted.tolerance}"
        if isinstance(column, ExpressionFeature) and _follows_from(column, inexact, view):
            assert type(value) is type(wanted.value) or value is None or wanted.value is None, where
            if isinstance(value, float) and isinstance(wanted.value, float) and math.isfinite(wanted.value):
                scale = max(1.0, abs(value), abs(wanted.value))
                assert wanted.tolerance > 0 or abs(value - wanted.value) <= 1e-6 * scale, where
        elif isinstance(wanted.value, float) and value is not None:
            assert abs(value - wanted.value) <= wanted.tolerance, where
        else:
            assert (value, type(value)) == (wanted.value, type(wanted.value)), where


def _follows_from(column: ExpressionFeature, inexact: set[str], view: View) -> bool:
    kernel = {feature.name for feature in view.kernel if feature.operation in ("sum", "mean", "std")}
    return bool(column.compiled.reads & (inexact | kernel | {"e_least", "e_ratio", "e_spread"}))
