"""Sessions with a broker, one after another: what fails is tried again, after a pause that grows."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from kafka.errors import KafkaConfigurationError, KafkaError

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0


def run_sessions(
    session: Callable[[Callable[[], None]], None],
    stop: threading.Event,
    on_ready: Callable[[], None] | None,
    log: logging.Logger,
    *,
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run a session until `stop` is set, and a new one wherever a client has failed.

    Each pause is twice as long as the one before it, and short again after a session that was longer than the longest.

    Args:
        session: Makes its clients, works until `stop` is set, and closes them. It calls what it is given when it is
            ready, every time it is.
        stop: Ends the run and the pauses.
        on_ready: Is called once, when the first of the sessions is ready.
        log: Told of what has failed.
        longest_pause_seconds: No pause is longer.
        clock: Seconds that only grow.

    Raises:
        KafkaConfigurationError: A setting is wrong: waiting does not mend it.
    """
    ready = Once(on_ready)
    pause_seconds = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        began = clock()
        try:
            session(ready)
        except KafkaConfigurationError:
            raise
        except KafkaError as error:
            if clock() - began > longest_pause_seconds:
                pause_seconds = FIRST_PAUSE_SECONDS
            log.warning("%s; trying again in %.1f s", str(error) or type(error).__name__, pause_seconds)
            stop.wait(pause_seconds)
            pause_seconds = min(longest_pause_seconds, pause_seconds * 2)


class Once:
    """Calls what it was given the first time it is called, and nothing after that."""

    def __init__(self, call: Callable[[], None] | None) -> None:
        self._call = call

    def __call__(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()
