"""The lake writer: every topic of the project into its Delta table, exactly once."""

import os
import sys

from headrace_lake.flush import FlushPolicy
from headrace_lake.writer import LakeWriter

from headrace.tables import lake_path, project_tables
from headrace.topics import make_topics
from headrace.workers.runtime import Worker, run

_NICE = 10


def body(worker: Worker) -> None:
    """Write until the worker is told to stop; what waits then is written before it ends."""
    # A commit of many rows gives way to the events that are on their way to a score; whole seconds are meant for it.
    os.nice(_NICE)
    project = worker.project
    make_topics(project)
    lake = project.settings.lake
    writer = LakeWriter(
        project.connection(),
        lake_path(project),
        project_tables(project),
        FlushPolicy(lake.flush_interval_ms, lake.flush_rows, lake.flush_bytes),
    )
    writer.run(worker.stop, worker.ready)


if __name__ == "__main__":
    sys.exit(run("lake_writer", body))
