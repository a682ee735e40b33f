"""A Flink cluster over its REST interface: which jobs run there, how one is, how one is stopped. Needs no PyFlink."""

from __future__ import annotations

import http.client
import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace_ingestion.errors import HeadraceError

_LOG = logging.getLogger(__name__)

ENDED = frozenset({"FAILED", "CANCELED", "FINISHED", "SUSPENDED"})
"""States that a job does not leave by itself."""

_ENDING = frozenset({"CANCELLING", "FAILING"})
_LOOK_SECONDS = 0.25
_REQUEST_SECONDS = 30.0


class ClusterError(HeadraceError):
    """A Flink cluster cannot be reached, or refuses what it was asked."""


class ClusterAwayError(ClusterError):
    """(retryable) The cluster does not answer."""


@dataclass(frozen=True, slots=True)
class JobName:
    """The name of a job on a cluster. It says whose job it is and what decides whether it must be replaced.

    Attributes:
        owner: Prefix of the topics and name of the project; no blanks.
        group: Event and key of its views.
        state: Digest of the state folder: jobs of another one cannot go on from each other's state.
        options: Digest of everything else that was handed to Flink.
    """

    owner: str
    group: str
    state: str
    options: str

    def __str__(self) -> str:
        return f"{self.owner} {self.group} {self.state} {self.options}"

    @classmethod
    def read(cls, text: str) -> JobName | None:
        """Return the name that `str` wrote, or None for a job of somebody else."""
        parts = text.split(" ")
        return cls(*parts) if len(parts) == 4 else None

    def replaces(self, other: JobName) -> bool:
        """Tell whether the other job does the same work: the two must never run together."""
        return (self.owner, self.group) == (other.owner, other.group)


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A job that has not ended.

    Attributes:
        id: Thirty-two hexadecimal digits.
        name: Who wrote it knows what it says; see `JobName`.
        state: Flink's state of it.
    """

    id: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class FlinkCluster:
    """A cluster.

    Attributes:
        host: Host of the job manager's REST interface.
        port: Its port.
    """

    host: str
    port: int

    def live_jobs(self) -> list[LiveJob]:
        """Return the jobs that have not ended.

        Raises:
            ClusterError: The cluster does not answer.
        """
        jobs = self._ask("GET", "/jobs/overview")["jobs"]
        return [LiveJob(job["jid"], job["name"], job["state"]) for job in jobs if job["state"] not in ENDED]

    def attach(self, name: JobName, state_root: str) -> str | None:
        """Return the id of the job of this very name, or None when there is none and it may be submitted now.

        Every other job that does the same work is stopped first: two of them would fence each other's transactions.

        Args:
            name: The job that is wanted.
            state_root: Folder (a URI) of the group's state folders; the savepoints of a stopped job stand in its own.

        Raises:
            ClusterError: The cluster does not answer, or a job that must end does not.
        """
        found: str | None = None
        for job in self.live_jobs():
            other = JobName.read(job.name)
            if other is None or not name.replaces(other):
                continue
            if found is None and other == name and job.state not in _ENDING:
                _LOG.info("found the job %s running as %s", name, job.id)
                found = job.id
            else:
                _LOG.info("stopping the job %s, %s", job.name, job.id)
                self.stop_or_cancel(job.id, f"{state_root}/{other.state}/savepoints")
        return found

    def status(self, job_id: str) -> str:
        """Return the state of a job; `SCHEDULED` while it counts as running and some task does not run yet.

        Raises:
            ClusterError: The cluster does not answer, or does not know the job.
        """
        job = self._ask("GET", f"/jobs/{job_id}")
        state = str(job["state"])
        if state == "RUNNING" and any(task["status"] != "RUNNING" for task in job["vertices"]):
            return "SCHEDULED"
        return state

    def failure(self, job_id: str) -> str:
        """Return the innermost cause of a job's newest failure, on one line."""
        history = self._ask("GET", f"/jobs/{job_id}/exceptions").get("exceptionHistory", {}).get("entries", [])
        return _innermost(history[0]["stacktrace"]) if history else "no failure was reported"

    def stop(self, job_id: str, savepoints: str, timeout_seconds: float = 120) -> str:
        """Stop a job with a savepoint below the folder `savepoints` (a URI) and return where it is.

        Raises:
            ClusterError: There is no savepoint: the job cannot make one now, or has ended meanwhile. It may run on.
        """
        # Without draining: the stream is not over.
        order = {"targetDirectory": savepoints, "drain": False, "formatType": "CANONICAL"}
        request = self._ask("POST", f"/jobs/{job_id}/stop", order)["request-id"]
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            answer = self._ask("GET", f"/jobs/{job_id}/savepoints/{request}")
            if answer["status"]["id"] == "COMPLETED":
                return self._savepoint(job_id, answer.get("operation") or {})
            time.sleep(_LOOK_SECONDS)
        raise ClusterError(
            f"the job {job_id} has no savepoint after {timeout_seconds:.0f} s",
            {"where": savepoints, "cluster": self._url()},
            f"{self._url()}/#/job/running/{job_id}/checkpoints",
        )

    def cancel(self, job_id: str, timeout_seconds: float = 60) -> None:
        """Cancel a job and return when it has ended. Its newest checkpoint stays.

        Raises:
            ClusterError: The cluster does not answer, or the job has not ended in time.
        """
        if self._state(job_id) not in ENDED | _ENDING:
            self._ask("PATCH", f"/jobs/{job_id}?mode=cancel")
        deadline = time.monotonic() + timeout_seconds
        while self._state(job_id) not in ENDED:
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"the job {job_id} has not ended {timeout_seconds:.0f} s after it was cancelled",
                    {"cluster": self._url()},
                    f"{self._url()}/#/job/running/{job_id}/overview",
                )
            time.sleep(_LOOK_SECONDS)

    def stop_or_cancel(self, job_id: str, savepoints: str) -> None:
        """Stop a job with a savepoint, or without one where it cannot make one; return when it has ended."""
        try:
            _LOG.info("stopped %s with savepoint %s", job_id, self.stop(job_id, savepoints))
        except ClusterAwayError:
            raise
        except ClusterError as error:
            # The newest checkpoint is as good a start; only the stop was not in order.
            _LOG.warning("stopping %s without a savepoint: %s", job_id, str(error).splitlines()[0])
        self.cancel(job_id)

    def _state(self, job_id: str) -> str:
        return str(self._ask("GET", f"/jobs/{job_id}/status")["status"])

    def _savepoint(self, job_id: str, operation: Mapping[str, Any]) -> str:
        if "location" in operation:
            return str(operation["location"])
        reason = _innermost(operation.get("failure-cause", {}).get("stack-trace", ""))
        raise ClusterError(f"the job {job_id} could not make a savepoint: {reason}", {"cluster": self._url()})

    def _url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url() + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            with error:
                reason = _reason(error.read())
            raise self._refused(method, path, f"HTTP {error.code} {reason}", away=error.code == 503) from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", error))
            raise self._refused(method, path, reason, away=True) from error

    def _refused(self, method: str, path: str, reason: str, *, away: bool) -> ClusterError:
        kind = ClusterAwayError if away else ClusterError
        what = "does not answer" if away else "refuses"
        return kind(
            f"the Flink cluster {what}: {reason}",
            {"request": f"{method} {self._url()}{path}", "settings": "flink.rest_address, flink.rest_port"},
            f"curl {self._url()}/overview",
        )


def _reason(body: bytes) -> str:
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
    return _innermost("\n".join(map(str, errors)))


def _innermost(stacktrace: str) -> str:
    """Return the innermost cause that a Java stack trace names."""
    lines = [line.strip() for line in stacktrace.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by:")]
    return (
        (causes[-1] if causes else lines[0] if lines else "no reason was reported").removeprefix("Caused by:").strip()
    )
