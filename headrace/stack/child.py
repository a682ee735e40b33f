"""One child process of the supervisor: started in its own group and on a leash, ended with all it has started."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from headrace.stack.leash import end_group
from headrace.stack.logs import last_telling_line
from headrace.stack.spec import ProcessSpec, ReadyFile
from headrace.stack.state import ProcessPhase, ProcessState


class Child:
    """A process of the stack and what has become of it. Not thread-safe: one supervisor owns it.

    Attributes:
        spec: What it is.
        phase: What it is doing.
        since: When its present run started, on the supervisor's clock, in seconds.
        deaths_at: Instants of its deaths, on the supervisor's clock.
        retry_at: When it is to be started again.
        message: Why it failed or is being restarted.
    """

    def __init__(self, spec: ProcessSpec, log_file: Path) -> None:
        self.spec = spec
        self.phase: ProcessPhase = "waiting"
        self.since = 0.0
        self.deaths_at: list[float] = []
        self.retry_at = 0.0
        self.message = ""
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at_ms: int | None = None
        self._starts = 0

    def start(self, environment: Mapping[str, str], now: float) -> None:
        """Start the process. Its output is appended to its log file."""
        if isinstance(self.spec.ready, ReadyFile):
            self.spec.ready.path.unlink(missing_ok=True)
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.spec.command,
                env={**environment, **self.spec.environment},
                # The pipe is the leash: it breaks when the supervisor dies.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Its own session: Ctrl-C reaches the supervisor only, and the group can be ended as one.
                start_new_session=True,
            )
        self.phase = "starting"
        self.since = now
        self._started_at_ms = time.time_ns() // 1_000_000
        self._starts += 1

    def has_ended(self) -> bool:
        """Tell whether the process is not running; what it had started is then ended too."""
        if self._process is None:
            return True
        if self._process.returncode is None:
            # Looked at without reaping: until it is reaped its group's id cannot be another's.
            if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return False
            self._kill_group()
            self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
        return True

    def terminate(self) -> None:
        """Ask the process to end; what it has started is its own to end."""
        if not self.has_ended() and self._process:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and everything it has started, now."""
        if not self.has_ended() and self._process:
            self._kill_group()
            self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()

    def exit_text(self) -> str:
        """Return how the process ended: `ended with 1`, `was ended by SIGKILL`."""
        code = self._process.returncode if self._process else None
        if code is None:
            return "has not ended"
        return f"ended with {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"

    def state(self) -> ProcessState:
        """Return what status shows of it."""
        running = self._process is not None and self._process.returncode is None
        return ProcessState(
            name=self.spec.name,
            phase=self.phase,
            pid=self._process.pid if running and self._process else None,
            port=self.spec.port,
            started_at_ms=self._started_at_ms,
            restarts=max(self._starts - 1, 0),
            message=self.message,
        )

    def last_log_line(self) -> str:
        """Return the last line of the log that says something, or an empty text."""
        return last_telling_line(self._log_file)

    def _kill_group(self) -> None:
        if self._process:
            end_group(self._process.pid)
