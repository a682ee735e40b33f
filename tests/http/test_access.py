"""Who may do what over HTTP: keys, scopes, and the rule of the own machine."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from serving import Client, serving

import headrace
from headrace.cli.root import root
from headrace.http.errors import ServeError
from headrace.http.server import Listener
from headrace.project import Project

GOOD = {"series": "s", "at": "2026-01-31T12:00:00Z", "value": 1}


def run(project: Project, *arguments: str) -> Result:
    """Run `headrace serve keys` on the project."""
    return CliRunner().invoke(root, ["serve", "keys", *arguments, "--project", str(project.folder)])


@pytest.fixture
def guarded(project: Project) -> Iterator[tuple[Project, int]]:
    """The project with a key `all`, served."""
    made = run(project, "add", "all", "--scope", "events:write", "--scope", "features:read")
    assert made.exit_code == 0, made.stderr
    with serving(project) as port:
        yield project, port
    for name in ("all", "some"):
        run(project, "remove", name)


def test_a_key_does_what_its_scopes_say_until_it_is_removed(guarded: tuple[Project, int]) -> None:
    project, port = guarded
    key = run(project, "add", "some", "--scope", "events:write:reading").stdout.strip()
    assert Client(port).post("/events/reading", GOOD).status == 401
    assert Client(port, "hr_wrong").post("/events/reading", GOOD).status == 401
    some = Client(port, key)
    assert some.post("/events/reading", GOOD).status == 200
    assert some.request("POST", "/events/reading", b"{}", x_api_key=key, content_type="application/json").status == 422
    forbidden = some.get("/features/series/s")
    assert (forbidden.status, forbidden.data["error"]) == (403, "ForbiddenError")
    assert forbidden.data["message"].startswith("the key 'some' does not allow features:read:series\n")
    assert some.post("/events/other", GOOD).status == 403
    run(project, "remove", "some")
    answer = some.post("/events/reading", GOOD)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_the_file_holds_no_key_and_belongs_to_its_owner_alone(guarded: tuple[Project, int]) -> None:
    project, _ = guarded
    key = run(project, "add", "some", "--scope", "events:write").stdout.strip()
    assert re.fullmatch(r"hr_[\w-]{43}", key)
    path = project.folders.root / "http-keys.json"
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listed = json.loads(run(project, "list", "--output", "json").stdout)
    assert [(one["name"], one["scopes"]) for one in listed] == [
        ("all", "events:write features:read"),
        ("some", "events:write"),
    ]


def test_without_keys_only_this_machine_under_its_own_name_is_answered(client: Client, port: int) -> None:
    assert client.post("/events/reading", GOOD).status == 200
    answer = client.post("/events/reading", GOOD, host="rebound.example:80")
    assert answer.status == 403
    assert answer.data["message"] == (
        "without API keys the server answers to this machine's own address alone\n"
        "  asked as:  rebound.example\n"
        "  try:       http://127.0.0.1"
    )


def test_without_keys_the_server_does_not_listen_for_others(project: Project) -> None:
    with pytest.raises(ServeError) as refused:
        Listener(project, "0.0.0.0", 0)
    assert str(refused.value) == (
        "without API keys the server does not listen on '0.0.0.0'\n"
        "  expected:  127.0.0.1, or keys\n"
        f"  keys:      none in {project.folders.root}/http-keys.json\n"
        "  try:       headrace serve keys add NAME --scope events:write"
    )


def test_a_scope_that_is_none_is_named_with_those_that_are(project: Project) -> None:
    answer = run(project, "add", "one", "--scope", "events:write:raeding")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "KeysError: 'events:write:raeding' is not a scope\n"
        "  scopes:  events:write, features:read, sql:read, events:write:reading, features:read:series\n"
        "  try:     --scope events:write:reading\n"
    )


def test_a_broken_file_of_keys_lets_nobody_in(guarded: tuple[Project, int]) -> None:
    project, port = guarded
    path = project.folders.root / "http-keys.json"
    text = path.read_text()
    path.write_text("{")
    try:
        assert Client(port).post("/events/reading", GOOD).status == 503
    finally:
        path.write_text(text)


def test_a_broker_that_is_away_is_503_in_bounded_time_and_not_ready(tmp_path: Path, project: Project) -> None:
    flags = {"kafka.bootstrap_servers": "127.0.0.1:1", "http.wait_seconds": "0.5", "http.keys": str(tmp_path / "none")}
    away = headrace.open(project.folder, flags=flags)
    with serving(away) as port:
        client = Client(port)
        answer = client.post("/events/reading", [GOOD, {}])
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        failed, refused = answer.data["records"]
        assert failed["error"].startswith("no broker answers at 127.0.0.1:1\n")
        assert refused["reason"] == "missing_field"
        assert client.get("/readyz").status == 503
        assert client.get("/healthz").status == 200


def test_the_command_serves_until_it_is_stopped(broker: Any, project: Project) -> None:
    command = [sys.executable, "-m", "headrace", "serve", "--port", "0", "--output", "json"]
    where = ["--project", str(project.folder), "--set", f"kafka.bootstrap_servers={broker.bootstrap_servers}"]
    process = subprocess.Popen([*command, *where], stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        assert Client(int(url.rpartition(":")[2])).get("/readyz").status == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_features_are_read_with_their_age(project: Project, client: Client) -> None:
    from headrace_features.online.row import OnlineRow, Order

    from headrace.features.online import open_online_store

    view = project.views["series"]
    row = OnlineRow("a/b", Order(0, 1_700_000_000_000, 7, 0, 0), 1_700_000_000_000, view.digest, b"{}")
    with open_online_store(project) as store:
        store.write("series", [row])
    answer = client.get("/features/series/a%2Fb")
    assert (answer.status, answer.data["freshness"], answer.data["key"]) == (200, "expired", "a/b")
    assert answer.data["age_seconds"] > 3600
    assert client.get("/features/series/unknown").status == 404
    unknown = client.get("/features/sereis/s")
    assert (unknown.status, unknown.data["error"]) == (404, "UnknownViewError")
