"""The section `lake` of the settings."""

import re
from collections.abc import Mapping
from typing import Annotated, Self
from urllib.parse import urlsplit

from headrace_ingestion.documents import DeclarationProblem
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from headrace.settings.types import Count, IsNumber, Milliseconds, Section

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


_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_=.-]+)*/?")
_HERE = ("localhost", "127.0.0.1", "::1")


def _folder(path: str | None) -> str | None:
    if path is not None and "://" in path and not _BUCKET.fullmatch(path):
        raise DeclarationProblem(
            f"{path!r} is neither a folder nor a bucket",
            {
                "expected": "a folder of this machine, one that is mounted, or s3://BUCKET/PREFIX",
                "a prefix has": "letters, digits, _ - . = and /",
            },
            "lake.path: s3://lake/roaming",
        )
    return path


def _url(endpoint: str | None) -> str | None:
    if endpoint is not None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.username:
            raise DeclarationProblem(
                "lake.endpoint is no URL of a store", {"expected": "http or https, host and port"},
                "lake.endpoint: https://storage.example.com:9000",
            )  # fmt: skip
    return endpoint


class LakeSettings(Section):
    """Where the tables are, when rows are committed (when the first of three limits is reached), what queries may."""

    model_config = ConfigDict(title="the section lake")

    path: Annotated[str | None, AfterValidator(_folder)] = Field(
        default=None, description="folder of the tables, or `s3://BUCKET/PREFIX`; none: below `.headrace`"
    )
    endpoint: Annotated[str | None, AfterValidator(_url)] = Field(
        default=None, description="URL of the object storage; none: Amazon S3"
    )
    region: str | None = Field(default=None, description="its region; none: as the environment says")
    access_key_id: str | None = Field(
        default=None, description="who asks it; none: as the environment says (`AWS_…`, the role of the machine)"
    )
    secret_access_key: SecretStr | None = Field(default=None, description="the secret of that key")
    allow_http: bool = Field(
        default=False, description="whether an endpoint beyond this machine may be asked without TLS"
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

    @model_validator(mode="after")
    def _store_is_reached_safely(self) -> Self:
        given = [
            name
            for name in ("endpoint", "region", "access_key_id", "secret_access_key", "allow_http")
            if getattr(self, name)
        ]
        if given and not (self.path or "").startswith("s3://"):
            raise DeclarationProblem(
                f"lake.{given[0]} is of an object storage, and lake.path is a folder",
                {"lake.path": self.path or "below .headrace"},
                "lake.path: s3://BUCKET/PREFIX",
            )
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise DeclarationProblem(
                "lake.access_key_id and lake.secret_access_key are given together or not at all",
                {"given": "access_key_id" if self.access_key_id else "secret_access_key"},
                "HEADRACE_LAKE__SECRET_ACCESS_KEY=…",
            )
        url = urlsplit(self.endpoint or "")
        if url.scheme == "http" and url.hostname not in _HERE and not self.allow_http:
            raise DeclarationProblem(
                f"lake.endpoint {self.endpoint} would be asked without TLS: everybody between can read keys and rows",
                {"allowed": "http for an endpoint on this machine, or lake.allow_http"},
                f"lake.endpoint: https://{url.netloc}",
            )
        return self
