"""Where the stack of a project keeps things: everything below one folder of the project, or below `$HEADRACE_DATA`."""

import os
from dataclasses import dataclass
from pathlib import Path

FOLDER_NAME = ".headrace"
DATA_VARIABLE = "HEADRACE_DATA"
"""Names that folder where the project's own cannot be written: in a container it is mounted read-only."""


@dataclass(frozen=True, slots=True)
class StackFolders:
    """The folders and files of one project's stack. Nothing is made by asking for a path."""

    project: Path

    @property
    def root(self) -> Path:
        """Everything that the stack writes: `$HEADRACE_DATA`, else `.headrace` of the project folder."""
        own = os.environ.get(DATA_VARIABLE)
        return Path(own).expanduser().absolute() if own else self.project / FOLDER_NAME

    @property
    def kafka(self) -> Path:
        """Configuration and data of the embedded broker."""
        return self.root / "kafka"

    @property
    def flink(self) -> Path:
        """Checkpoints and savepoints of embedded jobs."""
        return self.root / "flink"

    @property
    def lake(self) -> Path:
        """Delta tables."""
        return self.root / "lake"

    @property
    def online(self) -> Path:
        """The SQLite online store."""
        return self.root / "online"

    @property
    def feast(self) -> Path:
        """The generated Feast repository."""
        return self.root / "feast"

    @property
    def mlflow(self) -> Path:
        """Runs, models and artifacts."""
        return self.root / "mlflow"

    @property
    def pii_secret(self) -> Path:
        """The secret that personal data is hashed with, where the settings name none."""
        return self.root / "pii-secret"

    @property
    def pii_mark(self) -> Path:
        """File by which the secret is known again; it does not tell it."""
        return self.root / "pii-secret.mark"

    @property
    def run(self) -> Path:
        """State of the running stack; empty of meaning when it is down."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.root / "logs"

    @property
    def state_file(self) -> Path:
        """What runs now, as JSON."""
        return self.run / "state.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the supervisor for as long as it lives."""
        return self.run / "lock"

    def ready_file(self, process: str) -> Path:
        """Written by a process when it does its work; holds facts about it as JSON."""
        return self.run / f"{process}.ready"

    def log_file(self, process: str) -> Path:
        """What the process printed since it was first started by this supervisor."""
        return self.logs / f"{process}.log"

    def hold_file(self, process: str) -> Path:
        """While it exists the supervisor keeps the process stopped."""
        return self.run / f"{process}.hold"
