"""up, status, logs, down and doctor on a real stack: that of a project that declares nothing, a broker alone."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import eventually

from headrace.stack.folders import StackFolders
from headrace.stack.ports import LOOPBACK, is_open
from headrace.stack.state import is_supervised, running_state


def headrace(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the project as a process."""
    command = [sys.executable, "-m", "headrace", *arguments, "--project", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def project(folder: Path) -> Path:
    """A project that declares nothing."""
    (folder / "headrace.yaml").write_text("name: trial\n")
    return folder


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a project whose stack was started with --detach."""
    folder = project(tmp_path_factory.mktemp("project"))
    started = headrace(folder, "up", "--detach")
    assert started.returncode == 0, started.stderr
    yield folder
    if is_supervised(StackFolders(folder)):
        headrace(folder, "down")


def test_status_tells_programs_what_runs(up: Path) -> None:
    answer = headrace(up, "status", "--output", "json")
    assert answer.returncode == 0
    status = json.loads(answer.stdout)
    assert status["phase"] == "healthy"
    (kafka,) = status["processes"]
    assert (kafka["name"], kafka["phase"], kafka["restarts"]) == ("kafka", "ready", 0)
    assert status["bootstrap_servers"] == f"127.0.0.1:{kafka['port']}"
    assert 50e6 < kafka["rss_bytes"] < 1e9


def test_status_tells_people_what_runs(up: Path) -> None:
    answer = headrace(up, "status")
    heading, _, line = answer.stdout.splitlines()
    assert heading.split() == ["process", "state", "pid", "uptime_s", "restarts", "port", "rss_mib", "message"]
    assert line.split()[:2] == ["kafka", "ready"]


def test_a_second_up_is_refused_with_the_pid_of_the_first(up: Path) -> None:
    state = running_state(StackFolders(up))
    assert state is not None
    answer = headrace(up, "up")
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr == (
        f"AlreadyRunningError: a stack runs on this project already, with pid {state.pid}\n"
        f"  where:  {up}/.headrace\n"
        "  try:    headrace down\n"
    )


def test_logs_show_the_last_lines_of_a_process(up: Path) -> None:
    answer = headrace(up, "logs", "kafka", "-n", "200")
    assert answer.returncode == 0
    assert "Kafka Server started" in answer.stdout
    assert len(headrace(up, "logs", "kafka", "-n", "3").stdout.splitlines()) == 3


def test_doctor_finds_a_healthy_stack(up: Path) -> None:
    answer = headrace(up, "doctor", "--output", "json")
    findings = {each["subject"]: each for each in json.loads(answer.stdout)}
    assert findings["stack"]["found"].startswith("healthy, pid ")
    assert findings["java"]["result"] == "ok"
    assert answer.returncode == 0


def test_a_broker_that_was_killed_is_back_on_its_port_and_nothing_is_left_after_down(up: Path) -> None:
    folders = StackFolders(up)
    state = running_state(folders)
    assert state is not None
    pid, port = state.processes[0].pid, state.processes[0].port
    assert pid is not None
    assert port is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: (now := running_state(folders)) is not None and now.processes[0].restarts == 1)
    eventually(lambda: (now := running_state(folders)) is not None and now.phase == "healthy")
    assert is_open(port)
    down = headrace(up, "down")
    assert (down.returncode, down.stdout) == (0, "trial is down\n")
    assert not is_supervised(folders)
    assert not is_open(port)
    again = headrace(up, "down")
    assert (again.returncode, again.stdout) == (0, "trial was down already\n")
    assert headrace(up, "status").stdout == "trial: stopped\n"


def test_ctrl_c_ends_a_stack_in_the_foreground(tmp_path: Path) -> None:
    folder = project(tmp_path)
    command = [sys.executable, "-m", "headrace", "up", "--project", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        eventually(lambda: (now := running_state(StackFolders(folder))) is not None and now.phase == "healthy")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "kafka ready on port" in said
    assert "kafka stopped" in said


def test_a_fixed_port_that_is_taken_keeps_the_stack_from_starting(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        answer = headrace(folder, "up", "--set", f"kafka.port={port}")
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"PortBusyError: port {port} of kafka.port is taken by another process\n")
    assert not is_supervised(StackFolders(folder))


def test_a_process_that_fails_is_named_with_its_log(tmp_path: Path) -> None:
    folder = project(tmp_path)
    data = folder / ".headrace" / "kafka" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n")
    answer = headrace(folder, "up", "--detach")
    assert answer.returncode == 1
    last = answer.stderr[answer.stderr.index("ProcessFailedError") :]
    assert last.startswith(
        "ProcessFailedError: the process 'kafka' failed: died 5 times, and the last time ended with 1"
    )
    assert f"  log:  {folder}/.headrace/logs/kafka.log\n" in last
    assert last.endswith(f"  try:  headrace logs kafka --project {folder}\n")
    assert headrace(folder, "status").stdout == "trial: failed\n"
