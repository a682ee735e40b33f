"""Events over HTTP: `headrace serve` as a process of its own, and a client with one connection that is kept open."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

import orjson
import psutil
from headrace_ingestion.contract import Contract
from headrace_ingestion.settings import KafkaConnection

from headrace.bench.errors import BenchError
from headrace.bench.load import end_offsets
from headrace.stack.broker import stop_process
from headrace.stack.leash import LEASH_VARIABLE, end_group
from headrace.stack.logs import tail

TOPIC_PREFIX = "http."
"""Stands before the topic that the server writes to."""

REQUESTS: Mapping[str, int] = {"json_lines": 1_000, "one_event": 1}
"""Client → events of each of its requests."""

_LINES, _JSON = "application/x-ndjson", "application/json"
# A server loads what it needs when it first needs it: the last, for its audit, five seconds after the first request.
_FIRST_SHARE = 0.6
_WARM_UP_SHARE = 0.1
_READY_SECONDS = 60.0
_REQUEST_SECONDS = 60.0
_GRACE_SECONDS = 15.0
_SHOWN_LINES = 5
_WITHOUT = "headrace bench ingest --http-seconds 0 (without HTTP)"


@dataclass(frozen=True)
class Posted:
    """What a client's requests took, one after the other, each until the broker had acknowledged its events.

    Attributes:
        events: Events of all measured requests.
        seconds: From the first request to the last answer.
        cpu_seconds: CPU time of the server meanwhile.
        request_ms: What each request took, in milliseconds.
    """

    events: int
    seconds: float
    cpu_seconds: float
    request_ms: list[float]


@dataclass(frozen=True)
class _Server:
    pid: int
    host: str
    port: int


def post_events(
    project: Path,
    connection: KafkaConnection,
    contract: Contract,
    fields: Sequence[Mapping[str, Any]],
    seconds: float,
    report: Callable[[str], None],
) -> dict[str, Posted]:
    """Return client → what its requests took.

    Args:
        project: Folder of the project that is served.
        connection: Its broker; the topic of the event exists there with `TOPIC_PREFIX`.
        contract: The event.
        fields: The events, sent over and over.
        seconds: How long each client is measured, after a tenth of that to warm up; the first one after more.
        report: Called with a line about the progress.

    Raises:
        BenchError: The server did not start, refused events, or not all of them are on the topic.
    """
    topic, path = contract.topic(TOPIC_PREFIX), f"/events/{contract.name}"
    posted: dict[str, Posted] = {}
    with _served(project, connection) as server:
        for name, size in REQUESTS.items():
            bodies = _bodies(fields, size)
            before = sum(end_offsets(connection, topic).values())
            share = _WARM_UP_SHARE if posted else _FIRST_SHARE
            warm = _post(server, path, bodies, size, seconds * share)
            found = posted[name] = _post(server, path, bodies, size, seconds)
            stored = sum(end_offsets(connection, topic).values()) - before
            if stored != warm.events + found.events:
                raise BenchError(
                    f"{topic} holds {stored:,} of {warm.events + found.events:,} events that the server has accepted",
                    {"brokers": connection.bootstrap_servers},
                    "headrace bench ingest --http-seconds 1",
                )
            report(f"over HTTP, {size:,} a request  {name:<18} {found.events / found.seconds:>10,.0f} events/s")
    return posted


def _bodies(fields: Sequence[Mapping[str, Any]], size: int) -> list[bytes]:
    lines = [orjson.dumps(one) for one in fields]
    # All of one size: of fewer events than a request has, some are sent twice in it.
    some = lines * -(-size // len(lines))
    return [b"\n".join(some[first : first + size]) for first in range(0, len(some) - size + 1, size)]


def _post(server: _Server, path: str, bodies: Sequence[bytes], size: int, seconds: float) -> Posted:
    """Send requests until that time is over; at least one."""
    headers = {"Content-Type": _JSON if size == 1 else _LINES}
    client = http.client.HTTPConnection(server.host, server.port, timeout=_REQUEST_SECONDS)
    client.connect()
    request_ms: list[float] = []
    cpu_before, began = _cpu_seconds(server.pid), time.perf_counter()
    ended = began
    for body in cycle(bodies):
        sent = ended
        client.request("POST", path, body, headers)
        answer = client.getresponse()
        said = answer.read()
        ended = time.perf_counter()
        # 200 says that every event of it was acknowledged: reading the answer would take CPU time from the server.
        if answer.status != 200:
            raise BenchError(
                f"the server answered a request of {size:,} events with {answer.status}",
                {"answer": said[:300].decode(errors="replace")},
                _WITHOUT,
            )
        request_ms.append((ended - sent) * 1_000)
        if ended - began >= seconds:
            break
    cpu_seconds = _cpu_seconds(server.pid) - cpu_before
    client.close()
    return Posted(size * len(request_ms), ended - began, cpu_seconds, request_ms)


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@contextmanager
def _served(project: Path, connection: KafkaConnection) -> Iterator[_Server]:
    """Serve a project with its default settings on a free port."""
    settings = {"kafka.bootstrap_servers": connection.bootstrap_servers, "kafka.topic_prefix": TOPIC_PREFIX}
    command = [sys.executable, "-m", "headrace", "serve", "--port", "0", "--project", str(project)]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    # What the environment sets for other projects is not meant for this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    log_file = project / "serve.log"
    with log_file.open("wb") as log:
        # The pipe to its standard input is a leash: nothing is written to it.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            env={**environment, LEASH_VARIABLE: "1"},
        )  # fmt: skip
    try:
        url = urlsplit(_url_of(process, log_file))
        yield _Server(process.pid, url.hostname or "", url.port or 0)
    finally:
        stop_process(process, _GRACE_SECONDS)
        end_group(process.pid)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def _url_of(process: subprocess.Popen[bytes], log_file: Path) -> str:
    """Return where it serves: the last word of the one line that it prints."""
    if process.stdout is None:
        raise RuntimeError("the server was started without a pipe from its output")
    late = Timer(_READY_SECONDS, process.kill)
    late.start()
    words = process.stdout.readline().split()
    late.cancel()
    if not words:
        raise BenchError(
            "headrace serve did not start",
            {"waited": f"{_READY_SECONDS:g} s at most", "said": "\n    ".join(tail(log_file, _SHOWN_LINES))},
            _WITHOUT,
        )
    return words[-1].decode()
