"""A Valkey server of the benchmark's own: a program on this machine, or a container; gone afterwards."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.bench.errors import BenchError
from headrace.stack.broker import stop_process
from headrace.stack.ports import LOOPBACK, free_ports, is_open

IMAGE = "valkey/valkey:8"
PROGRAMS = ("valkey-server", "redis-server")

_ENGINE_SECONDS = 20.0
_READY_SECONDS = 30.0


@contextmanager
def local_valkey(folder: Path) -> Iterator[int | None]:
    """Start an empty server that keeps nothing on disk, and give its port on the loopback address.

    None where neither one of `PROGRAMS` nor a container engine with `IMAGE` is here; nothing is downloaded.

    Raises:
        BenchError: It does not start.
    """
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    (port,) = free_ports(1)
    if program is not None:
        command = [program, "--port", str(port), "--bind", LOOPBACK, "--dir", str(folder), "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _await_port(port)
            yield port
        finally:
            stop_process(process, grace_seconds=5)
        return
    docker = shutil.which("docker")
    if docker is None or _said(docker, "image", "inspect", "--format", "{{.Id}}", IMAGE) is None:
        yield None
        return
    container = _said(docker, "run", "--detach", "--rm", "--publish", f"{LOOPBACK}:{port}:6379", IMAGE,
                      "valkey-server", "--save", "")  # fmt: skip
    if container is None:
        raise BenchError(
            f"the container of {IMAGE} does not start", {"expected": "a container engine"}, f"docker run {IMAGE}"
        )
    try:
        _await_port(port)
        yield port
    finally:
        _said(docker, "stop", "--time", "2", container)


def _said(*command: str) -> str | None:
    """Return what the command says, None where it fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_ENGINE_SECONDS)
    except subprocess.TimeoutExpired:
        return None  # an engine that hangs is none
    return done.stdout.strip() if done.returncode == 0 else None


def _await_port(port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not is_open(port):
        if time.monotonic() > deadline:
            raise BenchError(
                f"the Valkey server does not answer on port {port}", {"after": f"{_READY_SECONDS:.0f} s"}, "docker ps"
            )
        time.sleep(0.05)
