"""The end of a process whose loop no longer turns."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from headrace.workers.stillness import LOOK_SECONDS, STILL_SECONDS, watch


def ended(turned_at: Callable[[float], float | None], seconds: float) -> float | None:
    """Watch a loop on a clock of our own; return at which second it was ended, None when it was not."""
    now = 0.0
    ends: list[float] = []

    def wait(pause_seconds: float) -> bool:
        nonlocal now
        now += pause_seconds
        return now > seconds

    watch(lambda: turned_at(now), wait, "the scorer", clock=lambda: now, end=lambda what: ends.append(now))
    return ends[0] if ends else None


def test_a_loop_that_stands_still_is_ended_at_the_second_look() -> None:
    assert ended(lambda now: min(now, 100.0), 1_000) == 100 + STILL_SECONDS + 2 * LOOK_SECONDS


@pytest.mark.parametrize(
    "turned_at",
    [
        pytest.param(lambda now: None, id="that has not begun"),
        pytest.param(lambda now: now - STILL_SECONDS, id="that turns just often enough"),
        pytest.param(lambda now: now - 400 if now == 500 else now, id="whose process was stopped"),
    ],
)
def test_a_loop_is_left_alone(turned_at: Callable[[float], float | None]) -> None:
    assert ended(turned_at, 1_000) is None


def test_the_process_says_where_it_stands_and_ends() -> None:
    code = "from headrace.workers.stillness import end_process; end_process('the scorer of m')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 1
    assert "most recent call first" in found.stderr
    assert found.stderr.splitlines()[-1] == "the scorer of m stood still for 180 s; ending, to be started anew"
