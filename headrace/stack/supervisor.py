"""The supervisor: starts the processes of the stack, restarts what dies, ends everything. One thread, one clock."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event

from headrace.stack.child import Child
from headrace.stack.errors import AlreadyRunningError
from headrace.stack.folders import StackFolders
from headrace.stack.logs import rotate
from headrace.stack.spec import ProcessSpec
from headrace.stack.state import Phase, StackState, SupervisorLock, last_state, write_state

_LOOK_SECONDS = 0.05
FULL_BYTES = 64 << 20
"""With less room than this a disk counts as full: indexes of the broker's logs and a checkpoint take as much."""
_LOG = logging.getLogger("headrace.supervisor")


class Supervisor:
    """Runs the processes of one project's stack.

    Args:
        folders: Where the project's stack keeps things.
        specs: The processes. A process stands after those it depends on.
        bootstrap_servers: Brokers that clients connect to, for the state file.
        ports: Ports to be remembered for the next run.
        on_change: Called with each new state, in the supervisor's thread.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        folders: StackFolders,
        specs: Sequence[ProcessSpec],
        *,
        bootstrap_servers: str = "",
        ports: Mapping[str, int] | None = None,
        on_change: Callable[[StackState], None] = lambda state: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folders = folders
        self._children = {spec.name: Child(spec, folders.log_file(spec.name)) for spec in specs}
        self._bootstrap_servers = bootstrap_servers
        self._ports = dict(ports or {})
        self._on_change = on_change
        self._clock = clock
        self._was_healthy = False
        self._published: StackState | None = None
        self._written: StackState | None = None
        self._is_mute = False

    def run(self, stop: Event, environment: Mapping[str, str] | None = None) -> bool:
        """Run the stack until `stop` is set, or until a process fails before all were ready once.

        Args:
            stop: Ends the stack in order.
            environment: Of the children; the supervisor's own when None.

        Returns:
            True when it was stopped, False when it failed to start.

        Raises:
            AlreadyRunningError: Another supervisor runs on this project.
        """
        lock = SupervisorLock(self._folders)
        if not lock.acquire():
            lock.close()
            raise already_running(self._folders)
        try:
            for child in self._children.values():
                rotate(self._folders.log_file(child.spec.name))
                self._folders.hold_file(child.spec.name).unlink(missing_ok=True)
            self._publish("starting")
            return self._supervise(stop, dict(os.environ if environment is None else environment))
        finally:
            self._end_all()
            lock.close()

    def _supervise(self, stop: Event, environment: Mapping[str, str]) -> bool:
        while not stop.is_set():
            for child in self._children.values():
                self._advance(child, environment)
            phase = self._phase()
            self._publish(phase)
            if phase == "failed":
                return False
            stop.wait(_LOOK_SECONDS)
        return True

    def _advance(self, child: Child, environment: Mapping[str, str]) -> None:
        now = self._clock()
        if self._is_held(child, now):
            return
        if self._is_due(child, now):
            child.start(environment, now)
        elif child.phase in ("starting", "ready") and child.has_ended():
            self._bury(child, now)
        elif child.phase == "starting" and child.spec.ready.holds():
            child.phase = "ready"
            child.message = ""
            _LOG.info("%s is ready after %.1f s", child.spec.name, now - child.since)
        elif child.phase == "starting" and now - child.since > child.spec.ready_seconds:
            child.kill()
            if self._was_healthy and self._full_disk():
                self._bury(child, now)
                return
            self._give_up(child, f"not ready after {child.spec.ready_seconds:.0f} s")

    def _is_held(self, child: Child, now: float) -> bool:
        """Keep a process stopped while its hold file exists; tell whether there is nothing else to do for it."""
        wanted = self._folders.hold_file(child.spec.name).exists()
        if child.phase == "holding":
            if child.has_ended():
                child.phase = "held"
            elif now - child.since > child.spec.grace_seconds:
                child.kill()
        elif child.phase == "held":
            if not wanted:
                child.phase = "waiting"
        elif wanted:
            child.terminate()
            child.phase, child.since, child.message = "holding", now, ""
        return child.phase in ("holding", "held")

    def _is_due(self, child: Child, now: float) -> bool:
        if child.phase == "waiting":
            return all(self._children[name].phase == "ready" for name in child.spec.depends_on)
        return child.phase == "restarting" and now >= child.retry_at

    def _bury(self, child: Child, now: float) -> None:
        child.deaths_at.append(now)
        pause_seconds = child.spec.restarts.pause_seconds(child.deaths_at, now)
        full = self._full_disk()
        if full and self._was_healthy:
            # Not its own fault: it is started again for as long as that lasts. A start on a full disk fails at once.
            pause_seconds = child.spec.restarts.longest_pause_seconds
        if pause_seconds is None:
            self._give_up(child, f"died {len(child.deaths_at)} times, and the last time {child.exit_text()}")
            return
        child.phase = "restarting"
        child.retry_at = now + pause_seconds
        child.message = f"{full}{child.exit_text()}: {child.last_log_line()}"
        _LOG.warning("%s %s%s, again in %.1f s", child.spec.name, full, child.exit_text(), pause_seconds)

    def _full_disk(self) -> str:
        """Return what to say of a disk that is full, or an empty text."""
        free_bytes = shutil.disk_usage(self._folders.root).free
        return "" if free_bytes >= FULL_BYTES else f"the disk is full ({free_bytes >> 20} MiB left): "

    def _give_up(self, child: Child, why: str) -> None:
        child.phase = "failed"
        child.message = f"{why}: {child.last_log_line()}"
        _LOG.error("%s failed: %s", child.spec.name, child.message)

    def _phase(self) -> Phase:
        phases = {child.phase for child in self._children.values()}
        if phases <= {"ready", "held"}:
            self._was_healthy = True
            return "healthy"
        if self._was_healthy:
            return "degraded"
        return "failed" if "failed" in phases else "starting"

    def _end_all(self) -> None:
        """End dependents before what they depend on; each has its grace, then its whole group is killed."""
        failed = self._published is not None and self._published.phase == "failed"
        asked_at: dict[str, float] = {}
        while left := [child for child in self._children.values() if child.phase not in ("stopped", "failed")]:
            names = {child.spec.name: child.spec.depends_on for child in left}
            for child in left:
                self._end(child, asked_at, names)
            self._publish("failed" if failed else "stopping")
            time.sleep(_LOOK_SECONDS)
        self._publish("failed" if failed else "stopped")

    def _end(self, child: Child, asked_at: dict[str, float], left: Mapping[str, tuple[str, ...]]) -> None:
        name = child.spec.name
        if child.has_ended():
            child.phase = "stopped"
        elif name not in asked_at:
            if not any(name in depends_on for depends_on in left.values()):
                asked_at[name] = self._clock()
                child.phase = "stopping"
                child.terminate()
        elif self._clock() - asked_at[name] > child.spec.grace_seconds:
            _LOG.warning("%s did not end within %.0f s and is killed", name, child.spec.grace_seconds)
            child.kill()

    def _publish(self, phase: Phase) -> None:
        processes = tuple(child.state() for child in self._children.values())
        state = StackState(phase, os.getpid(), self._bootstrap_servers, self._ports, processes)
        if state != self._published:
            self._published = state
            self._on_change(state)
        if state != self._written:
            self._write(state)

    def _write(self, state: StackState) -> None:
        try:
            write_state(self._folders, state)
        except OSError as error:
            # The processes run on, and it is tried again at the next look.
            if not self._is_mute:
                _LOG.error("what runs cannot be written to %s: %s", self._folders.state_file, error)
            self._is_mute = True
        else:
            self._written = state
            self._is_mute = False


def already_running(folders: StackFolders) -> AlreadyRunningError:
    """Return the error of a second start on the same project."""
    state = last_state(folders)
    return AlreadyRunningError(
        f"a stack runs on this project already, with pid {state.pid if state else 'unknown'}",
        {"where": str(folders.root)},
        "headrace down",
    )
