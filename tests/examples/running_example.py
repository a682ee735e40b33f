"""An example that runs as a project of its own, for the tests of the examples."""

import json
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import headrace
from headrace.project import Project

FULL_VARIABLE = "HEADRACE_TEST_FULL"
"""With it the examples run over more of the labelled data."""
WAIT_SECONDS = 400.0


class Example:
    """A copy of an example whose stack is up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project: Project = headrace.open(folder)

    def run(self, *arguments: str) -> Any:
        """Run a command on the project and return the object that it prints."""
        command = [sys.executable, "-m", "headrace", *arguments, "--project", str(self.folder), "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{' '.join(arguments[:3])}:\n{done.stderr[-3000:]}\n{done.stdout[-1000:]}"
        return json.loads(done.stdout) if done.stdout else None

    def value(self, query: str) -> Any:
        """Return the only value of a query."""
        return self.project.lake.sql(query).rows[0][0]

    def await_rows(self, table: str, rows: int) -> None:
        """Return when the lake holds that many rows of a table."""
        deadline = time.monotonic() + WAIT_SECONDS
        while (count := self.value(f"SELECT count(*) FROM {table}")) < rows:
            assert time.monotonic() < deadline, f"{count} of {rows} rows of {table} after {WAIT_SECONDS:.0f} s"
            time.sleep(0.5)


class StartExample(Protocol):
    """Starts an example and takes it down at the end of the block."""

    def __call__(self, name: str) -> AbstractContextManager[Example]: ...
