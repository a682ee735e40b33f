"""Events into their topics by the other keys that views read them by."""

import sys

from headrace_streaming.rekey import Rekeyer

from headrace.topics import make_topics
from headrace.workers.runtime import Worker, run


def body(worker: Worker) -> None:
    """Write until the worker is told to stop; without a view by another key there is nothing to write."""
    project = worker.project
    if not project.rekeyed:
        worker.ready(topics=0)
        worker.stop.wait()
        return
    make_topics(project)
    name = f"{project.settings.kafka.topic_prefix}headrace-rekey.{project.settings.name}"
    rekeyer = Rekeyer(project.connection(), project.contracts, project.rekeyed.values(), name)
    rekeyer.run(worker.stop, worker.ready)


if __name__ == "__main__":
    sys.exit(run("rekey", body))
