"""One demonstration for the whole session, and its project for the tests that need a stack with a history."""

import json
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from e2e_types import Demo

import headrace
from headrace.project import Project

EVENTS = 20_000
PING = """
name: ping
version: 1
key: site
time: at
fields:
  site: {type: string}
  device: {type: string}
  at: {type: timestamp}
  load: {type: double}
"""
PINGS = """
name: pings
source: ping
key: device
order: event_time
lateness: 1s
features:
  - lag: {of: load, steps: [1]}
  - window: {of: load, over: [1s, 5 rows], take: [count, sum, last]}
ttl: 1h
"""


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """`headrace demo`, run once, with its project kept."""
    folder = tmp_path_factory.mktemp("demo") / "roaming"
    command = [
        sys.executable,
        "-m",
        "headrace",
        "demo",
        "--events",
        str(EVENTS),
        "--keep",
        str(folder),
        "--output",
        "json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stderr[-4000:]
    commands = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    left = [command for command in commands if str(folder) in command]
    return Demo(folder, json.loads(done.stdout), done.stderr, left)


@pytest.fixture(scope="module")
def running(demo: Demo) -> Iterator[Project]:
    """The project of the demonstration with another event, up again: every process goes on from what it left behind."""
    added = {demo.folder / "events" / "ping.yaml": PING, demo.folder / "features" / "pings.yaml": PINGS}
    for file, declaration in added.items():
        file.write_text(declaration)
    up = [sys.executable, "-m", "headrace", "up", "--detach", "--project", str(demo.folder)]
    done = subprocess.run(up, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr[-4000:]
    yield headrace.open(demo.folder)
    down = [sys.executable, "-m", "headrace", "down", "--project", str(demo.folder)]
    subprocess.run(down, capture_output=True, check=True, timeout=200)
    for file in added:
        file.unlink()
