"""What a process of the stack is: how it starts, when it counts as ready, how often it may die. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headrace.stack.ports import is_open


@dataclass(frozen=True, slots=True)
class ReadyFile:
    """Ready when the process has written this file."""

    path: Path

    def holds(self) -> bool:
        """Tell whether the process is ready."""
        return self.path.is_file()


@dataclass(frozen=True, slots=True)
class PortOpen:
    """Ready when the port of the loopback address accepts connections."""

    port: int

    def holds(self) -> bool:
        """Tell whether the process is ready."""
        return is_open(self.port)


ReadyCheck = ReadyFile | PortOpen


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How a process that died is started again.

    Attributes:
        first_pause_seconds: Pause before the first restart; each further one is twice as long.
        longest_pause_seconds: No pause is longer.
        deaths: After this many deaths within `within_seconds` it is given up.
        within_seconds: Older deaths are forgotten, and with them the long pauses.
    """

    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 10.0
    deaths: int = 5
    within_seconds: float = 60.0

    def pause_seconds(self, deaths_at: list[float], now: float) -> float | None:
        """Return the pause after the newest of these deaths, or None when the process is to be given up.

        Args:
            deaths_at: Instants of all deaths, oldest first, on the same clock as `now`.
            now: The present.
        """
        recent = [instant for instant in deaths_at if now - instant <= self.within_seconds]
        if len(recent) >= self.deaths:
            return None
        return float(min(self.first_pause_seconds * 2 ** max(len(recent) - 1, 0), self.longest_pause_seconds))


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of the stack.

    Attributes:
        name: What status and logs call it.
        command: Program and arguments.
        ready: When it counts as ready.
        environment: Variables added to those of the supervisor.
        depends_on: Names of processes that must be ready before it starts, and that end after it.
        port: Port that it listens on, for people to see.
        restarts: How it is started again.
        ready_seconds: How long it may take to become ready.
        grace_seconds: How long it may take to end after SIGTERM before it is killed.
    """

    name: str
    command: tuple[str, ...]
    ready: ReadyCheck
    environment: Mapping[str, str] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    port: int | None = None
    restarts: RestartPolicy = RestartPolicy()
    ready_seconds: float = 120.0
    grace_seconds: float = 15.0
