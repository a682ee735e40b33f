"""The entries under `features` of a view, and what they are made of: frozen, checked for form."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import pydantic
from headrace_ingestion.contract import Name
from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.durations import Duration, duration_ms, parse_duration
from headrace_ingestion.errors import closest
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

STATISTICS = (
    "count", "sum", "mean", "std", "min", "max", "range", "first", "last", "distinct", "median", "skew", "slope",
    "ewma",
)  # fmt: skip
"""What a window may take by name; besides, `p95` and `p99.9` are quantiles in percent."""

CALENDAR_PARTS = ("minute_of_day", "hour", "day_of_week", "day", "week", "day_of_year", "month", "quarter")
"""Parts of the event's own time: Monday, January and the first quarter are 1, weeks are those of ISO 8601."""

CalendarPart = Literal["minute_of_day", "hour", "day_of_week", "day", "week", "day_of_year", "month", "quarter"]
LagTake = Literal["value", "difference", "ratio"]
OutlierPolicy = Literal["flag", "cap", "log"]

_QUANTILE = re.compile(r"p(\d{1,2})(?:\.(\d{1,4}))?", re.ASCII)
_ROWS = re.compile(r"([1-9]\d{0,5}) rows?", re.ASCII)


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


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
    return [statistic for part in _listed(value) for statistic in _statistic(part)]


def _statistic(part: object) -> list[str]:
    """Return a statistic, or those that `{quantile: [0.5, 0.95]}` means."""
    if isinstance(part, dict) and set(part) == {"quantile"}:
        return [_percent(quantile) for quantile in _listed(part["quantile"])]
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
    if not re.fullmatch(r"0\.\d{1,6}", text, re.ASCII) or not int(digits):
        raise DeclarationProblem(
            f"{text} is not a quantile", {"expected": "a number between 0 and 1, such as 0.95"}, "quantile: [0.5, 0.95]"
        )
    digits = digits.ljust(2, "0")
    decimals = digits[2:].rstrip("0")
    return f"p{int(digits[:2])}" + (f".{decimals}" if decimals else "")


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list), pydantic.Field(min_length=1)]
Steps = Annotated[tuple[Annotated[int, pydantic.Field(ge=1, le=10_000)], ...], BeforeValidator(_as_list)]


class Over(BaseModel):
    """The extent of a window: a length of time or a number of rows, and the text that names it in columns.

    Attributes:
        text: As it was declared, such as `24h` or `50 rows`.
        length_ms: Length in milliseconds; 0 for a window of rows.
        rows: Number of rows; 0 for a window of time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    length_ms: int
    rows: int

    @property
    def suffix(self) -> str:
        """Return the text as it stands in the name of a column: `24h`, `50_rows`."""
        return self.text.replace(" ", "_")

    @classmethod
    def parse(cls, text: object) -> Over:
        """Return the extent that `text` says.

        Raises:
            DeclarationProblem: It is neither a length of time above zero nor a number of rows.
        """
        rows = _ROWS.fullmatch(str(text))
        if rows:
            return cls(text=f"{rows[1]} rows", length_ms=0, rows=int(rows[1]))
        try:
            length_ms = duration_ms(parse_duration(str(text)))
        except DeclarationProblem:
            length_ms = 0
        if length_ms <= 0:
            raise DeclarationProblem(
                f"{text!r} is not the extent of a window",
                {"expected": "a length of time above zero in ms, s, m, h or d, or a number of rows up to 999999"},
                "over: [5m, 24h, 50 rows]",
            )
        return cls(text=str(text), length_ms=length_ms, rows=0)


def _overs(value: object) -> object:
    return [part if isinstance(part, Over) else Over.parse(part) for part in _listed(value)]


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _spans(value: object) -> object:
    return [part if isinstance(part, Over) else _span(str(part)) for part in _listed(value)]


def _span(text: str) -> Over:
    if _ROWS.fullmatch(text):
        raise DeclarationProblem("'ago' is a length of time, not a number of rows", {}, "steps: [1], or ago: 24h")
    length_ms = duration_ms(parse_duration(text))
    if length_ms == 0:
        raise DeclarationProblem("'ago' is a length of time above zero", {}, "ago: [1h, 24h]")
    return Over(text=text, length_ms=length_ms, rows=0)


Overs = Annotated[tuple[Over, ...], BeforeValidator(_overs), pydantic.Field(min_length=1)]


class Entry(BaseModel):
    """A mapping of a declaration: frozen, without further keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _existing_zone(zone: str) -> str:
    # Names without a continent are those of old, which Java does not know.
    zones = {name for name in available_timezones() if "/" in name} | {"UTC"}
    if zone not in zones:
        raise DeclarationProblem(
            f"{zone!r} is not a time zone",
            {"expected": "a name of the IANA database"},
            closest(zone, zones) or "UTC",
        )
    return ZoneInfo(zone).key


Zone = Annotated[str, AfterValidator(_existing_zone)]


def _place(value: object) -> object:
    names = _listed(value)
    if len(names) != 2:
        raise DeclarationProblem(
            f"{value!r} is not a place", {"expected": "names of a latitude and a longitude, in degrees"}, "[lat, lon]"
        )
    return names


Place = Annotated[tuple[str, str], BeforeValidator(_place)]
"""Latitude and longitude in degrees: names of two values of the event."""


class Filtered(Entry):
    """An entry whose history may be a part of the events.

    Attributes:
        where: SQL over the event's values; only events for which it is true count. The row is emitted all the same.
        suffix: Ends the names of the columns, after `_where_`; by default `where` itself where that is a name.
    """

    where: str | None = None
    suffix: Name | None = None

    @model_validator(mode="after")
    def _suffix_has_a_filter(self) -> Self:
        if self.suffix is not None and self.where is None:
            raise DeclarationProblem(
                "'suffix' names a filter, and there is none",
                {"suffix": self.suffix},
                "where: <condition>, or remove suffix",
            )
        return self


class Lag(Filtered):
    """Values some events or some time before: `duration_s_lag_1`, `duration_s_lag_24h`.

    Attributes:
        of: Values of the event.
        steps: How many events before.
        ago: How long before, by the clock: the last event at or before that instant.
        take: The value; its difference to the present one, `duration_s_minus_lag_1`; the present one divided by it,
            `duration_s_per_lag_1`.
    """

    model_config = ConfigDict(title="lag")

    of: Names
    steps: Steps = ()
    ago: Annotated[tuple[Over, ...], BeforeValidator(_spans)] = ()
    take: Annotated[tuple[LagTake, ...], BeforeValidator(_as_list), pydantic.Field(min_length=1)] = ("value",)

    @model_validator(mode="after")
    def _looks_somewhere(self) -> Lag:
        if not self.steps and not self.ago:
            raise DeclarationProblem("a lag has neither 'steps' nor 'ago'", {"of": ", ".join(self.of)}, "steps: [1]")
        return self


class Window(Filtered):
    """Statistics of rolling windows: one column a value, statistic and extent, `duration_s_sum_1h`.

    With `exclude_current` the event itself does not count, and the column's name ends in `_before`. `half_life` is that
    of the weights of `ewma`.
    """

    model_config = ConfigDict(title="window")

    of: Names
    over: Overs
    take: Annotated[tuple[str, ...], BeforeValidator(_statistics), pydantic.Field(min_length=1)]
    exclude_current: bool = False
    half_life: Duration | None = None

    @model_validator(mode="after")
    def _half_life_fits(self) -> Window:
        if ("ewma" in self.take) != (self.half_life is not None):
            raise DeclarationProblem(
                "'ewma' and 'half_life' go together",
                {"take": ", ".join(self.take)},
                "half_life: 10m" if self.half_life is None else "take: ewma, or remove half_life",
            )
        return self


class Ratio(Filtered):
    """A statistic of a short window divided by that of a long one: `duration_s_mean_1h_per_24h`."""

    model_config = ConfigDict(title="ratio")

    of: Names
    take: Annotated[tuple[str, ...], BeforeValidator(_statistics), pydantic.Field(min_length=1)]
    over: Overs
    per: Overs

    @model_validator(mode="after")
    def _short_against_long(self) -> Ratio:
        for over in self.over:
            for per in self.per:
                alike = bool(over.rows) == bool(per.rows)
                if alike and (over.rows, over.length_ms) >= (per.rows, per.length_ms):
                    raise DeclarationProblem(
                        f"a ratio has {over.text} over {per.text}",
                        {"expected": "a shorter window over a longer one"},
                        f"over: {per.text}, per: {over.text}" if over != per else "per: a longer window",
                    )
        return self


class _OverValues(Filtered):
    """An entry about values in windows before the event.

    Attributes:
        of: Values of the event.
        over: Extents of the windows.
    """

    of: Names
    over: Overs


class ZScore(_OverValues):
    """How many deviations the event lies from the mean of the values before it: `duration_s_zscore_24h`."""

    model_config = ConfigDict(title="zscore")


class Fences(_OverValues):
    """Tukey's fences of the values before the event: `duration_s_fence_low_24h`, `duration_s_fence_high_24h`.

    Attributes:
        k: How many interquartile ranges they lie outside the quartiles.
    """

    model_config = ConfigDict(title="fences")

    k: Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)] = 1.5


class Outlier(Fences):
    """What is done about values outside Tukey's fences; rows are never deleted.

    Attributes:
        policy: `flag`: whether it lies outside, `duration_s_outlier_24h`; `cap`: the value, brought to the nearer
            fence, `duration_s_capped_24h`; `log`: sign(x)·ln(1 + |x|), `duration_s_log`, whatever the fences.
    """

    model_config = ConfigDict(title="outlier")

    policy: Annotated[tuple[OutlierPolicy, ...], BeforeValidator(_as_list), pydantic.Field(min_length=1)]
    over: Annotated[tuple[Over, ...], BeforeValidator(_overs)] = ()

    @model_validator(mode="after")
    def _has_a_window(self) -> Outlier:
        if not self.over and set(self.policy) != {"log"}:
            raise DeclarationProblem(
                "an outlier has no window to judge by", {"policy": ", ".join(self.policy)}, "over: 24h"
            )
        return self


class Rarity(_OverValues):
    """The share of the values before the event that equal its own: `country_rarity_24h`."""

    model_config = ConfigDict(title="rarity")


class Baseline(_OverValues):
    """The value less the mean of those before it in the same hour of the week: `duration_s_baseline_28d`."""

    model_config = ConfigDict(title="baseline")

    zone: Zone = "UTC"


class SinceLast(Filtered):
    """Seconds of the key's clock since its event before: `since_last_seconds`."""

    model_config = ConfigDict(title="since_last")


class Calendar(Entry):
    """Parts of the event's own time: `hour`, `day_of_week`; with `cyclic` also `hour_sin` and `hour_cos`."""

    model_config = ConfigDict(title="calendar")

    take: Annotated[tuple[CalendarPart, ...], BeforeValidator(_as_list), pydantic.Field(min_length=1)]
    zone: Zone = "UTC"
    cyclic: bool = False


class Distance(Entry):
    """Kilometres between two places of the event, along the great circle: `<name>`."""

    model_config = ConfigDict(title="distance", populate_by_name=True)

    name: Name
    from_: Place = pydantic.Field(alias="from")
    to: Place


class Travel(Entry):
    """Kilometres from the place of the event before, and the speed that takes: `travel_km`, `travel_km_per_hour`."""

    model_config = ConfigDict(title="travel")

    place: Place
    name: Name = "travel"


class Expression(Entry):
    """One column computed from the event's values and the other features, by an SQL expression of the stated subset."""

    model_config = ConfigDict(title="expression")

    name: Name
    sql: str


Part = (
    Lag | Window | Ratio | ZScore | Fences | Outlier | Rarity | Baseline | SinceLast | Calendar | Distance | Travel
    | Expression
)  # fmt: skip
"""One entry."""
