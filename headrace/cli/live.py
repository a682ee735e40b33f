"""The stack while it starts and runs: a live table on a terminal, a line a change elsewhere; always on stderr."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from headrace.stack.state import ProcessState, StackState

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_COLOURS = {"ready": "green", "failed": "red", "restarting": "yellow", "starting": "cyan", "stopping": "cyan"}


class StackView:
    """Shows each new state of a stack. Used as a context manager; call `show` with every change."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._shown: dict[str, str] = {}
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        """Begin to draw, when stderr is a terminal."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the terminal."""
        if self._live:
            self._live.stop()

    def show(self, state: StackState) -> None:
        """Draw the state, or write the lines that are new in it."""
        if self._live:
            self._live.update(_drawn(state))
            return
        seconds = time.monotonic() - self._started
        for process in state.processes:
            text = _text(process)
            if process.phase != "waiting" and self._shown.get(process.name) != text:
                self._shown[process.name] = text
                sys.stderr.write(f"{seconds:6.1f} s  {text}\n")
        sys.stderr.flush()


def _text(process: ProcessState) -> str:
    port = f" on port {process.port}" if process.port and process.phase == "ready" else ""
    # While it starts again the reason of its last death is known already.
    why = f": {process.message}" if process.message and process.phase != "starting" else ""
    return f"{process.name} {process.phase}{port}{why}"


def _drawn(state: StackState) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for process in state.processes:
        port = str(process.port) if process.port else ""
        phase = Text(process.phase, style=_COLOURS.get(process.phase, "dim"))
        restarts = f"{process.restarts} restarts" if process.restarts else ""
        table.add_row(process.name, phase, port, restarts, Text(process.message, overflow="ellipsis", no_wrap=True))
    return table
