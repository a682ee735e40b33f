"""A leash: a process that holds it ends when its parent does, even when the parent was killed with -9."""

import os
import signal
import threading
from contextlib import suppress

_TERMINATED = 143
_STDIN = 0


LEASH_VARIABLE = "HEADRACE_LEASH"
"""Set by who holds the other end. Without it (in a container, at a shell) standard input means nothing."""


def hold_leash() -> None:
    """End this process, at once, when its standard input ends. The parent must hold the other end of a pipe open.

    The leader of a process group takes its group along.
    """
    threading.Thread(target=_exit_at_end_of_input, name="leash", daemon=True).start()


def end_group(leader: int) -> None:
    """Kill what is left of the process group of `leader`, a process id; nothing happens where nothing is."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _exit_at_end_of_input() -> None:
    try:
        while os.read(_STDIN, 64):
            pass
    except OSError:
        pass  # a closed or broken input is the end of it, too
    if os.getpgrp() == os.getpid():
        # What it has started goes with it: a JVM that is busy may take minutes over its own end, or never come to it.
        os.killpg(0, signal.SIGKILL)
    # Not sys.exit: this is no main thread, and clean-up may wait for what is gone.
    os._exit(_TERMINATED)
