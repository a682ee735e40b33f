"""A function of the project between a request and the contract."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion.errors import DeclarationError, SettingsError
from served_project import written_project
from serving import Client, serving

import headrace
from headrace.events.fixes import FixError
from headrace.http.server import Listener
from headrace.http.transforms import NotShaped, shaped, transforms_of
from headrace.project import Project

AT = "2026-01-31T12:00:00Z"
FUNCTION = """\
def take(record):
    if record.get("kind") == "ping":
        return None
    if record.get("kind") == "end":
        raise SystemExit("enough")
    if record.get("kind") == "odd":
        return [record]
    return {"series": record["device"], "at": record["at"], "value": 60 * record["minutes"], "event_id": record["id"]}
"""


def shaping_project(folder: Path, function: str = "shaping_in:take", **flags: str) -> Project:
    """A project whose readings come in another form."""
    written_project(folder)
    (folder / "headrace.yaml").write_text(f"name: trial\nhttp: {{transforms: {{reading: '{function}'}}}}\n")
    (folder / "shaping_in.py").write_text(FUNCTION)
    return headrace.open(folder, flags={f"kafka.{name}": text for name, text in flags.items()})


@pytest.fixture
def project(broker: Any, tmp_path: Path) -> Project:
    """Such a project, with a broker."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    broker.create_topic(f"{prefix}events.reading", 1)
    return shaping_project(tmp_path, bootstrap_servers=broker.bootstrap_servers, topic_prefix=prefix)


def test_the_function_shapes_leaves_out_and_fails_for_its_record_alone(project: Project) -> None:
    call = {"device": "s", "at": AT, "minutes": 2, "id": "one"}
    records = [call, {"kind": "ping"}, {"kind": "odd"}, {"device": "s"}, {**call, "minutes": -1}]
    with serving(project) as port:
        answer = Client(port).post("/events/reading", records)
    data = answer.data
    assert answer.status == 207
    assert [one["status"] for one in data["records"]] == ["accepted", "left_out", "refused", "refused", "refused"]
    assert (data["accepted"], data["refused"], data["left_out"]) == (1, 3, 1)
    assert [(one["reason"], one["detail"]) for one in data["records"][2:]] == [
        ("transform", "the transform returned list, expected a record or None"),
        ("transform", "the transform raised KeyError: 'at'"),
        ("out_of_range", "field 'value' expects at least 0, got a value below it"),
    ]
    (stored,) = project.events.tail("reading", start="earliest", count=None)
    assert stored.event_id == "one"
    assert stored.fields is not None
    assert stored.fields["value"] == 120


def test_a_function_that_exits_ends_no_server(tmp_path: Path) -> None:
    transform = transforms_of(shaping_project(tmp_path))["reading"]
    assert shaped(transform, {"kind": "end"}) == NotShaped("the transform raised SystemExit: enough")


def test_a_module_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    project = shaping_project(tmp_path, "broken_in:take")
    (tmp_path / "broken_in.py").write_text("limit = of\n")
    with pytest.raises(FixError) as caught:
        transforms_of(project)
    assert str(caught.value) == (
        "the module 'broken_in' cannot be imported: NameError: name 'of' is not defined\n"
        f"  where:  {tmp_path}\n  try:    {tmp_path}/broken_in.py"
    )


def test_a_function_that_is_not_there_is_said_before_anything_listens(tmp_path: Path) -> None:
    project = shaping_project(tmp_path, "shaping_in:gives", bootstrap_servers="127.0.0.1:9")
    with pytest.raises(FixError, match="the module 'shaping_in' has no function 'gives'"):
        Listener(project, port=0)


def test_a_function_of_an_event_that_nobody_sends_is_refused(tmp_path: Path) -> None:
    written_project(tmp_path)
    settings = tmp_path / "headrace.yaml"
    settings.write_text(f"name: trial\nhttp: {json.dumps({'transforms': {'readings': 'shaping_in:take'}})}\n")
    with pytest.raises(SettingsError) as caught:
        transforms_of(headrace.open(tmp_path))
    assert str(caught.value) == (
        "http.transforms names the event 'readings', which nobody sends\n  events:  reading\n  try:     reading"
    )
    settings.write_text("name: trial\nhttp: {transforms: {reading: take}}\n")
    with pytest.raises(DeclarationError, match="'take', for the event 'reading', does not name a function"):
        headrace.open(tmp_path)
