"""Every operation of expressions over numbers, text and truth values at the edges, with a plain Python definition."""

import itertools
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from headrace_features.expressions import Column, Dialect, ValueType

Row = Mapping[str, Any]

NUMBERS: tuple[float | None, ...] = (
    None, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1.5, 3.0, 0.1, 1e-9, 5e-324, -2.2250738585072014e-308, 709.0, 1e16, -1e16,
    9007199254740992.0, 1e300, 1.7976931348623157e308, -1.7976931348623157e308, math.inf, -math.inf, math.nan,
)  # fmt: skip
"""What a column of the kernel may hold."""
FIELDS = tuple(x for x in NUMBERS if x is None or (math.isfinite(x) and math.copysign(1, x) + x != -1))
"""What a field of an event may hold: finite numbers, and zero without a sign."""
WHOLE: tuple[int | None, ...] = (
    None, 0, 1, -1, 2**31 - 1, -(2**31), 2**53, 2**53 + 1, 2**63 - 513, 2**63 - 1, -(2**63),
)  # fmt: skip
TEXTS: tuple[str | None, ...] = (
    None, "", " ", "a", "a ", "A", "Z", "z", "ä", "é", "e\u0301", "漢字", "\ufffd", "😀", "it's", "two\nlines", "a\\b",
)  # fmt: skip
TRUTH: tuple[bool | None, ...] = (None, False, True)

NAMES: dict[str, tuple[ValueType, str]] = {
    "x": ("double", "DOUBLE"), "y": ("double", "DOUBLE"), "u": ("double", "DOUBLE"),
    "n": ("double", "BIGINT"), "m": ("double", "BIGINT"),
    "s": ("string", "VARCHAR"), "t": ("string", "VARCHAR"), "b": ("bool", "BOOLEAN"), "c": ("bool", "BOOLEAN"),
}  # fmt: skip
"""What the expressions read: their type there, and in the engines."""


def columns() -> dict[str, Column]:
    """Return the names as a view has them: every number is a double."""
    found = {}
    for name, (kind, declared) in NAMES.items():
        plain: dict[Dialect, str] = {"flink": f"`{name}`", "duckdb": f'"{name}"'}
        sql = {d: f"CAST({text} AS DOUBLE)" for d, text in plain.items()} if declared == "BIGINT" else plain
        found[name] = Column(kind, sql, is_plain=name not in "xy")
    return found


def rows() -> list[dict[str, Any]]:
    """Return rows with every pair of numbers, and with every pair of texts and of truth values."""
    pairs = [itertools.cycle(itertools.product(of, of)) for of in (WHOLE, TEXTS, TRUTH)]
    fields = itertools.cycle(FIELDS)
    found = []
    for x, y in itertools.product(NUMBERS, NUMBERS):
        (n, m), (s, t), (b, c) = (next(pair) for pair in pairs)
        found.append({"x": x, "y": y, "u": next(fields), "n": n, "m": m, "s": s, "t": t, "b": b, "c": c})
    return found


# The definitions. Every number is a double; None is null.


def stored(value: Any) -> Any:
    """Return a value as it is stored: what is not finite is null, minus zero is zero."""
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else None
    return value


def _of_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function for values that may be null: null where one of them is."""
    return lambda *values: None if any(value is None for value in values) else function(*values)


def _of_finite(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function for values that are compared: what is not finite is null."""
    return lambda *values: _of_values(function)(*map(stored, values))


def _ieee_product(x: float, y: float) -> float:
    return x * y


def _power_of_e(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _quotient(x: float, y: float) -> float | None:
    return None if y == 0 else x / y


_add, _sub = _of_values(lambda x, y: x + y), _of_values(lambda x, y: x - y)
_mul, _div, _neg = _of_values(_ieee_product), _of_values(_quotient), _of_values(lambda x: -x)
_eq, _ne = _of_finite(lambda x, y: x == y), _of_finite(lambda x, y: x != y)
_lt, _le = _of_finite(lambda x, y: x < y), _of_finite(lambda x, y: x <= y)
_gt, _ge = _of_finite(lambda x, y: x > y), _of_finite(lambda x, y: x >= y)
_not = _of_values(lambda b: not b)
_least, _greatest = _of_finite(min), _of_finite(max)
_abs, _exp = _of_values(abs), _of_values(_power_of_e)
_ceil = _of_values(lambda x: float(math.ceil(x)) if math.isfinite(x) else x)
_floor = _of_values(lambda x: float(math.floor(x)) if math.isfinite(x) else x)
_sqrt = _of_finite(lambda x: math.sqrt(x) if x >= 0 else None)
_ln = _of_finite(lambda x: math.log(x) if x > 0 else None)


def _and(*values: bool | None) -> bool | None:
    return False if any(value is False for value in values) else None if None in values else True


def _or(*values: bool | None) -> bool | None:
    return True if any(value is True for value in values) else None if None in values else False


def _in(value: Any, *choices: Any) -> bool | None:
    return _or(*(_eq(value, choice) for choice in choices))


def _between(value: Any, low: Any, high: Any) -> bool | None:
    return _and(_ge(value, low), _le(value, high))


def _coalesce(*values: Any) -> Any:
    return next((value for value in map(stored, values) if value is not None), None)


def _nullif(value: Any, other: Any) -> Any:
    return None if _eq(value, other) else stored(value)


def _number(value: int | None) -> float | None:
    return None if value is None else float(value)


class Case(NamedTuple):
    """An expression and what it means.

    Attributes:
        sql: The expression.
        meaning: Its value for a row, before it is stored.
        ulps: How many units in the last place an engine may be off.
    """

    sql: str
    meaning: Callable[[Row], Any]
    ulps: int = 0


_HUGE = 1.7976931348623157e308

CASES: dict[str, list[Case]] = {
    "+": [
        Case("x + y", lambda r: _add(r["x"], r["y"])),
        Case("n + m", lambda r: _add(_number(r["n"]), _number(r["m"]))),
        Case("x + 1.7976931348623157e308", lambda r: _add(r["x"], _HUGE)),
        Case("x + null", lambda r: None),
    ],
    "-": [
        Case("x - y", lambda r: _sub(r["x"], r["y"])),
        Case("n - 1", lambda r: _sub(_number(r["n"]), 1.0)),
    ],
    "*": [
        Case("x * y", lambda r: _mul(r["x"], r["y"])),
        Case("n * m", lambda r: _mul(_number(r["n"]), _number(r["m"]))),
        Case("x * y * 1e308 * 0", lambda r: _mul(_mul(_mul(r["x"], r["y"]), 1e308), 0.0)),
    ],
    "/": [
        Case("x / y", lambda r: _div(r["x"], r["y"])),
        Case("n / m", lambda r: _div(_number(r["n"]), _number(r["m"]))),
        Case("n / 2", lambda r: _div(_number(r["n"]), 2.0)),
        Case("1 / (x * 1e308)", lambda r: _div(1.0, _mul(r["x"], 1e308))),
        Case("1 / -x", lambda r: _div(1.0, _neg(r["x"]))),
    ],
    "negative": [
        Case("-x", lambda r: _neg(r["x"])),
        Case("-n", lambda r: _neg(_number(r["n"]))),
        Case("- - x", lambda r: r["x"]),
        Case("x * -0.0", lambda r: _mul(r["x"], -0.0)),
    ],
    "=": [
        Case("x = y", lambda r: _eq(r["x"], r["y"])),
        Case("-x = x", lambda r: _eq(_neg(r["x"]), r["x"])),
        Case("n = m", lambda r: _eq(_number(r["n"]), _number(r["m"]))),
        Case("s = t", lambda r: _eq(r["s"], r["t"])),
        Case("s = 'a '", lambda r: _eq(r["s"], "a ")),
        Case("s = '😀'", lambda r: _eq(r["s"], "😀")),
        Case("case when b then 'a' else 'a ' end = 'a'", lambda r: bool(r["b"])),
        Case("'a' = 'a '", lambda r: False),
        Case("s = 'a\\b'", lambda r: _eq(r["s"], "a\\b")),
        Case("b = c", lambda r: _eq(r["b"], r["c"])),
        Case("b = true", lambda r: _eq(r["b"], True)),
        Case("x = null", lambda r: None),
        Case("x * y = x * y", lambda r: _eq(_mul(r["x"], r["y"]), _mul(r["x"], r["y"]))),
        Case("x * y - x * y = 0", lambda r: _eq(_sub(_mul(r["x"], r["y"]), _mul(r["x"], r["y"])), 0.0)),
    ],
    "<>": [
        Case("x <> y", lambda r: _ne(r["x"], r["y"])),
        Case("s != t", lambda r: _ne(r["s"], r["t"])),
        Case("s <> 'it''s'", lambda r: _ne(r["s"], "it's")),
        Case("b <> c", lambda r: _ne(r["b"], r["c"])),
        Case("x * y <> x + y", lambda r: _ne(_mul(r["x"], r["y"]), _add(r["x"], r["y"]))),
    ],
    "<": [
        Case("x < y", lambda r: _lt(r["x"], r["y"])),
        Case("n < m", lambda r: _lt(_number(r["n"]), _number(r["m"]))),
        Case("s < t", lambda r: _lt(r["s"], r["t"])),
        Case("s < 'é'", lambda r: _lt(r["s"], "é")),
        Case("x * y - x * y < 1", lambda r: _lt(_sub(_mul(r["x"], r["y"]), _mul(r["x"], r["y"])), 1.0)),
    ],
    "<=": [
        Case("x <= y", lambda r: _le(r["x"], r["y"])),
        Case("s <= t", lambda r: _le(r["s"], r["t"])),
        Case("5e-324 <= x", lambda r: _le(5e-324, r["x"])),
    ],
    ">": [
        Case("x > y", lambda r: _gt(r["x"], r["y"])),
        Case("s > t", lambda r: _gt(r["s"], r["t"])),
        Case("s > ''", lambda r: _gt(r["s"], "")),
        Case("x * y > 1", lambda r: _gt(_mul(r["x"], r["y"]), 1.0)),
        Case("1e308 * 10 > x", lambda r: None),
        Case("n > 9007199254740992", lambda r: _gt(_number(r["n"]), float(2**53))),
    ],
    ">=": [
        Case("x >= y", lambda r: _ge(r["x"], r["y"])),
        Case("s >= t", lambda r: _ge(r["s"], r["t"])),
        Case("x * y - x * y >= 0", lambda r: _ge(_sub(_mul(r["x"], r["y"]), _mul(r["x"], r["y"])), 0.0)),
    ],
    "between": [
        Case("x between y and 1", lambda r: _between(r["x"], r["y"], 1.0)),
        Case("x between 2 and 1", lambda r: _between(r["x"], 2.0, 1.0)),
        Case("x not between -1 and y", lambda r: _not(_between(r["x"], -1.0, r["y"]))),
        Case("s between '' and t", lambda r: _between(r["s"], "", r["t"])),
        Case("s between 'a' and '漢字'", lambda r: _between(r["s"], "a", "漢字")),
        Case("u between -1 and 1", lambda r: _between(r["u"], -1.0, 1.0)),
        Case("s not between 'a' and 'z'", lambda r: _not(_between(r["s"], "a", "z"))),
        Case("x * y between 0 and 1e308", lambda r: _between(_mul(r["x"], r["y"]), 0.0, 1e308)),
    ],
    "in": [
        Case("x in (0, 1)", lambda r: _in(r["x"], 0.0, 1.0)),
        Case("x in (0, 1, 2, 3, 4, 5, 1e16)", lambda r: _in(r["x"], 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 1e16)),
        Case("-x in (0, 1, 2, 3, 4, 5, 1e16)", lambda r: _in(_neg(r["x"]), 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 1e16)),
        Case("x not in (0, -1, 2, 3, 4, 5)", lambda r: _not(_in(r["x"], 0.0, -1.0, 2.0, 3.0, 4.0, 5.0))),
        Case("x in (y, 1, null)", lambda r: _in(r["x"], r["y"], 1.0, None)),
        Case("s in ('', 'a', 'ä', '😀', 'it''s', 'z')", lambda r: _in(r["s"], "", "a", "ä", "😀", "it's", "z")),
        Case("u in (0, 1, 2, 3, 4, 5)", lambda r: _in(r["u"], 0.0, 1.0, 2.0, 3.0, 4.0, 5.0)),
        Case("u * -1 in (0, 1, 2, 3, 4, 5)", lambda r: _in(_mul(r["u"], -1.0), 0.0, 1.0, 2.0, 3.0, 4.0, 5.0)),
        Case("ceil(u) in (0, 1, 2, 3, 4, 5)", lambda r: _in(_ceil(r["u"]), 0.0, 1.0, 2.0, 3.0, 4.0, 5.0)),
        Case("s in ('\ufffd', '😀', 'a')", lambda r: _in(r["s"], "\ufffd", "😀", "a")),
        Case("s not in (t, 'a')", lambda r: _not(_in(r["s"], r["t"], "a"))),
        Case("b in (c, false)", lambda r: _in(r["b"], r["c"], False)),
        Case("x * y in (x, y)", lambda r: _in(_mul(r["x"], r["y"]), r["x"], r["y"])),
    ],
    "and": [
        Case("b and c", lambda r: _and(r["b"], r["c"])),
        Case("b and null", lambda r: _and(r["b"], None)),
        Case("x > 0 and y > 0 and b", lambda r: _and(_gt(r["x"], 0.0), _gt(r["y"], 0.0), r["b"])),
    ],
    "or": [
        Case("b or c", lambda r: _or(r["b"], r["c"])),
        Case("null or c", lambda r: _or(None, r["c"])),
        Case("x < 0 or x > 0", lambda r: _or(_lt(r["x"], 0.0), _gt(r["x"], 0.0))),
        Case("x = 0 or x = 1 or x = 3", lambda r: _in(r["x"], 0.0, 1.0, 3.0)),
        Case("s = '😀' or s < '漢' or s = 'z'", lambda r: _or(_eq(r["s"], "😀"), _lt(r["s"], "漢"), _eq(r["s"], "z"))),
    ],
    "not": [
        Case("not b", lambda r: _not(r["b"])),
        Case("not (x < y)", lambda r: _not(_lt(r["x"], r["y"]))),
        Case("not (x * y - x * y < 1)", lambda r: _not(_lt(_sub(_mul(r["x"], r["y"]), _mul(r["x"], r["y"])), 1.0))),
    ],
    "is null": [
        Case("x is null", lambda r: stored(r["x"]) is None),
        Case("u is null", lambda r: r["u"] is None),
        Case("s is not null", lambda r: r["s"] is not None),
        Case("b is null", lambda r: r["b"] is None),
        Case("x / y is null", lambda r: stored(_div(r["x"], r["y"])) is None),
        Case("x * y is not null", lambda r: stored(_mul(r["x"], r["y"])) is not None),
        Case("sqrt(x * y - x * y) is null", lambda r: stored(_sub(_mul(r["x"], r["y"]), _mul(r["x"], r["y"]))) is None),
        Case("(x > y) is null", lambda r: _gt(r["x"], r["y"]) is None),
    ],
    "case": [
        Case("case when b then x else y end", lambda r: r["x"] if r["b"] else r["y"]),
        Case("case when x > y then 'x' when b then s end",
             lambda r: "x" if _gt(r["x"], r["y"]) else r["s"] if r["b"] else None),
        Case("case when b then 'short' else 'a longer one' end", lambda r: "short" if r["b"] else "a longer one"),
        Case("case when null then 1 else x end", lambda r: r["x"]),
        Case("case when b then c else not c end", lambda r: r["c"] if r["b"] else _not(r["c"])),
        Case("case when b then x * y else 0 end + 1", lambda r: _add(_mul(r["x"], r["y"]) if r["b"] else 0.0, 1.0)),
        Case("case when b then x * y else 0 end > 1", lambda r: _gt(_mul(r["x"], r["y"]) if r["b"] else 0.0, 1.0)),
    ],
    "abs": [
        Case("abs(x)", lambda r: _abs(r["x"])),
        Case("abs(n)", lambda r: _abs(_number(r["n"]))),
        Case("abs(x * y) > 1", lambda r: _gt(_abs(_mul(r["x"], r["y"])), 1.0)),
    ],
    "ceil": [Case("ceil(x)", lambda r: _ceil(r["x"])), Case("ceil(n)", lambda r: _ceil(_number(r["n"])))],
    "coalesce": [
        Case("coalesce(x, y)", lambda r: _coalesce(r["x"], r["y"])),
        Case("coalesce(x, n, 7)", lambda r: _coalesce(r["x"], _number(r["n"]), 7.0)),
        Case("coalesce(null, x)", lambda r: _coalesce(r["x"])),
        Case("coalesce(s, t, 'none')", lambda r: _coalesce(r["s"], r["t"], "none")),
        Case("coalesce(b, false)", lambda r: _coalesce(r["b"], False)),
        Case("coalesce(x * y, x / y, 1)", lambda r: _coalesce(_mul(r["x"], r["y"]), _div(r["x"], r["y"]), 1.0)),
    ],
    "exp": [
        Case("exp(x)", lambda r: _exp(r["x"]), ulps=2),
        Case("exp(x) > 0", lambda r: _gt(_exp(r["x"]), 0.0)),
    ],
    "floor": [
        Case("floor(x)", lambda r: _floor(r["x"])),
        Case("floor(-x / 3)", lambda r: _floor(_div(_neg(r["x"]), 3.0))),
    ],
    "greatest": [
        Case("greatest(x, y)", lambda r: _greatest(r["x"], r["y"])),
        Case("greatest(x, y, n)", lambda r: _greatest(r["x"], r["y"], _number(r["n"]))),
        Case("greatest(x * y, 0)", lambda r: _greatest(_mul(r["x"], r["y"]), 0.0)),
    ],
    "least": [
        Case("least(x, y)", lambda r: _least(r["x"], r["y"])),
        Case("least(x, y, n)", lambda r: _least(r["x"], r["y"], _number(r["n"]))),
        Case("least(x * y - x * y, 1)", lambda r: _least(_sub(_mul(r["x"], r["y"]), _mul(r["x"], r["y"])), 1.0)),
    ],
    "ln": [
        Case("ln(x)", lambda r: _ln(r["x"]), ulps=2),
        Case("ln(n)", lambda r: _ln(_number(r["n"])), ulps=2),
        Case("ln(x * y) is null", lambda r: _ln(_mul(r["x"], r["y"])) is None),
    ],
    "nullif": [
        Case("nullif(x, y)", lambda r: _nullif(r["x"], r["y"])),
        Case("nullif(-x, 0)", lambda r: _nullif(_neg(r["x"]), 0.0)),
        Case("nullif(s, '')", lambda r: _nullif(r["s"], "")),
        Case("nullif(b, c)", lambda r: _nullif(r["b"], r["c"])),
        Case("nullif(x * y, x)", lambda r: _nullif(_mul(r["x"], r["y"]), r["x"])),
    ],
    "sqrt": [
        Case("sqrt(x)", lambda r: _sqrt(r["x"])),
        Case("sqrt(n)", lambda r: _sqrt(_number(r["n"]))),
        Case("sqrt(x * y)", lambda r: _sqrt(_mul(r["x"], r["y"]))),
    ],
}  # fmt: skip


def all_cases() -> list[Case]:
    """Return the cases of all operations."""
    return [case for cases in CASES.values() for case in cases]


def differences(case: Case, given: list[dict[str, Any]], got: list[Any]) -> list[str]:
    """Return where the stored values of an engine are not those of the definition, bit for bit."""
    found = []
    for row, value in zip(given, got, strict=True):
        wanted, value = stored(case.meaning(row)), stored(value)
        if type(value) is not type(wanted) or not _same(value, wanted, case.ulps):
            read = {name: row[name] for name in NAMES if _reads(case.sql, name)}
            found.append(f"{case.sql} of {read}: {value!r}, expected {wanted!r}")
    return found


def _reads(sql: str, name: str) -> bool:
    return name in "".join(letter if letter.isalpha() else " " for letter in sql).split()


def _same(value: Any, wanted: Any, ulps: int) -> bool:
    if isinstance(wanted, float):
        return abs(_bits(value) - _bits(wanted)) <= ulps
    return bool(value == wanted)


def _bits(value: float) -> int:
    """Return the number of a double among all: neighbours differ by one."""
    bits: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)
