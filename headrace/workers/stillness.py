"""Ends a process whose loop no longer turns: nothing inside it can mend that, and the supervisor starts it anew."""

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

STILL_SECONDS = 180.0
"""Longest time between two turns: each wait of a turn, for the broker or for a model, ends long before."""

LOOK_SECONDS = 5.0


def end_when_still(turned_at: Callable[[], float | None], stop: threading.Event, what: str) -> None:
    """Watch a loop in a thread of its own, and end the process when it has not turned for `STILL_SECONDS`.

    Args:
        turned_at: When the loop last turned, in seconds of `time.monotonic`; None before it has begun.
        stop: Ends the watch.
        what: What the loop does, for the log.
    """
    thread = threading.Thread(target=watch, args=(turned_at, stop.wait, what), name="stillness", daemon=True)
    thread.start()


def watch(
    turned_at: Callable[[], float | None],
    wait: Callable[[float], bool],
    what: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    end: Callable[[str], None] | None = None,
) -> None:
    """Look every few seconds until `wait` says that it is over, or the loop was found still twice in a row.

    Args:
        turned_at: When the loop last turned; None before it has begun.
        wait: Waits for as many seconds, or returns True when the watch is over.
        what: What the loop does.
        clock: Seconds of the clock of `turned_at`.
        end: What is done with a loop that stands still; None: the end of the process.
    """
    looks = 0
    while not wait(LOOK_SECONDS):
        at = turned_at()
        # A process that was itself stopped, and goes on, gets the time until the next look to turn.
        looks = looks + 1 if at is not None and clock() - at > STILL_SECONDS else 0
        if looks == 2:
            (end or end_process)(what)
            return


def end_process(what: str) -> None:
    """Say where each thread stands, and end the process with status 1, at once."""
    faulthandler.dump_traceback(file=sys.stderr)
    # The last line of a log is what `headrace status` shows.
    log.critical("%s stood still for %.0f s; ending, to be started anew", what, STILL_SECONDS)
    logging.shutdown()
    # Nothing is flushed or closed: what stands still may hold what that would need.
    os._exit(1)
