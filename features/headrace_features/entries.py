"""The entries under `features` of a view, and what they are made of: frozen, checked for form."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import pydantic
from headrace_ingestion.contract import Name
from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.durations import Duration, duration_ms
from headrace_ingestion.errors import closest
from headrace_ingestion.listed import OneOrMore, as_list
from headrace_ingestion.schema_rules import GIVEN, NOT_GIVEN, Schema, having, limiting, rules, when
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    model_validator,
)

from headrace_features.extents import TIME_SCHEMA, OptionalOvers, Overs, Spans
from headrace_features.statistics import Statistics

CalendarPart = Literal["minute_of_day", "hour", "day_of_week", "day", "week", "day_of_year", "month", "quarter"]
"""Parts of the event's own time: Monday, January and the first quarter are 1, weeks are those of ISO 8601."""

LagTake = Literal["value", "difference", "ratio"]
OutlierPolicy = Literal["flag", "cap", "log"]

Names = Annotated[tuple[str, ...], pydantic.Field(min_length=1), OneOrMore()]
Steps = Annotated[tuple[Annotated[StrictInt, pydantic.Field(ge=1, le=10_000)], ...], OneOrMore()]


class Entry(BaseModel):
    """A mapping of a declaration: frozen, without further keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@cache
def _zones() -> frozenset[str]:
    # Names without a continent are those of old, which Java does not know.
    return frozenset(name for name in available_timezones() if "/" in name) | {"UTC"}


def _existing_zone(zone: str) -> str:
    if zone not in (zones := _zones()):
        raise DeclarationProblem(
            f"{zone!r} is not a time zone",
            {"expected": "a name of the IANA database"},
            closest(zone, zones) or "UTC",
        )
    return ZoneInfo(zone).key


class _ListsZones:
    """Lists the zones where a JSON Schema is asked for: they are read from the disk."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> Schema:
        return {"enum": sorted(_zones())}


Zone = Annotated[str, AfterValidator(_existing_zone), _ListsZones()]


def _place(value: object) -> object:
    names = as_list(value)
    if len(names) != 2:
        raise DeclarationProblem(
            f"{value!r} is not a place", {"expected": "names of a latitude and a longitude, in degrees"}, "[lat, lon]"
        )
    return names


Place = Annotated[tuple[str, str], BeforeValidator(_place)]
"""Latitude and longitude in degrees: names of two values of the event."""


_NAMED_BY_A_FILTER = when(having(suffix=GIVEN), having(where=GIVEN))
"""What `_suffix_has_a_filter` demands, as JSON Schema."""


class Filtered(Entry):
    """An entry whose history may be a part of the events.

    Attributes:
        where: SQL over the event's values; only events for which it is true count. The row is emitted all the same.
        suffix: Ends the names of the columns, after `_where_`; by default `where` itself where that is a name.
    """

    model_config = ConfigDict(json_schema_extra=rules(_NAMED_BY_A_FILTER))

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


_NOT_EMPTY: Schema = {"not": {"const": []}}


class Lag(Filtered):
    """Values some events or some time before: `duration_s_lag_1`, `duration_s_lag_24h`.

    Attributes:
        of: Values of the event.
        steps: How many events before.
        ago: How long before, by the clock: the last event at or before that instant.
        take: The value; its difference to the present one, `duration_s_minus_lag_1`; the present one divided by it,
            `duration_s_per_lag_1`.
    """

    model_config = ConfigDict(
        title="lag",
        json_schema_extra=rules(_NAMED_BY_A_FILTER, {"anyOf": [having(steps=_NOT_EMPTY), having(ago=_NOT_EMPTY)]}),
    )

    of: Names
    steps: Steps = ()
    ago: Spans = ()
    take: Annotated[tuple[LagTake, ...], pydantic.Field(min_length=1), OneOrMore()] = ("value",)

    @model_validator(mode="after")
    def _looks_somewhere(self) -> Lag:
        if not self.steps and not self.ago:
            raise DeclarationProblem("a lag has neither 'steps' nor 'ago'", {"of": ", ".join(self.of)}, "steps: [1]")
        return self


_OF_PANES = ("count", "sum", "mean", "std", "min", "max", "range")
"""Statistics that follow from those of the parts of a window."""
_TAKES_EWMA = having(take={"anyOf": [{"const": "ewma"}, {"type": "array", "contains": {"const": "ewma"}}]})


class Window(Filtered):
    """Statistics of rolling windows: one column a value, statistic and extent, `duration_s_sum_1h`.

    Attributes:
        of: Values of the event.
        over: Extents of the windows: lengths of time or numbers of rows, such as `24h` or `50 rows`.
        take: Statistics by name, and quantiles: `p95`, or `{quantile: 0.95}`.
        exclude_current: Whether the event itself does not count; the column's name ends in `_before` then.
        half_life: The age at which a value weighs half, for `ewma`.
        resolution: Windows of time hold whole panes of this length, counted from 1970, instead of single events: state
            is bounded by the number of panes, whatever comes.
    """

    model_config = ConfigDict(
        title="window",
        json_schema_extra=rules(
            _NAMED_BY_A_FILTER, when(_TAKES_EWMA, having(half_life=GIVEN), limiting(half_life=NOT_GIVEN))
        ),
    )

    of: Names
    over: Overs
    take: Statistics
    exclude_current: StrictBool = False
    half_life: Duration | None = None
    resolution: Annotated[Duration, WithJsonSchema(TIME_SCHEMA, mode="validation")] | None = None

    @model_validator(mode="after")
    def _resolution_fits(self) -> Window:
        if self.resolution is None:
            return self
        unable = [statistic for statistic in self.take if statistic not in _OF_PANES]
        if unable:
            raise DeclarationProblem(
                f"'resolution' does not go with {unable[0]!r}, which needs every event of its window",
                {"takes": ", ".join(_OF_PANES)},
                f"declare {unable[0]} in a window without resolution",
                ("resolution",),
            )
        for over in self.over:
            if not 0 < duration_ms(self.resolution) < over.length_ms:
                raise DeclarationProblem(
                    f"'resolution' is not shorter than the window of {over.text}",
                    {"expected": "a length of time above zero and below that of the window, which is one of time"},
                    "resolution: 1h with over: 30d",
                    ("resolution",),
                )
        return self

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
    """A statistic of a short window divided by that of a long one: `duration_s_mean_1h_per_24h`.

    Attributes:
        of: Values of the event.
        take: Statistics by name, and quantiles.
        over: Extents of the short windows.
        per: Extents of the long windows.
    """

    model_config = ConfigDict(title="ratio")

    of: Names
    take: Statistics
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

    k: Annotated[float, pydantic.Field(strict=True, gt=0, allow_inf_nan=False)] = 1.5


_BY_FENCES: Schema = {"enum": ["flag", "cap"]}
_JUDGES = having(policy={"anyOf": [_BY_FENCES, {"type": "array", "contains": _BY_FENCES}]})


class Outlier(Fences):
    """What is done about values outside Tukey's fences; rows are never deleted.

    Attributes:
        policy: `flag`: whether it lies outside, `duration_s_outlier_24h`; `cap`: the value, brought to the nearer
            fence, `duration_s_capped_24h`; `log`: sign(x)·ln(1 + |x|), `duration_s_log`, whatever the fences.
    """

    model_config = ConfigDict(
        title="outlier",
        json_schema_extra=rules(_NAMED_BY_A_FILTER, when(_JUDGES, having(over=_NOT_EMPTY))),
    )

    policy: Annotated[tuple[OutlierPolicy, ...], pydantic.Field(min_length=1), OneOrMore()]
    over: OptionalOvers = ()

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
    """The value less the mean of those before it in the same hour of the week: `duration_s_baseline_28d`.

    Attributes:
        zone: IANA name of the time zone of the hours.
    """

    model_config = ConfigDict(title="baseline")

    zone: Zone = "UTC"


class SinceLast(Filtered):
    """Seconds of the key's clock since its event before: `since_last_seconds`."""

    model_config = ConfigDict(title="since_last")


class Calendar(Entry):
    """Parts of the event's own time: `hour`, `day_of_week`.

    Attributes:
        take: Parts: Monday, January and the first quarter are 1, weeks are those of ISO 8601.
        zone: IANA name of the time zone.
        cyclic: Whether each part is also shown as an angle: `hour_sin` and `hour_cos`.
    """

    model_config = ConfigDict(title="calendar")

    take: Annotated[tuple[CalendarPart, ...], pydantic.Field(min_length=1), OneOrMore()]
    zone: Zone = "UTC"
    cyclic: StrictBool = False


class Distance(Entry):
    """Kilometres between two places of the event, along the great circle: `<name>`.

    Attributes:
        name: Name of the column.
        from_: Latitude and longitude of one place, in degrees: names of values of the event.
        to: Those of the other.
    """

    model_config = ConfigDict(title="distance")

    name: Name
    from_: Place = pydantic.Field(alias="from")
    to: Place


class Travel(Entry):
    """Kilometres from the place of the event before, and the speed that takes: `travel_km`, `travel_km_per_hour`.

    Attributes:
        place: Latitude and longitude, in degrees: names of values of the event.
        name: Begins the names of the columns.
    """

    model_config = ConfigDict(title="travel")

    place: Place
    name: Name = "travel"


class Expression(Entry):
    """One column computed from the event's values and the other features, by an SQL expression of the stated subset.

    Attributes:
        name: Name of the column.
        sql: The expression; `docs/expressions.md` lists the subset.
    """

    model_config = ConfigDict(title="expression")

    name: Name
    sql: str


Part = (
    Lag | Window | Ratio | ZScore | Fences | Outlier | Rarity | Baseline | SinceLast | Calendar | Distance | Travel
    | Expression
)  # fmt: skip
"""One entry."""
