"""The declaration of a view as it stands in `features/<view>.yaml`: frozen, checked for form."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import pydantic
from headrace_ingestion.contract import Name
from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.durations import Duration, parse_duration
from headrace_ingestion.feature_rows import Encoding
from headrace_ingestion.fields import Owner
from headrace_ingestion.schema_rules import GIVEN, NOT_GIVEN, Schema, having, limiting, rules, when
from pydantic import ConfigDict, model_validator

from headrace_features.entries import (
    Baseline,
    Calendar,
    Distance,
    Entry,
    Expression,
    Fences,
    Lag,
    Outlier,
    Part,
    Rarity,
    Ratio,
    SinceLast,
    Travel,
    Window,
    ZScore,
)
from headrace_features.extents import TIME_SCHEMA


def _exactly_one_kind(schema: Schema) -> None:
    """Say in the JSON Schema what `_exactly_one` demands: one key; only `since_last` may stand there alone."""
    kinds = list(schema["properties"])
    schema["oneOf"] = [having(**{kind: {} if kind == "since_last" else GIVEN}) for kind in kinds]


class Feature(Entry):
    """One entry of `features`: a mapping with exactly one of these keys."""

    model_config = ConfigDict(title="feature", json_schema_extra=_exactly_one_kind)

    lag: Lag | None = None
    window: Window | None = None
    ratio: Ratio | None = None
    zscore: ZScore | None = None
    fences: Fences | None = None
    outlier: Outlier | None = None
    rarity: Rarity | None = None
    baseline: Baseline | None = None
    since_last: SinceLast | None = None
    calendar: Calendar | None = None
    distance: Distance | None = None
    travel: Travel | None = None
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
    def kind(self) -> str:
        """Name of the one part that is given."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def only(self) -> Part:
        """Return the one part that is given."""
        part: Part = getattr(self, self.kind)
        return part


def _serves_something(ttl: timedelta) -> timedelta:
    if not ttl:
        raise DeclarationProblem(
            "'ttl' is zero: no value would ever be served", {"expected": "a duration above zero"}, "ttl: 24h"
        )
    return ttl


Ttl = Annotated[
    Duration, pydantic.AfterValidator(_serves_something), pydantic.WithJsonSchema(TIME_SCHEMA, mode="validation")
]
"""How long a value may be served."""


class ViewDeclaration(Entry):
    """A feature view as declared.

    Attributes:
        name: Name of the view; its topic is `features.<name>`.
        source: Name of the event it reads.
        key: Field of the event whose value is the entity.
        order: `arrival`: by offset, emitted at once. `event_time`: by event time and offset, emitted when the
            watermark has passed.
        lateness: With `event_time`, how far the watermark has to be past an event; one that comes later is late.
        derive: Name → SQL expression over the event's fields (and earlier derived values).
        features: The columns.
        ttl: How long a value may be served online after its clock.
        dedup: How long, by the key's clock, a repeated event id is a duplicate.
        retain: A jump of a key's clock by more than this starts its history anew; None: the longest
            window, at least 30 days.
        encoding: How the job writes the rows to their topic: `json` or `binary`; not part of the hash.
        description: For people; not part of the hash.
        owner: Who answers for it; not part of the hash.
        tags: Words to find it by; not part of the hash.
    """

    model_config = ConfigDict(
        title="view",
        json_schema_extra=rules(
            when(having(order={"const": "event_time"}), having(lateness=GIVEN), limiting(lateness=NOT_GIVEN))
        ),
    )

    name: Name
    source: str
    key: str
    order: Literal["arrival", "event_time"] = "arrival"
    lateness: Duration | None = None
    derive: Annotated[dict[Name, str], pydantic.Field(default_factory=dict)]
    features: Annotated[tuple[Feature, ...], pydantic.Field(min_length=1)]
    ttl: Ttl
    dedup: Duration = parse_duration("10m")
    retain: Duration | None = None
    encoding: Encoding = "json"
    description: str | None = None
    owner: Owner | None = None
    tags: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _lateness_goes_with_event_time(self) -> ViewDeclaration:
        if self.order == "event_time" and self.lateness is None:
            raise DeclarationProblem(
                "'order' is event_time, but 'lateness' is missing",
                {"expected": "how long an event may come after later ones"},
                "lateness: 5s",
                ("order",),
            )
        if self.order == "arrival" and self.lateness is not None:
            raise DeclarationProblem(
                "'lateness' goes with the order event_time",
                {"order": "arrival: an event is counted when it comes, nothing waits"},
                "order: event_time",
                ("lateness",),
            )
        return self
