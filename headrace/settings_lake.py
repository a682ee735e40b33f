"""The section `lake` of the settings."""

from collections.abc import Mapping
from typing import Annotated

from headrace_ingestion.documents import DeclarationProblem
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from headrace.settings_types import Count, IsNumber, Milliseconds, Section

DEFAULT_WORKGROUP = "default"


class WorkgroupSettings(Section):
    """What one query of a group of people may use."""

    model_config = ConfigDict(title="a workgroup")

    seconds: Annotated[float, Field(gt=0, le=3_600), IsNumber] = Field(default=60.0, description="longest wall time")
    memory_bytes: Annotated[int, Field(ge=50_000_000), IsNumber] = Field(
        default=2_000_000_000, description="memory; sorts and joins beyond it go to disk"
    )
    disk_bytes: Count = Field(default=8_000_000_000, description="disk for them")
    rows: Count | None = Field(default=None, description="rows of the answer; none: any number")


def _names(groups: Mapping[str, WorkgroupSettings]) -> Mapping[str, WorkgroupSettings]:
    for name in groups:
        if not name.isidentifier():
            raise DeclarationProblem(
                f"{name!r} is no name of a workgroup", {"expected": "letters, digits and _"}, DEFAULT_WORKGROUP
            )
    return groups


def _folders(value: object) -> object:
    # A variable of the environment is text.
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _folder(path: str | None) -> str | None:
    if path is not None and "://" in path:
        raise DeclarationProblem(
            f"{path!r} is no folder",
            {"expected": "a folder of this machine, or one that is mounted", "not yet": "tables on object storage"},
            "lake.path: /mnt/lake",
        )
    return path


class LakeSettings(Section):
    """Where the tables are, when rows are committed (when the first of three limits is reached), what queries may."""

    model_config = ConfigDict(title="the section lake")

    path: Annotated[str | None, AfterValidator(_folder)] = Field(
        default=None, description="folder of the tables; none: below `.headrace`"
    )
    flush_interval_ms: Milliseconds = Field(default=1000, description="longest time a row waits for its commit")
    flush_rows: Count = Field(default=20_000, description="most rows of a table that wait")
    flush_bytes: Count = Field(default=33_554_432, description="most bytes of a table that wait")
    workgroups: Annotated[dict[str, WorkgroupSettings], AfterValidator(_names)] = Field(
        default={},
        description="limits of a query by workgroup: `seconds`, `memory_bytes`, `disk_bytes`, `rows`; "
        "`default` is everybody's",
    )
    external_folders: Annotated[tuple[str, ...], BeforeValidator(_folders)] = Field(
        default=(), description="folders, beside the project's own, whose files `lake register` may take"
    )
