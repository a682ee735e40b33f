"""What a file of `quality/` says of a table."""

from typing import Annotated, Literal, Self, get_args

from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.durations import Duration
from headrace_ingestion.schema_rules import at_least_one, exactly_one, having, rules, when
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, model_validator

from headrace_lake.quality.rules import MARKS_ROWS, Kind, Severity

_KINDS: tuple[Kind, ...] = get_args(Kind)
_Share = Annotated[float, Field(ge=0, le=1, strict=True)]
_Ratio = Annotated[float, Field(ge=0, strict=True)]
_OF_ROWS = at_least_one(MARKS_ROWS)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", title="a rule")


class NullRate(_Part):
    """How many rows may lack a value.

    Attributes:
        column: The column.
        at_most: Largest share of such rows that passes, 0 to 1.
    """

    column: str
    at_most: _Share = 0.0


class Range(_Part):
    """Between which numbers values are; nulls pass.

    Attributes:
        column: A column of numbers.
        minimum: Smallest value that is as expected; None: any.
        maximum: Largest value that is as expected; None: any.
        at_most: Largest share of other rows that passes, 0 to 1.
    """

    model_config = ConfigDict(json_schema_extra=rules(at_least_one(("minimum", "maximum"))))

    column: str
    minimum: StrictFloat | None = None
    maximum: StrictFloat | None = None
    at_most: _Share = 0.0

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise DeclarationProblem("'range' has no bound", {"expected": "minimum, maximum or both"}, "minimum: 0")
        return self


class Values(_Part):
    """Which values there are; nulls pass.

    Attributes:
        column: The column.
        allowed: The values that are as expected.
        at_most: Largest share of other rows that passes, 0 to 1.
    """

    column: str
    allowed: Annotated[tuple[str | StrictBool | StrictInt, ...], Field(min_length=1)]
    at_most: _Share = 0.0


class Unique(_Part):
    """Which columns together stand in one row only.

    Attributes:
        columns: The columns; rows with a null in one of them do not count.
        at_most: Largest share of rows that repeat an earlier one that passes, 0 to 1.
    """

    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    at_most: _Share = 0.0


class Freshness(_Part):
    """How old the newest row may be.

    Attributes:
        at_most: Greatest age that passes.
        by: Age since when: the time of the event, or the instant at which the row was recorded.
    """

    at_most: Duration
    by: Literal["event", "record"] = "event"


class Volume(_Part):
    """How many rows there are, divided by those of the same time a week before.

    Attributes:
        window: Length of the time, up to now, whose rows are counted by event time.
        at_least: Smallest ratio that passes; None: any.
        at_most: Largest ratio that passes; None: any.
    """

    model_config = ConfigDict(json_schema_extra=rules(at_least_one(("at_least", "at_most"))))

    window: Duration
    at_least: _Ratio | None = None
    at_most: _Ratio | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise DeclarationProblem(
                "'volume' has no bound", {"expected": "at_least, at_most or both"}, "at_least: 0.5"
            )
        return self


class RuleDeclaration(_Part):
    """One rule: exactly one kind, and what follows from a breach.

    Attributes:
        name: What the rule is called; None: by its kind and columns.
        severity: Whether a breach fails the check or only warns.
        quarantine: Whether rows that are not as expected are copied to `ops.quarantine`.
        over: Look at rows recorded in this time before now only; None: all.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            exactly_one(_KINDS),
            when(having(quarantine={"const": True}), _OF_ROWS),
            when(having(over={"type": "string"}), _OF_ROWS),
        )
    )

    name: Annotated[str, Field(min_length=1)] | None = None
    severity: Severity = "fail"
    quarantine: StrictBool = False
    over: Duration | None = None
    null_rate: NullRate | None = None
    range: Range | None = None
    values: Values | None = None
    unique: Unique | None = None
    freshness: Freshness | None = None
    volume: Volume | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise DeclarationProblem(
                f"a rule has {len(given)} kinds: {', '.join(given) or 'none'}",
                {"expected": f"one of {', '.join(_KINDS)}"},
                "null_rate: {column: device, at_most: 0.1}",
            )
        if (self.quarantine or self.over is not None) and given[0] not in MARKS_ROWS:
            raise DeclarationProblem(
                f"{given[0]!r} speaks of the whole table, not of rows",
                {"quarantine and over": f"go with {', '.join(MARKS_ROWS)}"},
                "remove quarantine and over",
            )
        return self

    @property
    def kind(self) -> Kind:
        """Its kind."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)


class QualityDeclaration(_Part):
    """What is expected of one table.

    Attributes:
        table: `<schema>.<name>` of the table.
        rules: What is expected of it.
    """

    model_config = ConfigDict(title="the expectations of a table")

    table: str
    rules: Annotated[tuple[RuleDeclaration, ...], Field(min_length=1)]
