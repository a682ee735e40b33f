"""A Flink cluster, played by a small server: which job is attached to, which one is stopped, what an error says."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from headrace_streaming.checkpoints import StateFolder
from headrace_streaming.cluster import ClusterAwayError, ClusterError, FlinkCluster, JobName
from headrace_streaming.job import JobSettings, job_name
from headrace_streaming.plan import JobPlan, KafkaTables
from headrace_streaming.topics import GroupTopics

NAME = JobName("roaming", "call.subscriber_id", "5747e5747e57", "0b7104710471")
OTHER_STATE = JobName("roaming", "call.subscriber_id", "aaaaaaaaaaaa", "0b7104710471")
OTHER_GROUP = JobName("roaming", "call.country", "5747e5747e57", "0b7104710471")
TRACE = "java.lang.RuntimeException: outer\n\tat A.b\nCaused by: org.apache.flink.FlinkException: no slots\n\tat C.d"


@dataclass
class PlayedCluster:
    """Jobs by id with their state, and what was asked of them."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuses_savepoints: bool = False
    orders: list[str] = field(default_factory=list)

    def add(self, job_id: str, name: object, state: str = "RUNNING", tasks: tuple[str, ...] = ("RUNNING",)) -> None:
        """Let a job run."""
        self.jobs[job_id] = {"jid": job_id, "name": str(name), "state": state, "tasks": tasks}

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and body of an answer."""
        parts = path.split("?")[0].strip("/").split("/")
        if parts == ["jobs", "overview"]:
            return 200, {"jobs": list(self.jobs.values())}
        job = self.jobs.get(parts[1])
        if job is None:
            return 404, {"errors": [f"org.apache.flink.NotFoundException: Job {parts[1]} not found\n\tat A.b"]}
        return self._answer_of_job(method, parts[2:], job, body)

    def _answer_of_job(
        self, method: str, rest: list[str], job: dict[str, Any], body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        if method == "PATCH":
            self.orders.append(f"cancel {job['jid']}")
            job["state"] = "CANCELED"
            return 202, {}
        if rest == ["stop"]:
            self.orders.append(f"stop {job['jid']} {body['targetDirectory']} drain={body['drain']}")
            return 202, {"request-id": "r1"}
        if rest[:1] == ["savepoints"]:
            if self.refuses_savepoints:
                operation = {"failure-cause": {"class": "x", "stack-trace": TRACE}}
                return 200, {"status": {"id": "COMPLETED"}, "operation": operation}
            job["state"] = "FINISHED"
            return 200, {"status": {"id": "COMPLETED"}, "operation": {"location": "file:/state/savepoint-1"}}
        if rest == ["status"]:
            return 200, {"status": job["state"]}
        if rest == ["exceptions"]:
            return 200, {"exceptionHistory": {"entries": [{"stacktrace": TRACE}]}}
        return 200, {"state": job["state"], "vertices": [{"status": task} for task in job["tasks"]]}


@pytest.fixture
def played() -> PlayedCluster:
    """A cluster without jobs."""
    return PlayedCluster()


@pytest.fixture
def cluster(played: PlayedCluster) -> Iterator[FlinkCluster]:
    """The client of the played cluster."""

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            status, answer = played.answer(self.command, self.path, body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_GET = do_POST = do_PATCH = _reply  # noqa: N815 - the names that http.server looks for

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield FlinkCluster("127.0.0.1", server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_running_job_of_the_same_name_is_attached_to(played: PlayedCluster, cluster: FlinkCluster) -> None:
    played.add("a1", NAME)
    played.add("b1", OTHER_GROUP)
    played.add("c1", "somebody else's job")
    assert cluster.attach(NAME, "file:///state/call.subscriber_id") == "a1"
    assert played.orders == []


def test_a_job_of_another_plan_is_stopped_with_a_savepoint_in_its_own_state_folder(
    played: PlayedCluster, cluster: FlinkCluster
) -> None:
    played.add("a1", OTHER_STATE)
    assert cluster.attach(NAME, "file:///state/call.subscriber_id") is None
    assert played.orders == ["stop a1 file:///state/call.subscriber_id/aaaaaaaaaaaa/savepoints drain=False"]


def test_a_job_that_can_make_no_savepoint_is_cancelled(played: PlayedCluster, cluster: FlinkCluster) -> None:
    played.add("a1", OTHER_STATE)
    played.refuses_savepoints = True
    assert cluster.attach(NAME, "file:///s") is None
    assert played.orders[-1] == "cancel a1"


def test_of_two_jobs_of_the_same_name_one_is_stopped(played: PlayedCluster, cluster: FlinkCluster) -> None:
    played.add("a1", NAME)
    played.add("a2", NAME)
    assert cluster.attach(NAME, "file:///s") == "a1"
    assert played.orders == ["stop a2 file:///s/5747e5747e57/savepoints drain=False"]


def test_a_job_that_has_ended_is_neither_attached_to_nor_stopped(played: PlayedCluster, cluster: FlinkCluster) -> None:
    played.add("a1", NAME, state="FAILED")
    played.add("a2", OTHER_STATE, state="CANCELED")
    assert cluster.attach(NAME, "file:///s") is None
    assert played.orders == []


def test_a_job_counts_as_running_when_each_of_its_tasks_runs(played: PlayedCluster, cluster: FlinkCluster) -> None:
    played.add("a1", NAME, tasks=("RUNNING", "SCHEDULED"))
    assert cluster.status("a1") == "SCHEDULED"
    played.add("a1", NAME, tasks=("RUNNING", "RUNNING"))
    assert cluster.status("a1") == "RUNNING"
    played.add("a1", NAME, state="RESTARTING", tasks=("CANCELED",))
    assert cluster.status("a1") == "RESTARTING"


def test_a_failure_is_the_innermost_cause(played: PlayedCluster, cluster: FlinkCluster) -> None:
    played.add("a1", NAME, state="FAILED")
    assert cluster.failure("a1") == "org.apache.flink.FlinkException: no slots"


def test_a_job_that_the_cluster_has_forgotten_is_an_error_that_says_where(cluster: FlinkCluster) -> None:
    with pytest.raises(ClusterError) as raised:
        cluster.status("a1")
    url = f"http://127.0.0.1:{cluster.port}"
    assert str(raised.value) == (
        "the Flink cluster refuses: HTTP 404 org.apache.flink.NotFoundException: Job a1 not found\n"
        f"  request:   GET {url}/jobs/a1\n"
        "  settings:  flink.rest_address, flink.rest_port\n"
        f"  try:       curl {url}/overview"
    )


def test_a_cluster_that_is_away_is_an_error_that_names_the_settings() -> None:
    with pytest.raises(ClusterAwayError) as raised:
        FlinkCluster("127.0.0.1", 1).live_jobs()
    assert str(raised.value) == (
        "the Flink cluster does not answer: [Errno 111] Connection refused\n"
        "  request:   GET http://127.0.0.1:1/jobs/overview\n"
        "  settings:  flink.rest_address, flink.rest_port\n"
        "  try:       curl http://127.0.0.1:1/overview"
    )


def test_a_name_is_read_as_it_was_written_and_other_jobs_have_none() -> None:
    assert JobName.read(str(NAME)) == NAME
    assert JobName.read("insert-into_default_catalog.default_database.records") is None


def test_whatever_flink_is_told_is_in_the_name_of_the_job(tmp_path: Path) -> None:
    plan = JobPlan("call.subscriber_id", (), (), "", (), (), "INSERT", "0123456789ab", GroupTopics())
    kafka = KafkaTables("kafka:9092", "group", "prefix")
    state = StateFolder(tmp_path, "5747e5747e57")

    def name(kafka: KafkaTables = kafka, parallelism: int = 2, plan: JobPlan = plan) -> JobName:
        return job_name(plan, kafka, JobSettings((), parallelism, 1000, state, cluster=("f", 8081), owner="roaming"))

    assert str(name()).startswith("roaming call.subscriber_id 5747e5747e57 ")
    assert name() == name()
    assert name(parallelism=4) != name()
    assert name(plan=replace(plan, insert="INSERT IN BINARY")) != name()
    assert name(KafkaTables("other:9092", "group", "prefix")) != name()
    assert name().replaces(name(parallelism=4))
