"""A project with one event, and an endpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from receiver import Receiver, receiving

CONTRACT = """\
name: reading
version: 1
key: series
time: at
fields:
  series: {type: string}
  at:     {type: timestamp}
  value:  {type: double}
  cost:   {type: decimal, precision: 8, scale: 2, required: false}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project that declares the event `reading`."""
    for name in ("events", "sinks"):
        (tmp_path / "project" / name).mkdir(parents=True)
    (tmp_path / "project" / "headrace.yaml").write_text("name: trial\n")
    (tmp_path / "project" / "events" / "reading.yaml").write_text(CONTRACT)
    return tmp_path / "project"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An endpoint that takes everything."""
    with receiving() as running:
        yield running
