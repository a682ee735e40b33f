"""A stack that was started by another process, and what becomes of it when that process does not live on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from headrace.stack.folders import StackFolders
from headrace.stack.state import running_state

STARTED = """
import sys
from headrace.project import open_project
from headrace.stack.up import start_detached
start_detached(open_project(sys.argv[1]), leashed=True)
print("up", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_leashed_stack_ends_with_the_process_that_started_it_even_after_kill_9(tmp_path: Path) -> None:
    (tmp_path / "headrace.yaml").write_text("name: leashed\n")
    command = [sys.executable, "-c", STARTED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        state = running_state(StackFolders(tmp_path))
        assert state is not None
        pids = [state.pid, *(process.pid for process in state.processes if process.pid)]
        os.kill(starter.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while left := [pid for pid in pids if psutil.pid_exists(pid)]:
            assert time.monotonic() < deadline, f"still running: {left}"
            time.sleep(0.1)
