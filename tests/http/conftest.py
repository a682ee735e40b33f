"""A project with an event and a view, served over a real socket in front of a real broker."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Client, serving

import headrace
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
VIEW = """\
name: series
source: reading
key: series
features:
  - window: {of: value, over: [1h], take: [sum]}
ttl: 1h
"""

MakeProject = Callable[..., Project]


def written_project(folder: Path, **flags: str) -> Project:
    """A project in this folder, with settings of its own."""
    (folder / "events").mkdir(parents=True, exist_ok=True)
    (folder / "features").mkdir(exist_ok=True)
    (folder / "headrace.yaml").write_text("name: trial\n")
    (folder / "events" / "reading.yaml").write_text(CONTRACT)
    (folder / "features" / "series.yaml").write_text(VIEW)
    return headrace.open(folder, flags={f"{name.replace('__', '.')}": text for name, text in flags.items()})


@pytest.fixture(scope="module")
def project(broker: Any, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project on the real broker, with a topic of its own."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    broker.create_topic(f"{prefix}events.reading", 2)
    flags = {"kafka__bootstrap_servers": broker.bootstrap_servers, "kafka__topic_prefix": prefix}
    return written_project(tmp_path_factory.mktemp("served"), **flags, http__max_body_bytes="65536")


@pytest.fixture(scope="module")
def port(project: Project) -> Iterator[int]:
    """Port of the served project; it has no keys."""
    with serving(project) as found:
        yield found


@pytest.fixture
def client(port: int) -> Client:
    """Asks the served project."""
    return Client(port)
