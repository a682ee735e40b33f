"""The project in containers: events through the host's port, rows in the lake, parity, a job that is never there twice.

Needs a container engine with the images below; skips with the reason where they are not.
"""

import http.client
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from headrace_streaming.cluster import ClusterAwayError, FlinkCluster, LiveJob

from headrace.http.keys import project_keys
from headrace.project import Project, open_project
from headrace.stack.ports import LOOPBACK, free_ports

REPOSITORY = Path(__file__).parents[2]
SECRET = "a secret of this test alone"
PROJECT = REPOSITORY / "examples" / "roaming"
# From which everything is started or built; they are not pulled from here.
IMAGES = ("apache/kafka:4.1.1", "valkey/valkey:8", "python:3.12-slim-bookworm")
UP_SECONDS = 300
CALLS = 300

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(2400)]


@dataclass(frozen=True)
class Compose:
    """One set of containers.

    Attributes:
        name: Name of the compose project.
        environment: What `docker-compose.yml` is given.
        settings: What a command of the host is given to work against these containers.
        http_key: Key of the service `http` that may send calls.
    """

    name: str
    environment: dict[str, str] = field(repr=False)
    settings: dict[str, str]
    http_key: str = field(default="", repr=False)

    def run(self, *arguments: str, timeout_seconds: float = 60) -> str:
        """Run `docker compose` and return what it printed to standard output; a failure shows everything it printed."""
        command = ["docker", "compose", "--project-name", self.name, "--progress", "plain", *arguments]
        answer = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
        )
        if answer.returncode != 0:
            pytest.fail(f"{' '.join(command)}\n{answer.stdout[-4000:]}\n{answer.stderr[-8000:]}")
        return answer.stdout

    def services(self) -> dict[str, dict[str, Any]]:
        """Return every container by its service, as `docker compose ps` describes it."""
        lines = self.run("ps", "--all", "--format", "json").splitlines()
        return {entry["Service"]: entry for entry in map(json.loads, lines)}

    @property
    def project(self) -> Project:
        """The project that the containers work for, as a command of the host opens it: by settings alone."""
        return open_project(PROJECT, environ=self.settings)


def why_not() -> str | None:
    """Return why the containers cannot be started here, or None when they can."""
    if shutil.which("docker") is None:
        return "no container engine: the command docker is not installed"
    if _fails("docker", "info"):
        return "no container engine answers `docker info`"
    if _fails("docker", "compose", "version"):
        return "the plugin compose of docker is not installed"
    missing = [image for image in IMAGES if _fails("docker", "image", "inspect", image)]
    return f"images are not here, try: docker pull {missing[0]}" if missing else None


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """The containers, all healthy; gone with their volumes after the tests."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    containers = _containers(tmp_path_factory.mktemp("compose"))
    # The server does not listen before there is a key.
    key = project_keys(containers.project).add("test", ["events:write:call"], datetime.now(UTC))
    containers = replace(containers, http_key=key)
    # The containers' user is another one than root, who may write this.
    project_keys(containers.project).path.chmod(0o644)
    # The first build fetches two gigabytes; later ones only what changed.
    containers.run("build", "feature-job", timeout_seconds=1800)
    try:
        containers.run("up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS), timeout_seconds=UP_SECONDS + 60)
        yield containers
    except BaseException:
        _show_logs(containers)
        raise
    finally:
        containers.run("down", "--volumes", "--remove-orphans", timeout_seconds=300)


def test_every_container_is_healthy_and_only_this_machine_reaches_their_ports(compose: Compose) -> None:
    services = compose.services()
    folders = services.pop("folders")
    assert (folders["State"], folders["ExitCode"]) == ("exited", 0)
    assert {name: entry["Health"] for name, entry in services.items()} == dict.fromkeys(services, "healthy")
    assert set(services) == {
        "kafka", "valkey", "mlflow", "flink-jobmanager", "flink-taskmanager",
        "feature-job", "lake-writer", "lake-upkeep", "rekey", "online-writer", "scorer", "http",
    }  # fmt: skip
    hosts = {port["URL"] for entry in services.values() for port in entry["Publishers"] or () if port["PublishedPort"]}
    assert hosts == {LOOPBACK}


def test_events_sent_from_the_host_become_equal_rows_in_the_lake_and_values_in_the_online_store(
    compose: Compose,
) -> None:
    subscriber = send_calls(compose, seed=1)
    await_rows(compose, CALLS)
    report = compose.project.features.verify("subscriber")
    assert (report.outcome, report.rows, report.mismatches) == ("passed", CALLS, 0), report.as_dict()

    def newest() -> str | None:
        found = compose.project.features.get("subscriber", subscriber, allow_expired=True)
        return found.declaration if found else None

    eventually(lambda: newest() == compose.project.views["subscriber"].digest, "values in the online store", 60)


def test_an_event_comes_in_over_http_with_a_key_and_not_without(compose: Compose) -> None:
    call = next(iter(_simulator().simulate(1, 7)))
    fields = {**call.fields, "event_id": "over-http"}
    assert post_call(compose, fields, None) == 401
    assert post_call(compose, fields, compose.http_key) == 200
    found = compose.project.events.tail("call", start="earliest", count=None)
    assert [event.event_id for event in found if event.event_id == "over-http"] == ["over-http"]
    await_rows(compose, CALLS + 1)


def test_a_killed_submitter_finds_the_job_that_it_left_on_the_cluster(compose: Compose) -> None:
    (before,) = live_jobs(compose)
    compose.run("kill", "--signal", "KILL", "feature-job")
    (left,) = live_jobs(compose)
    assert left.id == before.id
    restart(compose)
    (after,) = live_jobs(compose)
    assert after.id == before.id
    assert f"job_id={before.id}" in compose.run("logs", "--no-color", "--tail", "5", "feature-job")


def test_a_submitter_that_is_stopped_leaves_a_savepoint_from_which_the_next_job_goes_on(compose: Compose) -> None:
    (before,) = live_jobs(compose)
    rows = count_rows(compose)
    compose.run("stop", "feature-job", timeout_seconds=200)
    assert live_jobs(compose) == []
    assert "with savepoint file:/state/" in compose.run("logs", "--no-color", "--tail", "5", "feature-job")
    send_calls(compose, seed=2)
    restart(compose)
    (after,) = live_jobs(compose)
    assert after.name == before.name
    assert after.id != before.id
    await_rows(compose, rows + CALLS)
    report = compose.project.features.verify("subscriber")
    assert (report.outcome, report.mismatches) == ("passed", 0), report.as_dict()


def test_the_job_of_a_job_manager_that_died_goes_on_from_its_newest_checkpoint(compose: Compose) -> None:
    (before,) = live_jobs(compose)
    rows = count_rows(compose)
    # Everything in the container but its init, which then ends: the restart policy brings the container back.
    compose.run("exec", "--no-TTY", "flink-jobmanager", "sh", "-c", "kill -9 -1")
    send_calls(compose, seed=3)

    def another_runs() -> bool:
        try:
            return any(job.id != before.id and job.state == "RUNNING" for job in live_jobs(compose))
        except ClusterAwayError:
            return False

    eventually(another_runs, "job after the job manager's death", 240)
    await_rows(compose, rows + CALLS)
    report = compose.project.features.verify("subscriber")
    assert (report.outcome, report.mismatches) == ("passed", 0), report.as_dict()


def test_a_model_server_answers_the_host(compose: Compose) -> None:
    client = compose.project.models.store.client()
    experiment = client.create_experiment("trial")
    location = client.get_experiment(experiment).artifact_location
    # Through the server, not by a folder that only it has.
    assert location.startswith("mlflow-artifacts:")


def post_call(compose: Compose, fields: dict[str, Any], key: str | None) -> int:
    """Post a call to the service and return the status of the answer."""
    connection = http.client.HTTPConnection(LOOPBACK, compose.project.settings.http.port, timeout=60)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    connection.request("POST", "/events/call", json.dumps(fields, default=lambda at: at.isoformat()), headers)
    with connection.getresponse() as answer:
        return answer.status


def send_calls(compose: Compose, seed: int) -> str:
    """Send calls of the example's simulator through the host's port, each with its event time; return a subscriber."""
    project = compose.project
    calls = list(_simulator().simulate(CALLS, seed))
    with project.events.producer() as producer:
        deliveries = [
            producer.send(
                "call", call.fields, event_id=call.event_id, timestamp_ms=int(call.started_at.timestamp() * 1000)
            )
            for call in calls
        ]
        for delivery in deliveries:
            delivery.result(timeout_seconds=60)
    return str(calls[-1].fields["subscriber_id"])


def count_rows(compose: Compose) -> int:
    """Return how many feature rows the lake holds."""
    ((rows,),) = compose.project.lake.sql("SELECT count(*) FROM features.subscriber").rows
    return int(rows)


def await_rows(compose: Compose, rows: int) -> None:
    """Return when the lake holds as many feature rows."""
    eventually(lambda: count_rows(compose) >= rows, f"{rows} feature rows", 120)
    assert count_rows(compose) == rows


def live_jobs(compose: Compose) -> list[LiveJob]:
    """Return the jobs of the cluster that have not ended."""
    flink = compose.project.settings.flink
    return FlinkCluster(flink.rest_address, flink.rest_port).live_jobs()


def restart(compose: Compose) -> None:
    """Start the submitter again and return when it is healthy."""
    compose.run("up", "--detach", "--wait", "--no-deps", "feature-job", timeout_seconds=200)


def eventually(holds: Callable[[], bool], what: str, seconds: float) -> None:
    """Return when it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"no {what} after {seconds:.0f} s"
        time.sleep(0.5)


def _simulator() -> Any:
    spec = importlib.util.spec_from_file_location("roaming_simulate", PROJECT / "simulate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _containers(folder: Path) -> Compose:
    kafka, valkey, mlflow, flink, http = free_ports(5)
    (folder / "lake").mkdir()
    (folder / "keys").mkdir()
    environment = {
        # Never root: it would be allowed what the user of a team's machine is not.
        "HEADRACE_UID": str(os.getuid() or 1000),
        "HEADRACE_GID": str(os.getgid() or 1000),
        "HEADRACE_LAKE_FOLDER": str(folder / "lake"),
        "HEADRACE_PROJECT_FOLDER": str(PROJECT),
        "HEADRACE_KAFKA_HOST_PORT": str(kafka),
        "HEADRACE_VALKEY_HOST_PORT": str(valkey),
        "HEADRACE_MLFLOW_HOST_PORT": str(mlflow),
        "HEADRACE_FLINK_HOST_PORT": str(flink),
        "HEADRACE_HTTP_HOST_PORT": str(http),
        "HEADRACE_HTTP_KEYS_FOLDER": str(folder / "keys"),
        "COMPOSE_PROFILES": "http",
        "HEADRACE_PII__SECRET": SECRET,
    }
    settings = {
        "HEADRACE_KAFKA__BOOTSTRAP_SERVERS": f"{LOOPBACK}:{kafka}",
        "HEADRACE_FLINK__TARGET": "remote",
        "HEADRACE_FLINK__REST_PORT": str(flink),
        "HEADRACE_LAKE__PATH": str(folder / "lake"),
        "HEADRACE_ONLINE__STORE": "valkey",
        "HEADRACE_PII__SECRET": SECRET,
        "HEADRACE_ONLINE__URL": f"redis://{LOOPBACK}:{valkey}/0",
        "HEADRACE_MLFLOW__TRACKING_URI": f"http://{LOOPBACK}:{mlflow}",
        "HEADRACE_HTTP__KEYS": str(folder / "keys" / "http-keys.json"),
        "HEADRACE_HTTP__PORT": str(http),
    }
    return Compose(f"headrace-test-{uuid.uuid4().hex[:8]}", environment, settings)


def _fails(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0


def _show_logs(containers: Compose) -> None:
    print(containers.run("logs", "--no-color", "--tail", "40", timeout_seconds=60))
