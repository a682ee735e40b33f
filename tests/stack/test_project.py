"""Opening a project: found from below, refused with what to type, connected to its running stack."""

from pathlib import Path

import pytest
from headrace_ingestion.errors import DeclarationError

import headrace
from headrace.stack.errors import NotRunningError
from headrace.stack.state import StackState, SupervisorLock, write_state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project folder."""
    (tmp_path / "headrace.yaml").write_text("name: roaming\n")
    return tmp_path


def test_the_project_is_found_from_a_folder_below_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = folder / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert headrace.open().folder == folder


def test_outside_of_a_project_the_error_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeclarationError) as raised:
        headrace.open()
    assert str(raised.value) == (
        "no headrace project is here\n"
        "  expected:  the file headrace.yaml in this folder or in one above\n"
        f"  where:     {tmp_path}\n"
        "  try:       headrace init DIR, or --project DIR"
    )


def test_a_folder_that_is_no_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as raised:
        headrace.open(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path} is no headrace project\n"
        "  expected:  the file headrace.yaml in it\n"
        f"  where:     {tmp_path}\n"
        f"  try:       headrace init {tmp_path}"
    )
    (tmp_path / "events").mkdir()
    with pytest.raises(DeclarationError) as raised:
        headrace.open(tmp_path)
    assert str(raised.value).endswith(f"  try:       echo 'name: mine' > {tmp_path / 'headrace.yaml'}")


CALL = """\
name: {name}
version: 1
key: subscriber_id
time: at
fields: {{subscriber_id: {{type: string}}, at: {{type: timestamp}}}}
"""
VIEW = "{{name: {name}, source: {source}, key: subscriber_id, features: [since_last: {{}}], ttl: 1h}}\n"


def test_views_over_the_same_event_and_key_share_a_job(folder: Path) -> None:
    for part in ("features", "events"):
        (folder / part).mkdir(exist_ok=True)
    for event in ("call", "text"):
        (folder / "events" / f"{event}.yaml").write_text(CALL.format(name=event))
    for name, source in (("a", "call"), ("b", "call"), ("c", "text")):
        (folder / "features" / f"{name}.yaml").write_text(VIEW.format(name=name, source=source))
    assert headrace.open(folder).job_groups == ("call.subscriber_id", "text.subscriber_id")


def test_without_a_running_stack_there_is_no_connection(folder: Path) -> None:
    with pytest.raises(NotRunningError) as raised:
        headrace.open(folder, environ={}).connection()
    assert str(raised.value) == (
        "the stack of this project is not running\n"
        f"  where:  {folder}\n"
        f"  try:    headrace up --detach --project {folder}"
    )


def test_the_connection_is_that_of_the_running_stack(folder: Path) -> None:
    project = headrace.open(folder, environ={})
    lock = SupervisorLock(project.folders)
    assert lock.acquire()
    write_state(project.folders, StackState("healthy", 1, "127.0.0.1:4242", {}, ()))
    assert project.connection().bootstrap_servers == "127.0.0.1:4242"
    lock.close()
    with pytest.raises(NotRunningError):
        project.connection()


def test_brokers_of_the_settings_need_no_running_stack(folder: Path) -> None:
    environ = {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092", "HEADRACE_KAFKA__TOPIC_PREFIX": "team."}
    connection = headrace.open(folder, environ=environ).connection()
    assert (connection.bootstrap_servers, connection.topic_prefix) == ("kafka:9092", "team.")
