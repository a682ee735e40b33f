"""All sinks of a project in one process, a thread each: a slow one holds up no other."""

import sys
import threading

from headrace_lake.sessions import Once

from headrace.sinks.project_sinks import open_sink
from headrace.sinks.sink import Sink
from headrace.topics import make_topics
from headrace.workers.runtime import Worker, run

_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 10.0
_END_SECONDS = 10.0
"""A request that is on its way at the end is not waited for any longer; it is sent again by the next start."""


def body(worker: Worker) -> None:
    """Send until the worker is told to stop."""
    project = worker.project
    make_topics(project)
    sinks = [open_sink(project, one, worker.stop) for one in project.sinks.values()]
    waiting = threading.Semaphore(0)
    threads = [_started(sink, worker, waiting) for sink in sinks]
    for _ in sinks:
        while not waiting.acquire(timeout=_LOOK_SECONDS) and not worker.stop.is_set():
            pass
    if not worker.stop.is_set():
        worker.ready(sinks=len(sinks))
    worker.stop.wait()
    for thread in threads:
        thread.join(_END_SECONDS)
    for name, sink in zip(project.sinks, sinks, strict=True):
        counters = sink.counters
        worker.log.info("%s: %d delivered, %d dead letters", name, counters.delivered, counters.dead_letters)


def _started(sink: Sink, worker: Worker, ready: threading.Semaphore) -> threading.Thread:
    told = Once(ready.release)

    def work() -> None:
        while not worker.stop.is_set():
            try:
                sink.run(worker.stop, told)
            except Exception:
                # The border of a sink's work: the others go on.
                worker.log.exception("a sink failed; trying again in %.0f s", _PAUSE_SECONDS)
                worker.stop.wait(_PAUSE_SECONDS)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


if __name__ == "__main__":
    sys.exit(run("sinks", body))
