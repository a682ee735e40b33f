"""What a window takes of its values, as declarations write it: statistics by name, quantiles by percent or share."""

from __future__ import annotations

import math
import re
from typing import Annotated

import pydantic
from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.errors import closest
from headrace_ingestion.listed import as_list
from headrace_ingestion.schema_rules import Schema, one_or_more
from pydantic import BeforeValidator, WithJsonSchema

STATISTICS = (
    "count", "sum", "mean", "std", "min", "max", "range", "first", "last", "distinct", "median", "skew", "slope",
    "ewma",
)  # fmt: skip
"""What a window may take by name; besides, `p95` and `p99.9` are quantiles in percent."""

_QUANTILE = re.compile(r"p([0-9]{1,2})(?:\.([0-9]{1,4}))?")
_SHARE = re.compile(r"0\.[0-9]{1,6}")
_LEAST_NUMBER = 0.0001
"""Python writes smaller ones with an exponent; in quotes they are shares all the same."""


def quantile_of(statistic: str) -> tuple[int, int] | None:
    """Return the quantile that a statistic names, as numerator and denominator; None: no quantile.

    >>> quantile_of("p99.9")
    (999, 1000)
    """
    if statistic == "median":
        return 1, 2
    found = _QUANTILE.fullmatch(statistic)
    if found is None:
        return None
    decimals = found[2] or ""
    numerator, denominator = int(found[1] + decimals), 100 * 10 ** len(decimals)
    divisor = math.gcd(numerator, denominator)
    return numerator // divisor, denominator // divisor


def _statistics(value: object) -> object:
    return [statistic for part in as_list(value) for statistic in _statistic(part)]


def _statistic(part: object) -> list[str]:
    """Return a statistic, or those that `{quantile: [0.5, 0.95]}` means."""
    if isinstance(part, dict) and set(part) == {"quantile"} and part["quantile"] != []:
        return [_percent(quantile) for quantile in as_list(part["quantile"])]
    if part in STATISTICS or (isinstance(part, str) and quantile_of(part) not in (None, (0, 1))):
        return [str(part)]
    raise DeclarationProblem(
        f"a window does not take {part!r}",
        {"statistics": ", ".join(STATISTICS), "quantiles": "p1 to p99.9999, such as p50, p95, p99.9"},
        closest(str(part), STATISTICS) or "mean",
    )


def _percent(quantile: object) -> str:
    text = str(quantile)
    digits = text.partition(".")[2]
    if not _SHARE.fullmatch(text) or not int(digits):
        raise DeclarationProblem(
            f"{text} is not a quantile", {"expected": "a number between 0 and 1, such as 0.95"}, "quantile: [0.5, 0.95]"
        )
    digits = digits.ljust(2, "0")
    decimals = digits[2:].rstrip("0")
    return f"p{int(digits[:2])}" + (f".{decimals}" if decimals else "")


def _schema() -> Schema:
    number = {"type": "number", "minimum": _LEAST_NUMBER, "exclusiveMaximum": 1}
    text = {"type": "string", "pattern": rf"^(?!0\.0+$){_SHARE.pattern}$"}
    shares = {
        "type": "object",
        "description": "quantiles by their share of the values, such as 0.95",
        "properties": {"quantile": {**one_or_more({"anyOf": [number, text]}), "description": "above 0 and below 1"}},
        "required": ["quantile"],
        "additionalProperties": False,
    }
    percent = {
        "type": "string",
        "pattern": rf"^(?!p0{{1,2}}(?:\.0+)?$){_QUANTILE.pattern}$",
        "description": "a quantile in percent: p50, p95, p99.9",
    }
    return one_or_more({"anyOf": [{"enum": list(STATISTICS)}, percent, shares]})


Statistics = Annotated[
    tuple[str, ...],
    BeforeValidator(_statistics),
    pydantic.Field(min_length=1),
    WithJsonSchema(_schema(), mode="validation"),
]
"""Statistics of a window, quantiles in percent."""
