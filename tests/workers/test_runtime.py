"""The start and the end of every worker: ready file, SIGTERM, leash, errors in one line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.stack.folders import StackFolders

WORKER = """
import sys
from headrace.workers import runtime
def work(worker):
    worker.ready(tables=3)
    worker.stop.wait(60)
    worker.log.info("ended in order after %s", worker.arguments.name)
sys.exit(runtime.run("trial", work))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project folder."""
    (tmp_path / "headrace.yaml").write_text("name: roaming\n")
    return tmp_path


def start(folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the worker and return when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, "--project", str(folder), "--name", "trial-1"],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 20
    while not StackFolders(folder).ready_file("trial-1").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_a_worker_tells_facts_when_it_is_ready_and_ends_in_order_at_sigterm(folder: Path) -> None:
    process = start(folder)
    facts = json.loads(StackFolders(folder).ready_file("trial-1").read_text())
    assert (facts["pid"], facts["tables"]) == (process.pid, 3)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    first, last = said.splitlines()
    assert first.endswith("INFO headrace.trial-1 ready tables=3")
    assert last.endswith("INFO headrace.trial-1 ended in order after trial-1")


def test_a_worker_on_a_leash_ends_when_its_supervisor_is_gone(folder: Path) -> None:
    process = start(folder, HEADRACE_LEASH="1")
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 143
    assert process.stderr is not None
    process.stderr.close()


def test_without_a_leash_the_end_of_the_input_means_nothing(folder: Path) -> None:
    process = start(folder)
    assert process.stdin is not None
    process.stdin.close()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


def test_a_worker_logs_json_where_the_settings_say_so(folder: Path) -> None:
    process = start(folder, HEADRACE_LOG__FORMAT="json")
    process.terminate()
    _, said = process.communicate(timeout=20)
    entries = [json.loads(line) for line in said.splitlines()]
    assert [entry["message"] for entry in entries] == ["ready tables=3", "ended in order after trial-1"]
    assert entries[0]["level"] == "info"
    assert entries[0]["time"].endswith("Z")


def test_a_wrong_project_is_one_line_in_the_log_and_exit_status_1(folder: Path) -> None:
    (folder / "headrace.yaml").write_text("name: roaming\nlake:\n  flush_row: 1\n")
    command = [sys.executable, "-c", WORKER, "--project", str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.endswith(
        "ERROR headrace.trial DeclarationError: headrace.yaml line 3: 'flush_row' is not a known field of the section "
        "lake | fields:  path, endpoint, region, access_key_id, secret_access_key, allow_http, flush_interval_ms, "
        "flush_rows, flush_bytes, workgroups, external_folders | "
        "try:     flush_rows"
    )
