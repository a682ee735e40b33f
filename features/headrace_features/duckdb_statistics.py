"""One column of the kernel → its SQL over the named windows; and how far another engine's value may lie from it."""

from __future__ import annotations

from collections.abc import Callable

from headrace_features.duckdb_text import quoted
from headrace_features.duckdb_windows import (
    HISTORY,
    IN_ORDER,
    among_equals,
    condition,
    hour_of_week,
    lane_row,
    local_time,
    window_name,
)
from headrace_features.kinds import cyclic_period
from headrace_features.view import ColumnType, KernelFeature

SQL_TYPES: dict[ColumnType, str] = {
    "double": "DOUBLE", "long": "BIGINT", "int": "INTEGER", "string": "VARCHAR", "bool": "BOOLEAN",
}  # fmt: skip

TOLERANCE = "1e-9"
"""Rule 11: relative to the values that went in."""

_SMALLEST = "CAST('4.9406564584124654e-324' AS DOUBLE)"
_INFINITE = "CAST('inf' AS DOUBLE)"
# Two sums of squares may part where squares underflow, by no more than this in their root.
_UNDERFLOW = "1e-160"
# From here on sums of squares overflow, in one engine before the other; cubes sooner.
_LARGEST_SQUARED = "1e150"
_LARGEST_CUBED = "1e100"
_DAY_MS = 86_400_000
_CLOCK, _ROW = '"_clock_ms"', '"_row"'
_EARTH_RADIUS_KM = "6371.0088e0"
# Sines of two mathematical libraries; a metre, which is what opposite ends of the earth leave of a double.
_ANGLE_BOUND, _KM_BOUND = "1e-12", "1e-3"


def kernel_sql(feature: KernelFeature) -> str:
    """Return the value of the column; numbers that are not finite are still in it."""
    return _VALUES[feature.operation](_Parts(feature))


def bound_sql(feature: KernelFeature) -> str | None:
    """Return how far another engine's value may lie from this one, or None when it must be equal bit for bit."""
    bound = _BOUNDS.get(feature.operation)
    return bound(_Parts(feature)) if bound else None


class _Parts:
    """The SQL that the values of a feature are made of."""

    def __init__(self, feature: KernelFeature) -> None:
        self.feature = feature
        self.value = quoted(f"_in_{feature.of}")
        self.number = f"CAST({self.value} AS DOUBLE)"
        self.type = SQL_TYPES[feature.type]
        self._window = quoted(window_name(feature))
        where = condition(feature)
        self.filter = f" FILTER (WHERE {where})" if where else ""
        self.given = f" FILTER (WHERE {self.value} IS NOT NULL{f' AND {where}' if where else ''})"

    def over(self, function: str, *, given: bool = False, window: str | None = None) -> str:
        """Return an aggregate of the events that count in the window; `given`: of those with a value."""
        return f"{function}{self.given if given else self.filter} OVER {window or self._window}"

    @property
    def count(self) -> str:
        return self.over(f"count({self.value})")

    @property
    def extremes(self) -> tuple[str, str]:
        return self.over(f"min({self.value})"), self.over(f"max({self.value})")

    @property
    def largest(self) -> str:
        return self.over(f"max(abs({self.number}))")

    def listed(self, body: str) -> str:
        """Return a lambda's value for the window: `v` holds its numbers and `t` their clocks, oldest first."""
        values = self.over(f"list({self.number})", given=True)
        clocks = self.over(f"list({_CLOCK})", given=True)
        return f"list_transform([struct_pack(v := {values}, t := {clocks})], lambda w: {body})[1]"


# Statistics of windows.


def _std(p: _Parts) -> str:
    least, most = p.extremes
    # Zero if and only if all values are equal: rounding decides neither way.
    return (
        f"CASE WHEN {least} = {most} THEN 0e0 WHEN {least} < {most}"
        f" THEN greatest({p.over(f'stddev_pop({p.number})')}, {_SMALLEST}) END"
    )


def _range(p: _Parts) -> str:
    least, most = p.extremes
    return f"CAST({most} AS DOUBLE) - CAST({least} AS DOUBLE)"


def _quantile(p: _Parts) -> str:
    numerator, denominator = p.feature.quantile
    values = f"list_sort({p.over(f'list({p.number})', given=True)})"
    place = f"(len(v) - 1) * {numerator}"
    low = f"v[{place} // {denominator} + 1]"
    high = f"v[{place} // {denominator} + 2]"
    share = f"(({place} % {denominator}) / {denominator}e0)"
    between = f"CASE WHEN {place} % {denominator} = 0 THEN {low} ELSE {low} + ({high} - {low}) * {share} END"
    return f"list_transform([{values}], lambda v: {between})[1]"


def _skew(p: _Parts) -> str:
    least, most = p.extremes
    deviation = "list_transform(w.v, lambda x: x - list_sum(w.v) / len(w.v))"
    moment = "list_sum(list_transform({d}, lambda x: {power})) / len(w.v)"
    squares = moment.format(d=deviation, power="x * x")
    cubes = moment.format(d=deviation, power="x * x * x")
    value = p.listed(f"{cubes} / ({squares} * sqrt({squares}))")
    return f"CASE WHEN {p.count} >= 3 AND {least} < {most} THEN {value} END"


def _slope(p: _Parts) -> str:
    seconds = "list_transform(w.t, lambda x: (x - w.t[1]) / 1e3)"
    pairs = f"list_zip({seconds}, w.v)"
    time_mean, mean = f"(list_sum({seconds}) / len(w.v))", "(list_sum(w.v) / len(w.v))"
    products = f"list_sum(list_transform({pairs}, lambda x: (x[1] - {time_mean}) * (x[2] - {mean})))"
    squares = f"list_sum(list_transform({seconds}, lambda x: (x - {time_mean}) * (x - {time_mean})))"
    value = p.listed(f"{products} / NULLIF({squares}, 0e0)")
    first, last = (p.over(f"{end}({_CLOCK})", given=True) for end in ("min", "max"))
    return f"CASE WHEN {first} < {last} THEN {value} END"


def _ewma(p: _Parts) -> str:
    # Ages count from the newest value; what is common to all weights cancels.
    weights = f"list_transform(w.t, lambda x: pow(2e0, (x - w.t[-1]) / {p.feature.half_life_ms}e0))"
    value = f"list_sum(list_transform(list_zip({weights}, w.v), lambda x: x[1] * x[2])) / list_sum({weights})"
    return p.listed(value)


def _rarity(p: _Parts) -> str:
    same = p.over(f"count({p.value})", window=among_equals(p.feature, p.value))
    return f"CASE WHEN {p.value} IS NOT NULL AND {p.count} > 0 THEN {same} / CAST({p.count} AS DOUBLE) END"


def _group_mean(p: _Parts) -> str:
    window = among_equals(p.feature, hour_of_week(p.feature.zone))
    return f"{p.over(f'sum({p.number})', window=window)} / {p.over(f'count({p.value})', window=window)}"


# Lags.


def _lag(p: _Parts) -> str:
    if p.feature.where is None:
        return f"CAST(lag({p.value}, {p.feature.steps}) OVER {IN_ORDER} AS {p.type})"
    return f"CAST({p.over(f'any_value({p.value})', window=lane_row(p.feature, p.feature.steps))} AS {p.type})"


def _ago(p: _Parts) -> str:
    assert p.feature.ago is not None, p.feature.name
    window = (
        f'({HISTORY} ORDER BY "_clock_ms" RANGE BETWEEN UNBOUNDED PRECEDING AND {p.feature.ago.length_ms} PRECEDING)'
    )
    # The value of the last event, which may be null: hence in a list.
    last = p.over(f"arg_max([{p.value}], {_ROW})", window=window)
    return f"CAST(({last})[1] AS {p.type})"


def _since_last(p: _Parts) -> str:
    if p.feature.where is None:
        return f'("_clock_ms" - lag("_clock_ms") OVER {IN_ORDER}) / 1e3'
    window = f'({HISTORY} ORDER BY "_row" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)'
    return f"({_CLOCK} - {p.over(f'max({_CLOCK})', window=window)}) / 1e3"


# The event's own time and place.


def _calendar(p: _Parts) -> str:
    return _piece(p.feature.piece, p.feature.zone)


def _piece(piece: str, zone: str) -> str:
    if zone == "UTC" and piece == "hour":
        return '"_event_time_ms" // 3600000 % 24'
    if zone == "UTC" and piece == "day_of_week":
        # 1970-01-01 was a Thursday; Monday is 1.
        return f'("_event_time_ms" // {_DAY_MS} + 3) % 7 + 1'
    local = local_time(zone)
    if piece == "minute_of_day":
        return f"date_part('hour', {local}) * 60 + date_part('minute', {local})"
    part = {"day_of_week": "isodow", "day_of_year": "doy"}.get(piece, piece)
    return f"date_part('{part}', {local})"


def _cyclic(wave: str) -> Callable[[_Parts], str]:
    def render(p: _Parts) -> str:
        origin, period = cyclic_period(p.feature.piece)
        return f"{wave}(2e0 * pi() * ({_piece(p.feature.piece, p.feature.zone)} - {origin}) / {period}e0)"

    return render


def _kilometres(latitude: str, longitude: str, to_latitude: str, to_longitude: str) -> str:
    """Return the haversine formula; `Feature.java` has its source."""
    south = f"pow(sin(radians({to_latitude} - {latitude}) / 2e0), 2e0)"
    east = f"pow(sin(radians({to_longitude} - {longitude}) / 2e0), 2e0)"
    a = f"{south} + cos(radians({latitude})) * cos(radians({to_latitude})) * {east}"
    # least() would make a number of a null, and what is not a number is greater than one.
    within = f"CASE WHEN isfinite({a}) THEN CASE WHEN {a} > 1e0 THEN 1e0 ELSE {a} END END"
    return f"2e0 * {_EARTH_RADIUS_KM} * asin(sqrt({within}))"


def _distance(p: _Parts) -> str:
    return _kilometres(*(quoted(f"_in_{name}") for name in p.feature.place))


def _travel(p: _Parts) -> str:
    here = [quoted(f"_in_{name}") for name in p.feature.place]
    return _kilometres(*(f"lag({name}) OVER {IN_ORDER}" for name in here), *here)


_VALUES: dict[str, Callable[[_Parts], str]] = {
    "count": lambda p: p.count,
    "sum": lambda p: f"COALESCE({p.over(f'sum({p.number})')}, 0e0)",
    # As the kernel does it; avg() rounds otherwise.
    "mean": lambda p: f"{p.over(f'sum({p.number})')} / {p.count}",
    "std": _std,
    "min": lambda p: f"CAST({p.extremes[0]} AS {p.type})",
    "max": lambda p: f"CAST({p.extremes[1]} AS {p.type})",
    "range": _range,
    "first": lambda p: f"CAST({p.over(f'arg_min({p.value}, {_ROW})', given=True)} AS {p.type})",
    "last": lambda p: f"CAST({p.over(f'arg_max({p.value}, {_ROW})', given=True)} AS {p.type})",
    "distinct": lambda p: p.over(f"count(DISTINCT {p.value})"),
    "quantile": _quantile,
    "skew": _skew,
    "slope": _slope,
    "ewma": _ewma,
    "rarity": _rarity,
    "group_mean": _group_mean,
    "lag": _lag,
    "ago": _ago,
    "since_last": _since_last,
    "calendar": _calendar,
    "cyclic_sin": _cyclic("sin"),
    "cyclic_cos": _cyclic("cos"),
    "distance": _distance,
    "travel": _travel,
}


# How far values of two engines may lie apart.


def _sum_bound(p: _Parts) -> str:
    return f"{TOLERANCE} * COALESCE({p.over(f'sum(abs({p.number}))')}, 0e0)"


def _mean_bound(p: _Parts) -> str:
    return f"{TOLERANCE} * {p.over(f'sum(abs({p.number}))')} / {p.count}"


def _std_bound(p: _Parts) -> str:
    least, most = p.extremes
    return (
        f"CASE WHEN {least} = {most} THEN 0e0 WHEN {p.largest} > {_LARGEST_SQUARED} THEN {_INFINITE}"
        f" ELSE {TOLERANCE} * {p.largest} + {_UNDERFLOW} END"
    )


def _skew_bound(p: _Parts) -> str:
    # The third moment is known to within the cube of the largest value, relative to that of the deviation.
    share = f"{p.largest} / NULLIF({p.over(f'stddev_pop({p.number})')}, 0e0)"
    cubed = f"COALESCE(pow({share}, 3e0), {_INFINITE})"
    out_of_reach = f"{p.largest} > {_LARGEST_CUBED} OR {p.largest} < 1 / {_LARGEST_CUBED}"
    return f"CASE WHEN {out_of_reach} THEN {_INFINITE} ELSE {TOLERANCE} * {cubed} END"


def _slope_bound(p: _Parts) -> str:
    spread = p.over(f"stddev_pop({_CLOCK} / 1e3)", given=True)
    bound = f"{TOLERANCE} * {p.largest} / NULLIF({spread}, 0e0)"
    return f"CASE WHEN {p.largest} > {_LARGEST_CUBED} THEN {_INFINITE} ELSE {bound} END"


def _group_bound(p: _Parts) -> str:
    window = among_equals(p.feature, hour_of_week(p.feature.zone))
    total = p.over(f"sum(abs({p.number}))", window=window)
    return f"{TOLERANCE} * {total} / {p.over(f'count({p.value})', window=window)}"


_BOUNDS: dict[str, Callable[[_Parts], str]] = {
    "sum": _sum_bound,
    "mean": _mean_bound,
    "std": _std_bound,
    "skew": _skew_bound,
    "slope": _slope_bound,
    "ewma": lambda p: f"CASE WHEN {p.largest} > {_LARGEST_SQUARED} THEN {_INFINITE} ELSE {TOLERANCE} * {p.largest} END",
    "group_mean": _group_bound,
    "cyclic_sin": lambda _: _ANGLE_BOUND,
    "cyclic_cos": lambda _: _ANGLE_BOUND,
    "distance": lambda _: _KM_BOUND,
    "travel": lambda _: _KM_BOUND,
}
