"""What the process of a contestant is told, as JSON on its command line."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from headrace_ingestion.feature_rows import Encoding

Contestant = Literal["headrace", "pass_through", "stacked_sql", "quix_streams"]


@dataclass(frozen=True)
class RunSpec:
    """One run of one contestant.

    Attributes:
        contestant: Who.
        project: Folder of the benchmark's project.
        bootstrap_servers: The broker.
        source: Topic of the events.
        prefix: Prefix of the topics that this run writes.
        parallelism: Copies of each operator, or worker processes.
        folder: Empty folder for the state of this run.
        backend: Of the state of the feature job.
        encoding: Of the rows of the feature job.
    """

    contestant: Contestant
    project: str
    bootstrap_servers: str
    source: str
    prefix: str
    parallelism: int
    folder: str
    backend: Literal["heap", "rocksdb"] = "heap"
    encoding: Encoding = "json"

    @property
    def state(self) -> Path:
        """Folder for the state of this run."""
        return Path(self.folder)

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the run that the text describes."""
        data: Mapping[str, Any] = json.loads(text)
        return cls(**data)
