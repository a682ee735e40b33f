"""Which processes a project needs: from its settings and declarations to process descriptions, without side effects."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.settings import Settings, variable_of
from headrace.stack.folders import StackFolders
from headrace.stack.spec import PortOpen, ProcessSpec, ReadyFile

BROKER = "kafka"
_WORKERS = "headrace.workers"
# A job ends with a savepoint, and the first start of Flink on a busy laptop takes its time.
_JOB_GRACE_SECONDS = 60.0
_JOB_READY_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Declared:
    """What a project declares, as far as processes go.

    Attributes:
        events: Number of events.
        job_groups: Names of the feature jobs.
        rekeyed: Number of events that are made of others, or that views read by another key.
        views: Number of feature views.
        models: Names of the models.
        sinks: Number of sinks.
    """

    events: int = 0
    job_groups: tuple[str, ...] = ()
    rekeyed: int = 0
    views: int = 0
    models: tuple[str, ...] = ()
    sinks: int = 0


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """The broker that the stack itself runs: its command, and the port that clients use."""

    command: tuple[str, ...]
    port: int


def processes(
    project: Path,
    settings: Settings,
    declared: Declared,
    *,
    bootstrap_servers: str,
    broker: EmbeddedBroker | None,
    environment: Mapping[str, str],
) -> list[ProcessSpec]:
    """Return the processes of a project's stack, each after those it depends on.

    Args:
        project: The project folder.
        settings: Its settings.
        declared: What it declares.
        bootstrap_servers: Brokers that the workers connect to.
        broker: The embedded broker, or None with an external Kafka.
        environment: Variables of every worker.
    """
    folders = StackFolders(project)
    variables = {**environment, variable_of(("kafka", "bootstrap_servers")): bootstrap_servers}
    after = (BROKER,) if broker else ()
    found = [ProcessSpec(BROKER, broker.command, PortOpen(broker.port), port=broker.port)] if broker else []

    def worker(module: str, name: str, arguments: Sequence[str] = ()) -> ProcessSpec:
        command = (sys.executable, "-m", f"{_WORKERS}.{module}", "--project", str(project), "--name", name, *arguments)
        ready = ReadyFile(folders.ready_file(name))
        return ProcessSpec(name, command, ready, environment=variables, depends_on=after)

    if declared.rekeyed:
        found.append(worker("rekey", "rekey"))
    for group in declared.job_groups:
        job = worker("job", f"job-{group}", ("--group", group))
        found.append(replace(job, ready_seconds=_JOB_READY_SECONDS, grace_seconds=_JOB_GRACE_SECONDS))
    if declared.events:
        found.append(worker("lake_writer", "lake-writer"))
        if settings.upkeep.enabled:
            # It reads and writes tables alone: no broker has to be there.
            found.append(replace(worker("lake_upkeep", "lake-upkeep"), depends_on=()))
    if declared.views:
        found.append(worker("online_writer", "online-writer"))
    if declared.sinks:
        found.append(worker("sinks", "sinks"))
    if settings.http.enabled:
        found.append(replace(worker("http", "http"), port=settings.http.port))
    found += [worker("scorer", f"scorer-{model}", ("--model", model)) for model in declared.models]
    return found
