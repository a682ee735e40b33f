"""CPU time of processes and of all they have started, sampled while they run."""

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import psutil

_SAMPLE_SECONDS = 0.25

Samples = Sequence[tuple[float, float]]
"""Instant in seconds since 1970, and CPU-seconds used until then; ascending."""


class CpuSampler:
    """Samples the CPU time of one or more process trees in a thread. Used as a context manager."""

    def __init__(self, pids: Sequence[int]) -> None:
        """Make a sampler of the trees below these processes."""
        self._pids = tuple(pids)
        self._samples: list[tuple[float, float]] = []
        # A child that has ended takes its CPU time along: what was last seen of it stays in the sum.
        self._seen: dict[tuple[int, float], float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cpu-sampler", daemon=True)

    @property
    def samples(self) -> list[tuple[float, float]]:
        """What was sampled so far."""
        return list(self._samples)

    def __enter__(self) -> Self:
        """Begin to sample."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._sample()
            if self._stop.wait(_SAMPLE_SECONDS):
                return

    def _sample(self) -> None:
        for pid in self._pids:
            try:
                parent = psutil.Process(pid)
                tree = [parent, *parent.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            for process in tree:
                try:
                    times = process.cpu_times()
                    self._seen[process.pid, process.create_time()] = times.user + times.system
                except psutil.NoSuchProcess:
                    continue  # ended while it was looked at
        self._samples.append((time.time(), sum(self._seen.values())))


def cpu_seconds_between(samples: Samples, begin_ms: int, end_ms: int) -> float:
    """Return the CPU-seconds used between two instants, in milliseconds since 1970, interpolated between samples."""
    return _at(samples, end_ms / 1000) - _at(samples, begin_ms / 1000)


def _at(samples: Samples, instant: float) -> float:
    if not samples:
        return 0.0
    index = bisect_left(samples, (instant, 0.0))
    if index == 0:
        return samples[0][1]
    if index == len(samples):
        return samples[-1][1]
    (before, used), (after, used_after) = samples[index - 1], samples[index]
    share = (instant - before) / (after - before) if after > before else 1.0
    return used + share * (used_after - used)
