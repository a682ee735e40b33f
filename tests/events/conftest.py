"""A project with one event, and a broker in memory that has its topic."""

from pathlib import Path

import pytest
from headrace_ingestion.testing import FakeBroker
from served_project import CONTRACT

import headrace
from headrace.events import Events
from headrace.project import Project


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
