"""The HTTP server of a project, as a process of its stack."""

import sys

from headrace.http.server import Listener
from headrace.workers.runtime import Worker, run


def body(worker: Worker) -> None:
    """Serve until the worker is told to stop."""
    listener = Listener(worker.project)
    listener.serve(listener.server(lambda: worker.ready(url=listener.url)))


if __name__ == "__main__":
    sys.exit(run("http", body))
