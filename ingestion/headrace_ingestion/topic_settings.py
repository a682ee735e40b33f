"""What the topic of an event is made with, as its contract says."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, model_validator

from headrace_ingestion.durations import Duration, duration_ms
from headrace_ingestion.problems import DeclarationProblem

Count = Annotated[int, pydantic.Field(ge=1, strict=True)]


class TopicSettings(BaseModel):
    """The topic of an event.

    Attributes:
        partitions: How many; None leaves it to the settings.
        retention: How long records are kept after their own timestamp; `forever` unless something else is said.
        replication: Copies of each record, at most one a broker; None leaves it to the settings.
        min_in_sync: Copies that must be written before a record counts as delivered.
        compression: How the broker stores records; `producer`: as they come.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="the topic of an event")

    partitions: Count | None = None
    retention: Literal["forever"] | Duration = "forever"
    replication: Count | None = None
    min_in_sync: Count | None = None
    compression: Literal["producer", "none", "gzip", "snappy", "lz4", "zstd"] | None = None

    @model_validator(mode="after")
    def _copies_suffice(self) -> TopicSettings:
        if self.replication is not None and self.min_in_sync is not None and self.min_in_sync > self.replication:
            raise DeclarationProblem(
                f"'min_in_sync' {self.min_in_sync} is above 'replication' {self.replication}",
                {"expected": "min_in_sync <= replication, or no record is ever delivered"},
                f"min_in_sync: {self.replication}",
                ("min_in_sync",),
            )
        return self

    def config(self) -> dict[str, str]:
        """Return the settings by Kafka's own names."""
        kept = self.retention
        found = {"retention.ms": str(duration_ms(kept)) if isinstance(kept, timedelta) else "-1"}
        if self.min_in_sync is not None:
            found["min.insync.replicas"] = str(self.min_in_sync)
        if self.compression is not None:
            found["compression.type"] = "uncompressed" if self.compression == "none" else self.compression
        return found
