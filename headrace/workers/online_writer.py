"""The online writer: the newest features of every key into the online store."""

import sys

from headrace_features.online.writer import OnlineWriter

from headrace.features.online import open_online_store
from headrace.topics import make_topics
from headrace.workers.runtime import Worker, run


def body(worker: Worker) -> None:
    """Write until the worker is told to stop."""
    project = worker.project
    make_topics(project)
    group = f"{project.settings.kafka.topic_prefix}headrace-online-writer.{project.settings.name}"
    with open_online_store(project) as store:
        writer = OnlineWriter(project.connection(), store, project.views.values(), group)
        writer.run(worker.stop, worker.ready)


if __name__ == "__main__":
    sys.exit(run("online_writer", body))
