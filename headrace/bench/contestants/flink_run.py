"""The process of a contestant that runs on Flink: the feature job, or plain SQL. Reads to the present end and finishes.

All are configured alike: checkpoints every second, exactly-once, the same parallelism, memory and client settings.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from headrace_streaming.checkpoints import StateFolder
from headrace_streaming.job import JobSettings, configuration, execute, table_environment
from headrace_streaming.plan import JobPlan, KafkaTables, Step

from headrace.bench.contestants.flink_sql import SqlTables, pass_through, stacked_windows
from headrace.bench.contestants.spec import RunSpec
from headrace.bench.project import RunTopics, plan_of, result_topic
from headrace.flink import flink_environment, functions_jar
from headrace.project import Project, open_project
from headrace.stack.jars import fetch
from headrace.stack.leash import hold_leash

CHECKPOINT_INTERVAL_MS = 1000


def steps(project: Project, spec: RunSpec) -> tuple[Step, ...]:
    """Return what the contestant runs, the INSERT last."""
    view = project.views["subscriber"]
    tables = SqlTables(spec.bootstrap_servers, spec.source, result_topic(spec.prefix), spec.prefix)
    if spec.contestant == "pass_through":
        return tuple(pass_through(view, tables))
    if spec.contestant == "stacked_sql":
        return tuple(stacked_windows(view, tables))
    kafka = KafkaTables(
        bootstrap_servers=spec.bootstrap_servers,
        group_id=f"{spec.prefix}bench",
        transactional_id_prefix=spec.prefix,
        bounded=True,
    )
    return _plan(project, spec).steps(kafka)


def run(project: Project, spec: RunSpec) -> None:
    """Run the contestant to its end."""
    plan = _plan(project, spec)
    settings = JobSettings(
        jars=(*fetch(["flink"]), functions_jar()),
        parallelism=spec.parallelism,
        checkpoint_interval_ms=CHECKPOINT_INTERVAL_MS,
        state=StateFolder(spec.state, "bench"),
        backend=spec.backend,
    )
    settings.state.path.mkdir(parents=True)
    os.environ.update(flink_environment(project, f"bench-{spec.contestant}"))

    environment = table_environment(configuration(plan, settings, None))
    # The instants that plain SQL reads and writes are in UTC, as everywhere here.
    environment.get_config().set_local_timezone("UTC")
    execute(environment, steps(project, spec)).wait()


def _plan(project: Project, spec: RunSpec) -> JobPlan:
    return plan_of(project, RunTopics(spec.prefix, source=spec.source), spec.encoding)


def main(arguments: Sequence[str]) -> None:
    """Run the contestant that the first argument describes."""
    hold_leash()
    spec = RunSpec.from_json(arguments[0])
    run(open_project(Path(spec.project), environ={}), spec)


if __name__ == "__main__":
    main(sys.argv[1:])
