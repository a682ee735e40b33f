"""A project with one event, and a broker in memory that has its topic."""

from pathlib import Path

import pytest
from headrace_ingestion.testing import FakeBroker

import headrace
from headrace.events import Events
from headrace.project import Project

CONTRACT = """\
name: reading
version: 1
key: series
time: at
fields:
  series: {type: string, max_length: 64}
  at:     {type: timestamp}
  value:  {type: double, minimum: 0}
  count:  {type: int, required: false}
  good:   {type: bool, required: false}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that declares the event `reading`."""
    folder = tmp_path / "project"
    (folder / "events").mkdir(parents=True)
    (folder / "headrace.yaml").write_text("name: trial\n")
    (folder / "events" / "reading.yaml").write_text(CONTRACT)
    return headrace.open(folder)


@pytest.fixture
def fake() -> FakeBroker:
    """A broker in memory with the topic of the event."""
    broker = FakeBroker()
    broker.create_topic("events.reading", 4)
    return broker


@pytest.fixture
def events(project: Project, fake: FakeBroker) -> Events:
    """The events of the project, sent to the broker in memory."""
    return Events(project, fake.transport())
