"""Checks of single values: a value in, the accepted value out, or a refusal with its reason.

Details name the field, what was expected and what was got. Strings are shown as they are, cut to 80 code points;
numbers are not shown, because no two languages print them alike: `got a value below it`. Lengths count Unicode code
points.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

from headrace_ingestion.decimals import canonical_decimal, is_decimal
from headrace_ingestion.errors import Reason
from headrace_ingestion.fields import INTEGER_RANGES, Field
from headrace_ingestion.patterns import compile_pattern
from headrace_ingestion.timestamps import LATEST_MS, parse_timestamp

Check: TypeAlias = Callable[[Any], Any]
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


_SHOWN_VALUES = 10


class Refusal(Exception):  # noqa: N818  (no error: it never leaves the codec)
    """A value is not what the contract demands; never leaves the codec."""

    def __init__(self, reason: Reason, detail: str, field: str | None = None) -> None:
        """Hold the reason, the detail of the dead letter, and the field."""
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail
        self.field = field


class NeedsExactNumbers(Exception):  # noqa: N818  (no error either)
    """A huge number stands where an integer is expected: whether it was written as one must be read again."""


def cut(text: str) -> str:
    """Return the first 80 code points."""
    return text[:80]


def kind_of(value: object) -> str:
    """Return what a detail calls a value of the wrong type."""
    if isinstance(value, str):
        return f"string '{cut(value)}'"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, (list, tuple)):
        return "array"
    return type(value).__name__


def wrong_type(name: str, expected: str, value: object) -> Refusal:
    """Return the refusal of a value of another type."""
    return Refusal("wrong_type", f"field '{name}' expects {expected}, got {kind_of(value)}", name)


def detail_texts(name: str, field: Field) -> dict[str, str]:
    """Return the details that depend on nothing but the declaration, so that no engine has to print a number."""
    texts: dict[str, str] = {}
    if field.type in INTEGER_RANGES:
        low, high = INTEGER_RANGES[field.type]
        texts["type_range"] = f"field '{name}' expects {field.type} ({low} to {high}), got a value outside it"
    if field.type == "double":
        texts["type_range"] = f"field '{name}' expects a finite double, got a value outside it"
    if field.minimum is not None:
        texts["minimum"] = f"field '{name}' expects at least {field.minimum}, got a value below it"
    if field.maximum is not None:
        texts["maximum"] = f"field '{name}' expects at most {field.maximum}, got a value above it"
    if field.type == "decimal":
        kind = f"decimal({field.precision}, {field.scale})"
        texts["type_range"] = f"field '{name}' expects {kind}, got a value with more digits"
    if field.min_items is not None:
        texts["min_items"] = f"field '{name}' expects at least {field.min_items} items, got fewer"
    if field.max_items is not None:
        texts["max_items"] = f"field '{name}' expects at most {field.max_items} items, got more"
    if field.allowed is not None:
        shown = ", ".join(
            f"'{value}'" if isinstance(value, str) else str(value) for value in field.allowed[:_SHOWN_VALUES]
        )
        more = f" and {len(field.allowed) - _SHOWN_VALUES} more" if len(field.allowed) > _SHOWN_VALUES else ""
        texts["values"] = f"field '{name}' expects one of {shown}{more}, got "
    return texts


def _string_check(name: str, field: Field) -> Check:
    max_length = field.max_length
    matches = compile_pattern(field.pattern) if field.pattern is not None else None
    values = frozenset(field.allowed) if field.allowed is not None else None
    texts = detail_texts(name, field)
    # What is covered in the record must not be clear in a message.
    is_personal = field.pii in ("hash", "mask")

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            raise wrong_type(name, "string", value)
        if max_length is not None and len(value) > max_length:
            raise Refusal("too_long", f"field '{name}' expects at most {max_length} characters, got {len(value)}", name)
        if matches is not None and not matches(value):
            got = "another text" if is_personal else f"'{cut(value)}'"
            detail = f"field '{name}' expects the pattern {field.pattern}, got {got}"
            raise Refusal("pattern", detail, name)
        if values is not None and value not in values:
            raise Refusal("not_allowed", f"{texts['values']}'{cut(value)}'", name)
        return value

    return check


def _bool_check(name: str, field: Field) -> Check:
    def check(value: Any) -> Any:
        if value is True or value is False:
            return value
        raise wrong_type(name, "bool", value)

    return check


def _integer_check(name: str, field: Field) -> Check:
    type_low, type_high = INTEGER_RANGES[field.type]
    low = type_low if field.minimum is None else int(field.minimum)
    high = type_high if field.maximum is None else int(field.maximum)
    values = frozenset(field.allowed) if field.allowed is not None else None
    texts = detail_texts(name, field)

    def check(value: Any) -> Any:
        if type(value) is not int:
            if type(value) is float and abs(value) >= 2.0**63:
                raise NeedsExactNumbers
            if isinstance(value, bool) or not isinstance(value, int):
                raise wrong_type(name, field.type, value)
            value = int(value)
        if not low <= value <= high:
            outside = "type_range" if not type_low <= value <= type_high else "minimum" if value < low else "maximum"
            raise Refusal("out_of_range", texts[outside], name)
        if values is not None and value not in values:
            raise Refusal("not_allowed", f"{texts['values']}{value}", name)
        return value

    return check


def _double_check(name: str, field: Field) -> Check:
    low = -math.inf if field.minimum is None else float(field.minimum)
    high = math.inf if field.maximum is None else float(field.maximum)
    texts = detail_texts(name, field)

    def check(value: Any) -> Any:
        if type(value) is not float:
            value = _as_double(name, value, texts["type_range"])
        if not math.isfinite(value):
            raise Refusal("out_of_range", texts["type_range"], name)
        if value < low:
            raise Refusal("out_of_range", texts["minimum"], name)
        if value > high:
            raise Refusal("out_of_range", texts["maximum"], name)
        return value + 0.0  # -0.0 becomes 0.0

    return check


def _as_double(name: str, value: Any, outside: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong_type(name, "double", value)
    try:
        return float(value)
    except OverflowError as error:
        raise Refusal("out_of_range", outside, name) from error


def _timestamp_check(name: str, field: Field) -> Check:
    def check(value: Any) -> Any:
        at_ms = parse_timestamp(value) if isinstance(value, str) else None
        if at_ms is None:
            raise wrong_type(name, "timestamp (RFC 3339 with Z or an offset)", value)
        return in_years(name, at_ms)

    return check


def in_years(name: str, at_ms: int) -> int:
    """Return the instant.

    Raises:
        Refusal: It lies outside the years 1970 to 9999 (UTC).
    """
    if not 0 <= at_ms <= LATEST_MS:
        raise Refusal("out_of_range", f"field '{name}' expects the years 1970 to 9999, got a value outside them", name)
    return at_ms


def is_date(text: str) -> bool:
    """Return whether `text` is the date of a real day of the years 1 to 9999, as RFC 3339 writes it."""
    if _DATE.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _date_check(name: str, field: Field) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, str) and is_date(value):
            return value
        raise wrong_type(name, "date (YYYY-MM-DD)", value)

    return check


def _decimal_check(name: str, field: Field) -> Check:
    precision, scale = field.precision or 0, field.scale or 0
    low = None if field.minimum is None else Decimal(str(field.minimum))
    high = None if field.maximum is None else Decimal(str(field.maximum))
    texts = detail_texts(name, field)

    def check(value: Any) -> Any:
        if not isinstance(value, str) or not is_decimal(value):
            raise wrong_type(name, "decimal (a text such as 12.50)", value)
        text = canonical_decimal(value, precision, scale)
        if text is None:
            raise Refusal("out_of_range", texts["type_range"], name)
        if low is not None and Decimal(text) < low:
            raise Refusal("out_of_range", texts["minimum"], name)
        if high is not None and Decimal(text) > high:
            raise Refusal("out_of_range", texts["maximum"], name)
        return text

    return check


MAKERS: dict[str, Callable[[str, Field], Check]] = {
    "string": _string_check,
    "enum": _string_check,
    "bool": _bool_check,
    "int": _integer_check,
    "long": _integer_check,
    "double": _double_check,
    "decimal": _decimal_check,
    "timestamp": _timestamp_check,
    "date": _date_check,
}
