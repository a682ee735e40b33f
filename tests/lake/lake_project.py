"""A project with a small lake, and `headrace lake` as it is typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from headrace_lake.commit import commit
from headrace_lake.decode import compile_decoder
from headrace_lake.offsets import OffsetRange
from headrace_lake.tables import events_table
from lake_records import CALL, call_record

from headrace.cli.root import root

EVENT = """\
name: call
version: 1
key: subscriber_id
time: started_at
fields:
  subscriber_id: {type: string}
  started_at:    {type: timestamp}
  duration_s:    {type: double, minimum: 0}
  device:        {type: string, required: false}
"""

Run = Callable[..., Result]


def make_project(folder: Path, settings: str = "", calls: int = 50) -> Run:
    """Make a project whose lake holds calls 0 to 49 of 2025-01-01, and return what runs `headrace lake` on it."""
    (folder / "events").mkdir()
    (folder / "events" / "call.yaml").write_text(EVENT)
    (folder / "headrace.yaml").write_text(f"name: trial\n{settings}")
    add_calls(folder, 0, calls)
    return run_on(folder)


def run_on(folder: Path) -> Run:
    """Return what runs `headrace lake` on a project."""
    return lambda *arguments: CliRunner().invoke(root, ["lake", *arguments, "--project", str(folder)])


def add_calls(folder: Path, first: int, last: int, **changes: Any) -> None:
    """Commit calls to the lake of the project, as the writer does."""
    spec = events_table(CALL)
    rows = compile_decoder(spec)([call_record(number, **changes) for number in range(first, last)]).rows
    commit(folder / ".headrace" / "lake", spec, rows, {"app": OffsetRange(first or None, last)})


def answer(result: Result) -> Any:
    """The JSON that a command answered with."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def failure(result: Result) -> str:
    """The text of the error of a command, with its kind."""
    assert result.exit_code != 0
    return result.stderr.rstrip()
