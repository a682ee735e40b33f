"""Values as Python has them → values of an event: what the SDK takes beside the forms of JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from headrace_ingestion.checks import JSON_WAY, Way, covered, field_check
from headrace_ingestion.contract import Contract
from headrace_ingestion.decimals import decimal_text
from headrace_ingestion.fields import INTEGER_RANGES, NESTED_TYPES, Field
from headrace_ingestion.timestamps import format_timestamp, parse_timestamp, timestamp_ms
from headrace_ingestion.value_checks import Check, Refusal, in_years, wrong_type

_TIMESTAMP = "timestamp (an aware datetime, or RFC 3339 text with Z or an offset)"


def sent_checks(contract: Contract, covers: Callable[[Field], Check] | None = None) -> dict[str, Check]:
    """Return the checks of the fields whose values may be other than those of JSON, or are personal.

    Timestamps become milliseconds.

    Args:
        contract: The contract.
        covers: See `Way`.
    """
    checks: dict[str, Check] = {}
    way = Way(_INSIDE, covers=covers)
    for name, field in contract.fields.items():
        if field.type == "timestamp":
            checks[name] = covered(_timestamp_check(name), field, way)
        elif field.type in NESTED_TYPES:
            checks[name] = field_check(name, field, way)
        elif field.type in _BESIDE_JSON:
            checks[name] = covered(_BESIDE_JSON[field.type](name, field), field, way)
        elif field.pii is not None:
            checks[name] = field_check(name, field, Way(covers=covers))
    return checks


def _timestamp_check(name: str) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, datetime):
            if value.utcoffset() is None:
                raise Refusal("wrong_type", f"field '{name}' expects {_TIMESTAMP}, got a datetime without a zone", name)
            return in_years(name, timestamp_ms(value))
        at_ms = parse_timestamp(value) if isinstance(value, str) else None
        if at_ms is None:
            raise wrong_type(name, _TIMESTAMP, value)
        return in_years(name, at_ms)

    return check


def _timestamp_text_check(name: str, field: Field) -> Check:
    in_ms = _timestamp_check(name)
    return lambda value: format_timestamp(in_ms(value))


def _date_check(name: str, field: Field) -> Check:
    of_text = field_check(name, field, JSON_WAY)

    def check(value: Any) -> Any:
        # A datetime is a date in Python; of which day depends on a zone.
        is_date = isinstance(value, date) and not isinstance(value, datetime)
        return of_text(value.isoformat() if is_date else value)

    return check


def _decimal_check(name: str, field: Field) -> Check:
    of_text = field_check(name, field, JSON_WAY)

    def check(value: Any) -> Any:
        if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
            return of_text(decimal_text(value) or str(value))
        return of_text(value)

    return check


def _integer_check(name: str, field: Field) -> Check:
    of_number = field_check(name, field, JSON_WAY)

    def check(value: Any) -> Any:
        if isinstance(value, float):
            # In Python a float is a float, however whole.
            raise wrong_type(name, field.type, value)
        return of_number(value)

    return check


_BESIDE_JSON: dict[str, Callable[[str, Field], Check]] = {"date": _date_check, "decimal": _decimal_check}
_INSIDE = {**_BESIDE_JSON, "timestamp": _timestamp_text_check, **dict.fromkeys(INTEGER_RANGES, _integer_check)}
