"""The life of one feature job: run the plan's SQL from the newest state, watch it, stop it with a savepoint."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from headrace_ingestion.errors import HeadraceError

from headrace_streaming.checkpoints import StateFolder
from headrace_streaming.cluster import ENDED, FlinkCluster, JobName
from headrace_streaming.plan import JobPlan, KafkaTables, KernelStep, OrderStep, SourceStep, Step

if TYPE_CHECKING:
    from pyflink.common import JobClient
    from pyflink.table import StreamTableEnvironment, TableResult

_LOG = logging.getLogger(__name__)

_POLL_SECONDS = 0.5

StateBackend = Literal["heap", "rocksdb"]


class JobError(HeadraceError):
    """A feature job could not be started, or ended by itself."""


@dataclass(frozen=True)
class JobSettings:
    """How a job runs.

    Attributes:
        jars: Connector and functions.
        parallelism: Copies of each operator; not above the partitions of the source.
        checkpoint_interval_ms: Time between checkpoints.
        state: Where its state is.
        state_uri: The same folder as Flink's processes see it; None: as this process does.
        cluster: `(host, port)` of the REST interface of a cluster; None: inside this process.
        backend: Where state lives between checkpoints: on the Java heap, or in RocksDB on disk.
        owner: Whose job it is among those of a cluster: prefix of the topics and name of the project; no blanks.
    """

    jars: tuple[Path, ...]
    parallelism: int
    checkpoint_interval_ms: int
    state: StateFolder
    state_uri: str | None = None
    cluster: tuple[str, int] | None = None
    backend: StateBackend = "heap"
    owner: str = "headrace"

    @property
    def base_uri(self) -> str:
        """The state folder as Flink's processes see it."""
        return self.state_uri or self.state.path.absolute().as_uri()


class RunningJob(Protocol):
    """A job that was started, inside this process or on a cluster."""

    @property
    def id(self) -> str:
        """Flink's id of it."""

    def status(self) -> str:
        """Return Flink's state of it."""

    def failure(self) -> str:
        """Return why it ended, on one line."""

    def stop(self) -> None:
        """Stop it with a savepoint, or without one where it cannot make one."""


def configuration(plan: JobPlan, settings: JobSettings, restore: Path | None) -> dict[str, str]:
    """Return the options of Flink for this job."""
    base = settings.base_uri
    options = {
        "pipeline.name": f"headrace {plan.group}",
        "pipeline.jars": ";".join(jar.absolute().as_uri() for jar in settings.jars),
        "parallelism.default": str(settings.parallelism),
        # Rows are not kept by the functions, so they need not be copied between them.
        "pipeline.object-reuse": "true",
        "execution.buffer-timeout.interval": "2 ms",
        "state.backend.type": "rocksdb" if settings.backend == "rocksdb" else "hashmap",
        # Of RocksDB a checkpoint holds what is new since the one before; the heap knows no such thing.
        "execution.checkpointing.incremental": str(settings.backend == "rocksdb").lower(),
        "execution.checkpointing.interval": f"{settings.checkpoint_interval_ms} ms",
        "execution.checkpointing.dir": f"{base}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"{base}/savepoints",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.tolerable-failed-checkpoints": "10",
        "execution.checkpointing.timeout": "2 min",
        # A job that cannot go on ends, visibly; who started it starts it again.
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": "3",
        "restart-strategy.fixed-delay.delay": "1 s",
        "table.exec.state.ttl": "0",
        # Names of operators hold whole specifications otherwise.
        "table.optimizer.simplify-operator-name-enabled": "true",
    }
    if restore is not None:
        options["execution.state-recovery.path"] = _as_flink_sees(restore, settings, base)
    if settings.cluster is not None:
        host, port = settings.cluster
        options |= {"execution.target": "remote", "rest.address": host, "rest.port": str(port)}
    return options


def _as_flink_sees(restore: Path, settings: JobSettings, base: str) -> str:
    return f"{base}/{restore.relative_to(settings.state.path).as_posix()}"


def job_name(plan: JobPlan, kafka: KafkaTables, settings: JobSettings) -> JobName:
    """Return the name under which the job stands on a cluster: it changes with everything that Flink is told."""
    client = [kafka.bootstrap_servers, kafka.transactional_id_prefix]
    # The digest leaves out how rows are written: what runs is the statement.
    content = [configuration(plan, settings, None), plan.digest, plan.insert, *client]
    options = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    return JobName(settings.owner, plan.group, settings.state.digest, options)


def submit(plan: JobPlan, kafka: KafkaTables, settings: JobSettings) -> JobClient:
    """Start the job from its newest complete state and return its handle.

    Raises:
        JobError: Flink refuses the plan, or cannot be reached.
    """
    from py4j.protocol import Py4JJavaError
    from pyflink.util.exceptions import TableException

    settings.state.path.mkdir(parents=True, exist_ok=True)
    restore = settings.state.newest()
    settings.state.prune(restore)
    _LOG.info("state %s", restore or "empty")
    options = configuration(plan, settings, restore) | {"pipeline.name": str(job_name(plan, kafka, settings))}
    try:
        seam = None if restore else settings.state.seam(settings.base_uri)
        client = execute(table_environment(options), plan.steps(kafka, seam)).get_job_client()
    except (Py4JJavaError, TableException) as error:
        raise JobError(
            f"the job {plan.group} could not be started: {_first_line(error)}",
            {"views": ", ".join(view.name for view in plan.views), "state": str(restore or "empty")},
            "headrace features plan",
        ) from error
    if client is None:
        raise JobError(
            f"the job {plan.group} has no handle", {"expected": "a streaming INSERT"}, "headrace features plan"
        )
    return client


def quiet_imports() -> None:
    """Silence what the import of PyFlink says without meaning it; to be called before."""
    # Extension modules of Beam, which PyFlink imports, were built against older ones of their own; harmless.
    warnings.filterwarnings(
        "ignore", message=".* size changed, may indicate binary incompatibility", category=RuntimeWarning
    )
    logging.getLogger("apache_beam").setLevel(logging.ERROR)


def table_environment(options: Mapping[str, str]) -> StreamTableEnvironment:
    """Return a table environment with these options of Flink; the jars among them can be loaded by `execute`."""
    quiet_imports()
    from pyflink.common import Configuration
    from pyflink.datastream import StreamExecutionEnvironment
    from pyflink.table import StreamTableEnvironment

    configuration = Configuration()
    for name, value in options.items():
        configuration.set_string(name, value)
    if options.get("execution.target") != "remote":
        return StreamTableEnvironment.create(StreamExecutionEnvironment.get_execution_environment(configuration))
    from pyflink.java_gateway import get_gateway

    # The usual factory makes a cluster of its own, whatever the options say.
    java = get_gateway().jvm.org.apache.flink.streaming.api.environment.StreamExecutionEnvironment
    return StreamTableEnvironment.create(StreamExecutionEnvironment(java(configuration._j_configuration)))


def execute(environment: StreamTableEnvironment, steps: Sequence[Step]) -> TableResult:
    """Run the steps of a plan in order and return the result of the last one."""
    from pyflink.util.java_utils import add_jars_to_context_class_loader

    jars = environment.get_config().get("pipeline.jars", "")
    add_jars_to_context_class_loader(jars.split(";"))
    source, kernel = _java("headrace.SourceStep"), _java("headrace.KernelStep")
    tables = environment._j_tenv
    *before, insert = steps
    for step in before:
        match step:
            case SourceStep():
                client = json.dumps(step.client)
                bounds = (step.bounded, json.dumps(dict(step.ends)))
                reading = (*bounds, step.idle_ms, json.dumps(dict(step.offsets)), step.uid)
                source.add(tables, step.topic, step.target, step.contract, client, *reading)
            case OrderStep():
                waiting = (step.lateness_ms, step.quiet_ms, step.after_ms, json.dumps(dict(step.counted)), step.uid)
                kernel.order(tables, step.source, step.target, step.key_type, *waiting)
            case KernelStep():
                kernel.add(tables, step.source, step.target, step.spec, step.records, step.seed, step.uid)
            case statement:
                environment.execute_sql(statement)
    return environment.execute_sql(insert)


def _java(name: str) -> Any:
    from pyflink.util.java_utils import load_java_class

    return load_java_class(name).newInstance()


def run(
    plan: JobPlan,
    kafka: KafkaTables,
    settings: JobSettings,
    *,
    stop: threading.Event,
    on_ready: Callable[[Mapping[str, object]], None],
) -> None:
    """Run the job until `stop` is set; then stop it with a savepoint, from which the next start goes on.

    Args:
        plan: What it computes.
        kafka: Where from and where to.
        settings: How.
        stop: Set by the caller to end the job in order.
        on_ready: Called once, when every operator runs.

    Raises:
        JobError: The job could not be started, or ended by itself.
    """
    job = _start(plan, kafka, settings)
    announced = False
    while not stop.wait(_POLL_SECONDS if announced else 0.1):
        status = job.status()
        if status in ENDED:
            raise JobError(
                f"the job {plan.group} ended by itself: {status}",
                {"reason": job.failure(), "state": str(settings.state.newest() or "empty")},
                f"headrace logs job-{plan.group}",
            )
        if status == "RUNNING" and not announced:
            on_ready({"job_id": job.id, "plan": plan.digest})
            announced = True
    job.stop()


def run_bounded(plan: JobPlan, kafka: KafkaTables, settings: JobSettings) -> None:
    """Run the job over what `kafka` bounds, and return when all of its records are committed.

    Raises:
        JobError: The job could not be started, or has failed.
    """
    from py4j.protocol import Py4JJavaError

    client = submit(plan, kafka, settings)
    try:
        client.get_job_execution_result().result()
    except Py4JJavaError as error:
        raise JobError(
            f"the job {plan.group} has failed: {_first_line(error)}",
            {"views": ", ".join(view.name for view in plan.views), "ends": str(dict(kafka.ends) or "none")},
            "headrace features plan",
        ) from error


def attach(plan: JobPlan, kafka: KafkaTables, settings: JobSettings) -> str | None:
    """Return the id of this very job on its cluster, where it may run still: it outlives who submitted it.

    Every other one that does the same work is stopped.

    Raises:
        ClusterError: The cluster does not answer, or a job that must end does not.
    """
    if settings.cluster is None:
        return None
    root = settings.base_uri.rsplit("/", 1)[0]
    return FlinkCluster(*settings.cluster).attach(job_name(plan, kafka, settings), root)


def drop(plan: JobPlan, kafka: KafkaTables, settings: JobSettings) -> None:
    """Forget the job's state; where it runs on a cluster it is ended first.

    Raises:
        ClusterError: The cluster does not answer.
    """
    running = attach(plan, kafka, settings)
    if running is not None and settings.cluster is not None:
        FlinkCluster(*settings.cluster).stop_or_cancel(running, f"{settings.base_uri}/savepoints")
    shutil.rmtree(settings.state.path, ignore_errors=True)


def _start(plan: JobPlan, kafka: KafkaTables, settings: JobSettings) -> RunningJob:
    if settings.cluster is None:
        return _EmbeddedJob(submit(plan, kafka, settings), plan.group)
    cluster = FlinkCluster(*settings.cluster)
    found = attach(plan, kafka, settings)
    job_id = found or str(submit(plan, kafka, settings).get_job_id())
    return _ClusterJob(cluster, job_id, f"{settings.base_uri}/savepoints")


@dataclass(frozen=True)
class _ClusterJob:
    cluster: FlinkCluster
    id: str
    savepoints: str

    def status(self) -> str:
        return self.cluster.status(self.id)

    def failure(self) -> str:
        return self.cluster.failure(self.id)

    def stop(self) -> None:
        self.cluster.stop_or_cancel(self.id, self.savepoints)


class _EmbeddedJob:
    def __init__(self, client: JobClient, group: str) -> None:
        self._client = client
        self._group = group

    @property
    def id(self) -> str:
        return str(self._client.get_job_id())

    def status(self) -> str:
        return str(self._client.get_job_status().result().name)

    def failure(self) -> str:
        from py4j.protocol import Py4JJavaError

        try:
            self._client.get_job_execution_result().result()
        except Py4JJavaError as error:
            return _first_line(error)
        return "no failure was reported"

    def stop(self) -> None:
        from py4j.protocol import Py4JError
        from pyflink.java_gateway import get_gateway

        handle = self._client._j_job_client
        # PyFlink's own call lacks the format that this version of Flink asks for.
        savepoint_format = get_gateway().jvm.org.apache.flink.core.execution.SavepointFormatType.DEFAULT
        try:
            # Without advancing to the end of time: the stream is not over.
            path = handle.stopWithSavepoint(False, None, savepoint_format).get()
            _LOG.info("stopped %s with savepoint %s", self._group, path)
        except Py4JError as error:
            # The newest checkpoint is as good a start; only the stop was not in order.
            _LOG.warning("stopped %s without a savepoint: %s", self._group, _first_line(error))
            handle.cancel().get()


def _first_line(error: BaseException) -> str:
    """Return the innermost cause that a chain of Java exceptions names, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith(("Caused by:", ": "))]
    return (
        (causes[-1] if causes else lines[0] if lines else type(error).__name__).removeprefix("Caused by:").strip(": ")
    )
