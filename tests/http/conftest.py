"""A project with an event and a view, served over a real socket in front of a real broker."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from served_project import written_project
from serving import Client, serving

from headrace.project import Project


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
