"""Stopping single processes of a running stack and letting them go on: by files that the supervisor looks at."""

import time
from collections.abc import Sequence

from headrace.stack.errors import NotRunningError, ProcessFailedError
from headrace.stack.folders import StackFolders
from headrace.stack.state import running_state

_LOOK_SECONDS = 0.1


def hold(folders: StackFolders, names: Sequence[str], *, held: bool, timeout_seconds: float) -> dict[str, str]:
    """Hold processes, or let them go on, and return their states when they have got there.

    Raises:
        NotRunningError: No stack runs here.
        ProcessFailedError: A process did not get there in time.
    """
    if running_state(folders) is None:
        raise NotRunningError(
            "the stack of this project is not running", {"where": str(folders.project)}, "headrace up --detach"
        )
    for name in names:
        if held:
            folders.hold_file(name).touch()
        else:
            folders.hold_file(name).unlink(missing_ok=True)
    wanted = "held" if held else "ready"
    deadline = time.monotonic() + timeout_seconds
    while True:
        state = running_state(folders)
        phases = (
            {process.name: str(process.phase) for process in state.processes if process.name in names} if state else {}
        )
        if phases and all(phase == wanted for phase in phases.values()):
            return phases
        if time.monotonic() > deadline:
            shown = ", ".join(f"{name} {phase}" for name, phase in phases.items()) or "the stack has ended"
            raise ProcessFailedError(
                f"not {wanted} after {timeout_seconds:.0f} s: {shown}", {"where": str(folders.root)}, "headrace status"
            )
        time.sleep(_LOOK_SECONDS)
