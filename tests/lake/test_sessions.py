"""Sessions with a broker: a failed one is followed by another, pauses grow, and readiness is told once."""

import logging
import threading
from collections.abc import Callable

import pytest
from headrace_lake.sessions import run_sessions
from kafka.errors import KafkaConfigurationError, KafkaConnectionError

LOG = logging.getLogger("headrace.sessions")


class Hurried(threading.Event):
    """An event that notes how long it is waited for, and lets nobody wait."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses_seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses_seconds.append(timeout)
        return self.is_set()


def failing(stop: Hurried, lengths_seconds: list[float]) -> tuple[Callable[[Callable[[], None]], None], list[float]]:
    """Return sessions that become ready and fail after so many seconds each, the last one ends; and their clock."""
    now = [0.0]

    def session(ready: Callable[[], None]) -> None:
        ready()
        if not lengths_seconds:
            stop.set()
            return
        now[0] += lengths_seconds.pop(0)
        raise KafkaConnectionError("no broker")

    return session, now


def test_each_pause_is_twice_as_long_until_the_longest_and_short_again_after_a_session_that_lasted() -> None:
    stop = Hurried()
    session, now = failing(stop, [0, 0, 0, 0, 0, 0, 5.5, 0])
    run_sessions(session, stop, None, LOG, clock=lambda: now[0])
    assert stop.pauses_seconds == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 0.5, 1.0]


def test_readiness_is_told_once_however_many_sessions_become_ready(caplog: pytest.LogCaptureFixture) -> None:
    stop, told = Hurried(), []
    session, now = failing(stop, [0, 0])
    run_sessions(session, stop, lambda: told.append(len(stop.pauses_seconds)), LOG, clock=lambda: now[0])
    assert told == [0]
    assert [record.getMessage() for record in caplog.records] == [
        "KafkaConnectionError: no broker; trying again in 0.5 s",
        "KafkaConnectionError: no broker; trying again in 1.0 s",
    ]


def test_a_wrong_setting_is_not_tried_again() -> None:
    stop = Hurried()

    def session(ready: Callable[[], None]) -> None:
        raise KafkaConfigurationError("acks")

    with pytest.raises(KafkaConfigurationError):
        run_sessions(session, stop, None, LOG)
    assert stop.pauses_seconds == []
