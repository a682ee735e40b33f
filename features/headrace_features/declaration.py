"""The declaration of a view as it stands in `features/<view>.yaml`: frozen, checked for form."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

import pydantic
from headrace_ingestion.contract import Name
from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.durations import Duration, parse_duration
from headrace_ingestion.errors import closest
from pydantic import BaseModel, BeforeValidator, ConfigDict, field_validator, model_validator

Statistic = Literal["count", "sum", "mean", "std", "min", "max"]
"""What a window may take."""

CalendarPart = Literal["hour", "day_of_week"]
"""Parts of the event's own time: hour 0–23, day of week with Monday = 1."""

_ROWS = re.compile(r"([1-9]\d{0,5}) rows?", re.ASCII)


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


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
            return cls(text=str(text), length_ms=0, rows=int(rows[1]))
        try:
            length_ms = round(parse_duration(str(text)).total_seconds() * 1000)
        except DeclarationProblem:
            length_ms = 0
        if length_ms <= 0:
            raise DeclarationProblem(
                f"{text!r} is not the extent of a window",
                {"expected": "a length of time above zero, or a number of rows up to 999999"},
                "over: [5m, 24h, 50 rows]",
            )
        return cls(text=str(text), length_ms=length_ms, rows=0)


def _overs(value: object) -> object:
    return [part if isinstance(part, Over) else Over.parse(part) for part in _listed(value)]


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


Overs = Annotated[tuple[Over, ...], BeforeValidator(_overs), pydantic.Field(min_length=1)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Lag(_Entry):
    """Values some events before: one column a value and step, `duration_s_lag_1`."""

    model_config = ConfigDict(title="lag")

    of: Names
    steps: Annotated[Steps, pydantic.Field(min_length=1)]


class Window(_Entry):
    """Statistics of rolling windows: one column a value, statistic and extent, `duration_s_sum_1h`.

    With `exclude_current` the event itself does not count, and the column's name ends in `_before`.
    """

    model_config = ConfigDict(title="window")

    of: Names
    over: Overs
    take: Annotated[tuple[Statistic, ...], BeforeValidator(_as_list), pydantic.Field(min_length=1)]
    exclude_current: bool = False


class ZScore(_Entry):
    """How many deviations the event lies from the mean of the values before it: `duration_s_zscore_24h`."""

    model_config = ConfigDict(title="zscore")

    of: Names
    over: Overs


class SinceLast(_Entry):
    """Seconds of the key's clock since its event before: `since_last_seconds`."""

    model_config = ConfigDict(title="since_last")


class Calendar(_Entry):
    """Parts of the event's own time: `hour`, `day_of_week`."""

    model_config = ConfigDict(title="calendar")

    take: Annotated[tuple[CalendarPart, ...], BeforeValidator(_as_list), pydantic.Field(min_length=1)]
    zone: str = "UTC"

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        zones = available_timezones()
        if zone not in zones:
            raise DeclarationProblem(
                f"{zone!r} is not a time zone",
                {"expected": "a name of the IANA database"},
                closest(zone, zones) or "UTC",
            )
        return ZoneInfo(zone).key


class Expression(_Entry):
    """One column computed from the event's values and the other features, by an SQL expression of the stated subset."""

    model_config = ConfigDict(title="expression")

    name: Name
    sql: str


class Feature(_Entry):
    """One entry of `features`: a mapping with exactly one of these keys."""

    model_config = ConfigDict(title="feature")

    lag: Lag | None = None
    window: Window | None = None
    zscore: ZScore | None = None
    since_last: SinceLast | None = None
    calendar: Calendar | None = None
    expression: Expression | None = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_a_mapping(cls, value: object) -> object:
        # `since_last:` alone reads as null.
        if isinstance(value, dict) and value.get("since_last", 0) is None:
            return {**value, "since_last": {}}
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Feature:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise DeclarationProblem(
                f"a feature has {'the keys ' + ', '.join(given) if given else 'no key'}",
                {"expected": "exactly one of " + ", ".join(type(self).model_fields)},
                "one list entry a feature",
            )
        return self

    @property
    def only(self) -> Lag | Window | ZScore | SinceLast | Calendar | Expression:
        """Return the one part that is given."""
        parts = (self.lag, self.window, self.zscore, self.since_last, self.calendar, self.expression)
        return next(part for part in parts if part is not None)


class ViewDeclaration(_Entry):
    """A feature view as declared.

    Attributes:
        name: Name of the view; its topic is `features.<name>`.
        source: Name of the event it reads.
        key: Field of the event whose value is the entity.
        order: `arrival`: by offset, emitted at once.
        derive: Name → SQL expression over the event's fields (and earlier derived values).
        features: The columns.
        ttl: How long a value may be served online after its clock.
        dedup: How long, by the key's clock, a repeated event id is a duplicate.
        retain: A jump of a key's clock by more than this starts its history anew; None: the longest
            window, at least 30 days.
        description: For people; not part of the hash.
    """

    model_config = ConfigDict(title="view")

    name: Name
    source: str
    key: str
    order: Literal["arrival"] = "arrival"
    derive: dict[Name, str] = {}
    features: Annotated[tuple[Feature, ...], pydantic.Field(min_length=1)]
    ttl: Duration
    dedup: Duration = parse_duration("10m")
    retain: Duration | None = None
    description: str | None = None
