"""What runs: the state file that a supervisor writes and everybody reads, and the lock that says it is alive."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from typing import Literal

from headrace.stack.cache import atomic_file
from headrace.stack.folders import StackFolders

Phase = Literal["starting", "healthy", "degraded", "failed", "stopping", "stopped"]
ProcessPhase = Literal["waiting", "starting", "ready", "restarting", "failed", "holding", "held", "stopping", "stopped"]
"""`holding` ends and `held` has ended because somebody asked for it, until it is asked to go on."""


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One process as its supervisor sees it.

    Attributes:
        name: Its name.
        phase: What it is doing.
        pid: Process id, while it runs.
        port: Port that it listens on, if any.
        started_at_ms: When it was last started.
        restarts: How often it was started again.
        message: Why it failed or is being restarted; empty otherwise.
    """

    name: str
    phase: ProcessPhase
    pid: int | None = None
    port: int | None = None
    started_at_ms: int | None = None
    restarts: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class StackState:
    """The whole stack as its supervisor sees it.

    Attributes:
        phase: `healthy` when every process is ready; `degraded` when one is not any more.
        pid: Process id of the supervisor.
        bootstrap_servers: Brokers that clients connect to.
        ports: Ports of the embedded broker, to be used again by the next run.
        processes: In the order of their start.
    """

    phase: Phase
    pid: int
    bootstrap_servers: str
    ports: dict[str, int]
    processes: tuple[ProcessState, ...]


def write_state(folders: StackFolders, state: StackState) -> None:
    """Replace the state file: a reader sees the old state or the new one."""
    with atomic_file(folders.state_file) as part:
        part.write_text(json.dumps(asdict(state), indent=1))


def last_state(folders: StackFolders) -> StackState | None:
    """Return the state that was written last, of a running stack or of one that has ended; None when there is none."""
    try:
        data = json.loads(folders.state_file.read_text())
    except FileNotFoundError:
        return None
    processes = tuple(ProcessState(**process) for process in data.pop("processes"))
    return StackState(**data, processes=processes)


def running_state(folders: StackFolders) -> StackState | None:
    """Return the state of the stack that runs on this project, or None when none does."""
    return last_state(folders) if is_supervised(folders) else None


class SupervisorLock:
    """The lock of a project's supervisor. The system drops it when the process ends, however it ends."""

    def __init__(self, folders: StackFolders) -> None:
        folders.run.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(folders.lock_file, os.O_RDWR | os.O_CREAT, 0o644)

    def acquire(self) -> bool:
        """Take the lock and return True, or return False when another process has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)


def is_supervised(folders: StackFolders) -> bool:
    """Tell whether a supervisor of this project is alive."""
    if not folders.lock_file.exists():
        return False
    descriptor = os.open(folders.lock_file, os.O_RDONLY)
    try:
        # Shared: two processes that look at the same time do not take each other for a supervisor.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
