"""Starts and stops the stack of a project: in this process, or in one that goes on by itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from types import FrameType
from typing import IO

from headrace.pii import project_secret
from headrace.project import Project, not_running
from headrace.settings import FILE_NAME, variable_of
from headrace.stack.broker import broker_command
from headrace.stack.errors import ProcessFailedError
from headrace.stack.folders import StackFolders
from headrace.stack.java import java_home
from headrace.stack.layout import BROKER, Declared, EmbeddedBroker, processes
from headrace.stack.leash import LEASH_VARIABLE
from headrace.stack.logs import rotate, tail
from headrace.stack.ports import LOOPBACK, choose_port
from headrace.stack.state import ProcessState, StackState, is_supervised, last_state, running_state
from headrace.stack.supervisor import Supervisor, already_running

SUPERVISOR_LOG = "supervisor"
_LOOK_SECONDS = 0.1
_SHOWN_LINES = 10
_LEASHES: list[IO[bytes]] = []
"""Held open for as long as this process lives; their other ends are the stacks that end with it."""


def run_stack(
    project: Project,
    stop: Event,
    *,
    flags: Mapping[str, str] | None = None,
    on_change: Callable[[StackState], None] = lambda state: None,
) -> None:
    """Run the stack in this process until `stop` is set, then end it in order.

    Args:
        project: The project.
        stop: Ends the stack in order.
        flags: Settings of the command line; the workers get them as variables of their environment.
        on_change: Called with each new state.

    Raises:
        AlreadyRunningError: A stack runs on this project already.
        ProcessFailedError: A process failed before all were ready; everything was ended.
        PortBusyError: A port that the settings fix is taken.
        JarError: Jars are missing and cannot be fetched.
    """
    folders = project.folders
    if is_supervised(folders):
        raise already_running(folders)
    if project.settings.kafka.bootstrap_servers is None:
        # The workers see brokers and would make none.
        project_secret(project)
    broker, ports = _embedded_broker(project)
    servers = project.settings.kafka.bootstrap_servers or f"{LOOPBACK}:{ports[BROKER]}"
    specs = processes(
        project.folder,
        project.settings,
        Declared(
            events=len(project.contracts),
            job_groups=project.job_groups,
            rekeyed=len(project.rekeyed) + len(project.derived),
            views=len(project.views),
            models=tuple(project.model_declarations),
            sinks=len(project.sinks),
        ),
        bootstrap_servers=servers,
        broker=broker,
        environment=_environment(flags or {}),
    )
    supervisor = Supervisor(folders, specs, bootstrap_servers=servers, ports=ports, on_change=on_change)
    if not supervisor.run(stop):
        raise _failure(last_state(folders), folders)


def stop_on_signals(stop: Event) -> None:
    """Set `stop` on SIGINT, SIGTERM and SIGHUP."""

    def request_stop(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, request_stop)


def start_detached(
    project: Project,
    *,
    flags: Mapping[str, str] | None = None,
    on_change: Callable[[StackState], None] = lambda state: None,
    timeout_seconds: float = 300,
    leashed: bool = False,
) -> StackState:
    """Start the stack in a process of its own and return when all its processes are ready.

    Args:
        project: The project.
        flags: Settings of the command line.
        on_change: Called with each new state.
        timeout_seconds: How long it may take.
        leashed: Whether the stack ends when this process does, however it does.

    Raises:
        AlreadyRunningError: A stack runs on this project already.
        ProcessFailedError: A process failed; the message holds the last lines of its log. Nothing runs then.
    """
    folders = project.folders
    if is_supervised(folders):
        raise already_running(folders)
    log_file = folders.log_file(SUPERVISOR_LOG)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    rotate(log_file)
    command = [sys.executable, "-m", "headrace.workers.supervisor", "--project", str(project.folder)]
    command += [part for name, text in (flags or {}).items() for part in ("--set", f"{name}={text}")]
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if leashed else subprocess.DEVNULL,
            env={**os.environ, LEASH_VARIABLE: "1"} if leashed else None,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if process.stdin is not None:
        _LEASHES.append(process.stdin)
    return _await_healthy(process, folders, on_change, time.monotonic() + timeout_seconds)


def stop_stack(folders: StackFolders, *, timeout_seconds: float = 120) -> None:
    """Ask the running stack to stop and return when it has.

    Raises:
        NotRunningError: No stack runs on this project.
        ProcessFailedError: It still runs after the timeout.
    """
    state = running_state(folders)
    if state is None:
        raise not_running(folders.project)
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_seconds
    while is_supervised(folders):
        if time.monotonic() > deadline:
            raise ProcessFailedError(
                f"the stack has not stopped after {timeout_seconds:.0f} s",
                {"pid": str(state.pid), "log": str(folders.log_file(SUPERVISOR_LOG))},
                f"kill -9 {state.pid}",
            )
        time.sleep(_LOOK_SECONDS)


def _embedded_broker(project: Project) -> tuple[EmbeddedBroker | None, dict[str, int]]:
    kafka = project.settings.kafka
    if kafka.bootstrap_servers is not None:
        return None, {}
    folders = project.folders
    last = last_state(folders)
    used = last.ports if last else {}
    where = str(project.folder / FILE_NAME)
    names = {BROKER: kafka.port, f"{BROKER}-controller": None}
    ports: dict[str, int] = {}
    for name, fixed in names.items():
        # The last run's port again: a client that was left running finds its broker.
        preferred = [used[name]] if name in used else []
        ports[name] = choose_port(fixed, "kafka.port", where, preferred)
    command = broker_command(folders.kafka, ports[BROKER], ports[f"{BROKER}-controller"])
    return EmbeddedBroker(tuple(command), ports[BROKER]), ports


def _environment(flags: Mapping[str, str]) -> dict[str, str]:
    return {
        LEASH_VARIABLE: "1",
        "JAVA_HOME": str(java_home()),
        "PYTHONUNBUFFERED": "1",
        **{variable_of(tuple(name.split("."))): text for name, text in flags.items()},
    }


def _await_healthy(
    process: subprocess.Popen[bytes], folders: StackFolders, on_change: Callable[[StackState], None], deadline: float
) -> StackState:
    shown: StackState | None = None
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        state = last_state(folders)
        # The state of an earlier run has another pid.
        if state is not None and state.pid == process.pid and state != shown:
            shown = state
            on_change(state)
            if state.phase == "healthy":
                return state
        if ended:
            raise _failure(shown, folders)
        time.sleep(_LOOK_SECONDS)
    process.terminate()
    raise _failure(shown, folders)


def _failure(state: StackState | None, folders: StackFolders) -> ProcessFailedError:
    guilty = next((each for each in state.processes if each.phase == "failed"), None) if state else None
    if guilty is None:
        log_file = folders.log_file(SUPERVISOR_LOG)
        return ProcessFailedError(
            "the stack did not start", {"log": _shown(log_file)}, f"headrace doctor --project {folders.project}"
        )
    return _process_failure(guilty, folders)


def _process_failure(process: ProcessState, folders: StackFolders) -> ProcessFailedError:
    log_file = folders.log_file(process.name)
    return ProcessFailedError(
        f"the process {process.name!r} failed: {process.message}",
        {"log": _shown(log_file)},
        f"headrace logs {process.name} --project {folders.project}",
    )


def _shown(log_file: Path) -> str:
    return "\n    ".join([str(log_file), *tail(log_file, _SHOWN_LINES)])
