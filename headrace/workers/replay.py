"""A feature job over a range of its topic, in a namespace beside production, to its end; see `headrace.shadow`."""

import json
import os
import sys
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

from headrace_ingestion.errors import HeadraceError
from headrace_streaming.job import run_bounded

from headrace.flink import flink_environment
from headrace.project import open_project
from headrace.shadow.namespace import namespace_of
from headrace.shadow.replay import ERROR_FILE, RUN_FILE, state_of
from headrace.stack.leash import hold_leash
from headrace.workers.job import job_settings, kafka_tables


def main(project_folder: Path, folder: Path) -> None:
    """Run what the file in the folder of the namespace says.

    Raises:
        HeadraceError: The project cannot be opened, or the job fails.
    """
    hold_leash()
    project = open_project(project_folder)
    given = json.loads((folder / RUN_FILE).read_text())
    namespace = namespace_of(project, folder, [project.views[name] for name in given["views"]])
    plan = namespace.plan
    ends = {int(partition): offset for partition, offset in given["ends"].items()}
    own = f"{project.settings.kafka.topic_prefix}headrace-{project.settings.name}-shadow-{namespace.name}"
    kafka = replace(kafka_tables(project, plan), group_id=own, transactional_id_prefix=own, bounded=True, ends=ends)
    settings = replace(job_settings(project, plan), state=state_of(namespace), state_uri=None, owner=own)
    os.environ.update(flink_environment(project, f"shadow-{namespace.name}"))
    run_bounded(plan, kafka, settings)


if __name__ == "__main__":
    parser = ArgumentParser(prog="headrace.workers.replay")
    parser.add_argument("--project", type=Path, required=True, help="the project folder")
    parser.add_argument("--folder", type=Path, required=True, help="the folder of the namespace")
    arguments = parser.parse_args()
    try:
        main(arguments.project, arguments.folder)
    except HeadraceError as error:
        (arguments.folder / ERROR_FILE).write_text(str(error))
        sys.exit(str(error))
