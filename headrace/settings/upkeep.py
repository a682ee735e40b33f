"""The section `upkeep` of the settings."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Self

from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.durations import Duration, format_duration
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from headrace.settings.types import Count, IsNumber, Section


class TierSettings(Section):
    """What happens to rows as they grow old."""

    model_config = ConfigDict(title="what happens to old rows")

    recompress_after: Duration | None = Field(
        default=None, description="age of event time from which files are compressed harder; none: never"
    )
    delete_after: Duration | None = Field(
        default=None, description="age of event time from which rows are deleted; none: never"
    )
    level: Annotated[int, Field(ge=1, le=22), IsNumber] = Field(
        default=12, description="level of zstd of the harder compression"
    )

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.recompress_after and self.delete_after and self.recompress_after >= self.delete_after:
            raise DeclarationProblem(
                "recompress_after is not shorter than delete_after: the rows would be gone",
                {
                    "recompress_after": format_duration(self.recompress_after),
                    "delete_after": format_duration(self.delete_after),
                },
                f"recompress_after: {format_duration(self.delete_after // 2)}",
            )
        return self


RETAINED = "events, features, scores, ops"


def _is_schema_or_table(names: Mapping[str, TierSettings]) -> Mapping[str, TierSettings]:
    for name in names:
        if name.partition(".")[0] not in RETAINED.split(", "):
            raise DeclarationProblem(
                f"{name!r} is neither a schema nor a table of the lake", {"schemas": RETAINED}, "events.call"
            )
    return names


LEAST_VACUUM_AGE = timedelta(hours=2)
"""Twice what the longest query may take; the lake knows it, too, but costs a second to import."""


def _is_beyond_queries(age: timedelta) -> timedelta:
    if age < LEAST_VACUUM_AGE:
        raise DeclarationProblem(
            f"files that went {format_duration(age)} ago may still be read by a query",
            {"least": format_duration(LEAST_VACUUM_AGE)},
            "vacuum_age: 7d",
        )
    return age


class UpkeepSettings(Section):
    """What `headrace up` does by itself so that the lake stays small and fast."""

    model_config = ConfigDict(title="the section upkeep")

    enabled: bool = Field(default=True, description="whether `headrace up` does any of it")
    check_seconds: Annotated[float, Field(gt=0), IsNumber] = Field(
        default=60.0, description="time between two looks at the tables"
    )
    compact_above_files: Count | None = Field(
        default=100, description="compact a table that has more small files than this; none: never"
    )
    target_bytes: Annotated[int, Field(ge=2), IsNumber] = Field(
        default=134_217_728, description="size that compaction gives to files; those below half of it are small"
    )
    memory_bytes: Annotated[int, Field(ge=50_000_000), IsNumber] = Field(
        default=500_000_000, description="memory of one compaction; sorting beyond it goes to disk"
    )
    vacuum_every: Duration | None = Field(
        default=timedelta(days=1), description="time between two vacuums of a table; none: never"
    )
    vacuum_age: Annotated[Duration, AfterValidator(_is_beyond_queries)] = Field(
        default=timedelta(days=7),
        description="remove files that left a table longer ago, which is as far as time travel goes; at least 2h",
    )
    retain_every: Duration = Field(
        default=timedelta(days=1), description="time between two looks for rows that are old enough"
    )
    quality_every: Duration | None = Field(
        default=timedelta(hours=1), description="time between two checks of what quality/*.yaml expects; none: never"
    )
    retain: Annotated[dict[str, TierSettings], AfterValidator(_is_schema_or_table)] = Field(
        default={},
        description="fate of old rows by schema or `schema.table`: `recompress_after`, `delete_after`, `level`",
    )
