"""Events into the topics that are made of theirs: by the other keys that views read them by, and merges."""

import sys

from headrace_ingestion.merged import MergedContract
from headrace_streaming.outgoing import copies
from headrace_streaming.rekey import Rekeyer

from headrace.topics import make_topics
from headrace.workers.runtime import Worker, run


def body(worker: Worker) -> None:
    """Write until the worker is told to stop."""
    project = worker.project
    if not project.rekeyed and not project.derived:
        worker.ready(topics=0)
        worker.stop.wait()
        return
    make_topics(project)
    name = f"{project.settings.kafka.topic_prefix}headrace-rekey.{project.settings.name}"
    merged = [contract for contract in project.derived.values() if isinstance(contract, MergedContract)]
    connection = project.connection()
    turns = copies(project.readable, project.rekeyed.values(), merged, connection.topic_prefix)
    rekeyer = Rekeyer(connection, turns, name)
    rekeyer.run(worker.stop, worker.ready)


if __name__ == "__main__":
    sys.exit(run("rekey", body))
