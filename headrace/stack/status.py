"""What the processes of a stack are doing now: the supervisor's state and what the system says about them."""

import time
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from headrace.stack.folders import StackFolders
from headrace.stack.state import Phase, ProcessPhase, ProcessState, last_state, running_state


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process, for people.

    Attributes:
        name: Its name.
        phase: What it is doing.
        pid: Process id, while it runs.
        uptime_seconds: Since its last start, while it runs.
        restarts: How often it was started again.
        port: Port that it listens on, if any.
        rss_bytes: Resident memory of the process and of all it has started, while it runs.
        message: Why it failed or is being restarted.
    """

    name: str
    phase: ProcessPhase
    pid: int | None
    uptime_seconds: int | None
    restarts: int
    port: int | None
    rss_bytes: int | None
    message: str


@dataclass(frozen=True, slots=True)
class StackStatus:
    """The whole stack, for people. Without a supervisor there are no processes."""

    phase: Phase
    pid: int | None = None
    bootstrap_servers: str = ""
    processes: tuple[ProcessStatus, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def stack_status(folders: StackFolders) -> StackStatus:
    """Return what runs on this project now; a stack that failed to start is `failed` until the next start."""
    state = running_state(folders)
    if state is None:
        last = last_state(folders)
        return StackStatus("failed" if last is not None and last.phase == "failed" else "stopped")
    processes = tuple(_process_status(process) for process in state.processes)
    return StackStatus(state.phase, state.pid, state.bootstrap_servers, processes)


def _process_status(process: ProcessState) -> ProcessStatus:
    running = process.pid is not None and process.started_at_ms is not None
    return ProcessStatus(
        name=process.name,
        phase=process.phase,
        pid=process.pid,
        uptime_seconds=int(time.time() - (process.started_at_ms or 0) / 1000) if running else None,
        restarts=process.restarts,
        port=process.port,
        rss_bytes=_resident_bytes(process.pid) if process.pid is not None else None,
        message=process.message,
    )


def _resident_bytes(pid: int) -> int | None:
    total_bytes = 0
    try:
        parent = psutil.Process(pid)
        total_bytes = parent.memory_info().rss
        for each in parent.children(recursive=True):
            total_bytes += each.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # ended while it was looked at: what was counted so far is as true as any number
    return total_bytes or None
