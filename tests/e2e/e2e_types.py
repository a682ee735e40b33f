"""What the tests of this folder share: a finished demonstration, and how a process of a stack is killed."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.project import Project
from headrace.stack.state import ProcessState, running_state


@dataclass(frozen=True)
class Demo:
    """A finished demonstration: its project folder, what it printed, and the commands of processes that outlived it."""

    folder: Path
    report: dict[str, Any]
    progress: str
    left: list[str]


def kill(project: Project, name: str) -> None:
    """Kill a process of the stack with SIGKILL and return when the supervisor has noticed."""
    pid = _process(project, name).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    def has_died() -> bool:
        return restarts(project, name) > 0 or _process(project, name).pid not in (pid, None)

    until(has_died, f"{name} was seen to die")


def restarts(project: Project, name: str) -> int:
    """Return how often a process was started again."""
    return _process(project, name).restarts


def until(condition: Callable[[], bool], what: str, seconds: float = 180) -> None:
    """Return when the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.3)


def _process(project: Project, name: str) -> ProcessState:
    state = running_state(project.folders)
    assert state is not None
    return next(process for process in state.processes if process.name == name)
