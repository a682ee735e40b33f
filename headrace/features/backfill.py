"""Backfill of a feature job: DuckDB computes its past from the lake and seeds its state, so that it goes on there.

The seam is how far the job had read before, whatever its declaration was. Up to it the lake gets every row and ledger
entry that it lacks; the job, which must not run meanwhile, begins behind it with what its windows held there.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import orjson
from headrace_features.duckdb_text import text
from headrace_features.history import Filled, Past, Place, fill, past_of
from headrace_ingestion.errors import HeadraceError
from headrace_lake.commit import append_rows
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import TableSpec
from headrace_lake.unread import has_open_transaction, unread_values
from headrace_streaming.checkpoints import StateFolder
from headrace_streaming.plan import JobPlan
from kafka.errors import KafkaError

from headrace.stack.errors import NotRunningError
from headrace.stack.state import running_state
from headrace.tables import lake_path, project_tables
from headrace.topic_identity import SeenTopics

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from headrace_features.view import View

    from headrace.project import Project

_LOG = logging.getLogger(__name__)
# A job that was killed leaves a transaction open, which the broker ends after a quarter of an hour.
_WAIT_SECONDS = 1000.0
_LOOK_SECONDS = 1.0
_HOLD_SECONDS = 180.0
_READ_DECLARATIONS = ("lake-", "online-writer", "scorer-")
"""Processes that have to read a changed declaration anew."""

Engine = Literal["duckdb", "flink"]
"""What computes the past: DuckDB from the lake, or the job itself, run bounded over its topic."""

Say = Callable[[str], None]
"""Called with a line about the progress."""


class BackfillError(HeadraceError):
    """A job cannot be backfilled."""


@dataclass
class BackfillReport:
    """What a backfill has done.

    Attributes:
        job: Name of the job.
        offsets: Partition → offset at which the job begins.
        views: View → what was added for it.
    """

    job: str
    offsets: dict[int, int] = field(default_factory=dict)
    views: dict[str, Filled] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


def has_past(project: Project, plan: JobPlan) -> bool:
    """Return whether the lake holds rows of one of the job's views, of whatever declaration, or imported events."""
    if has_rows(project, plan):
        return True
    events = f"events.{plan.views[0].contract.table}"
    if events not in _stored(project):
        return False
    ((imported,),) = project.lake.sql(f'SELECT count(*) FROM raw.{events.replace(".", "_")} WHERE "_offset" < 0').rows
    return bool(imported)


def has_rows(project: Project, plan: JobPlan) -> bool:
    """Return whether the lake holds rows of one of the job's views, of whatever declaration."""
    return not _stored(project).isdisjoint(f"features.{view.name}" for view in plan.views)


def _stored(project: Project) -> set[str]:
    """Return the tables of the lake that hold a row."""
    return {f"{table.schema}.{table.name}" for table in project.lake.tables() if table.rows}


def backfill(
    project: Project,
    plan: JobPlan,
    state: StateFolder,
    *,
    engine: Engine = "duckdb",
    say: Say = _LOG.info,
    wait_seconds: float = _WAIT_SECONDS,
) -> BackfillReport:
    """Fill the past of the job's views and seed its state. It may be ended at any moment and run again.

    Args:
        project: The project.
        plan: The job; it must not run.
        state: Where its state is.
        engine: What computes the rows.
        say: Called with lines about the progress.
        wait_seconds: How long the lake writer may take to store what the job has written before.

    Raises:
        BackfillError: The job has state of this plan, its topic was made anew, the lake lacks rows that were written
            before, the broker does not answer, or another process backfills the job. With Flink also: the lake has rows
            of this declaration in the order of event times, or the run has failed.
    """
    with alone(plan, state):
        return _backfill(project, plan, state, engine, say=say, wait_seconds=wait_seconds)


@contextmanager
def alone(plan: JobPlan, state: StateFolder) -> Iterator[None]:
    """Keep other processes from backfilling the job; the system lets them again when this one ends, however it ends.

    Raises:
        BackfillError: One of them does.
    """
    state.root.mkdir(parents=True, exist_ok=True)
    with (state.root / "backfill.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackfillError(
                f"the job {plan.group} is being backfilled by another process",
                {"views": ", ".join(view.name for view in plan.views), "lock": file.name},
                f"headrace logs job-{plan.group}",
            ) from None
        yield


def _backfill(
    project: Project,
    plan: JobPlan,
    state: StateFolder,
    engine: Engine,
    *,
    say: Say,
    wait_seconds: float = _WAIT_SECONDS,
) -> BackfillReport:
    _check_may(project, plan, state, engine)
    _wait_for_the_lake(project, plan, say, wait_seconds)
    shutil.rmtree(state.seed, ignore_errors=True)
    report = BackfillReport(plan.group)
    with project.lake.connect() as connection:
        past = past_of(connection, plan.views, plan.topics.of_event(plan.views[0].contract))
    report.offsets = past.offsets
    if engine == "flink":
        from headrace.shadow.fill import fill_by_flink

        report.views = fill_by_flink(project, plan, past, state, partial(_store, project), say=say)
    else:
        with project.lake.connect() as connection:
            report.views = _fill_by_duckdb(project, plan, past, state, connection, say)
    for name, done in report.views.items():
        added = f"{done.rows} rows, {done.ledger_entries} ledger entries"
        say(f"{name}: {added}, {done.seeds} events to go on from")
    state.write_seam(past.offsets, past.newest_ms, past.begin)
    return report


def _fill_by_duckdb(
    project: Project, plan: JobPlan, past: Past, state: StateFolder, connection: duckdb.DuckDBPyConnection, say: Say
) -> dict[str, Filled]:
    filled = {}
    for view in plan.views:
        say(f"computing the past of {view.name}")
        now_ms = time.time_ns() // 1_000_000
        store = _store(project, view)
        filled[view.name] = fill(connection, view, past, state.seed / view.name, store, now_ms=now_ms)
    return filled


def _check_may(project: Project, plan: JobPlan, state: StateFolder, engine: Engine) -> None:
    _check_is_new(plan, state)
    _check_is_one_topic(plan, state)
    if engine == "flink":
        _check_flink_may(project, plan)


def _check_flink_may(project: Project, plan: JobPlan) -> None:
    """Refuse what Flink could not go on with: rows in the order of event times, made with other events in mind."""
    stored = _stored(project)
    for view in plan.views:
        if view.order == "arrival" or f"features.{view.name}" not in stored:
            continue
        query = f"SELECT count(*) FROM raw.features_{view.name} WHERE declaration = {text(view.digest)}"
        ((rows,),) = project.lake.sql(query).rows
        if rows:
            raise BackfillError(
                f"the lake has {rows} rows of {view.name} already, and a run of Flink may take other events for late",
                {"order": "event_time", "declaration": view.digest, "expected": "no row of this declaration"},
                f"headrace features backfill {view.name} --engine duckdb",
            )


def backfill_running(project: Project, plan: JobPlan, engine: Engine = "duckdb", *, say: Say) -> BackfillReport:
    """Backfill a job of a stack that runs; then its processes go on with the declarations as they are now.

    Raises:
        NotRunningError: The stack is down, or runs no such job.
        BackfillError: See `backfill`.
        ProcessFailedError: A process was not stopped or started in time.
    """
    from headrace.flink import functions_jar, job_state
    from headrace.stack.hold import hold

    state, _ = job_state(project, plan, functions_jar())
    job, folders = f"job-{plan.group}", project.folders
    others = [name for name in _processes(project, job) if name.startswith(_READ_DECLARATIONS)]
    # They go on after the lock is gone: where this fails, the job has to backfill itself before it is ready.
    with ExitStack() as stopped, alone(plan, state):
        # Before anything is stopped.
        _check_may(project, plan, state, engine)
        stopped.callback(hold, folders, [*others, job], held=False, timeout_seconds=_HOLD_SECONDS)
        say(f"stopping {job}")
        hold(folders, [job], held=True, timeout_seconds=_HOLD_SECONDS)
        report = _backfill(project, plan, state, engine, say=say)
        say(f"starting {job} again, with what writes its rows")
        if others:
            hold(folders, others, held=True, timeout_seconds=_HOLD_SECONDS)
    bring_online(project, plan)
    return report


def _processes(project: Project, job: str) -> list[str]:
    running = running_state(project.folders)
    names = [process.name for process in running.processes] if running else []
    if job not in names:
        raise NotRunningError(
            f"the stack of this project runs no {job}",
            {"runs": ", ".join(names) or "nothing", "where": str(project.folder)},
            "headrace down; headrace up --detach" if names else "headrace up --detach",
        )
    return names


def _check_is_new(plan: JobPlan, state: StateFolder) -> None:
    newest = state.newest()
    if newest is not None:
        raise BackfillError(
            f"the job {plan.group} has state of this declaration: its past is complete",
            {"views": ", ".join(view.name for view in plan.views), "state": str(newest)},
            f"headrace features verify {plan.views[0].name}",
        )


def _check_is_one_topic(plan: JobPlan, state: StateFolder) -> None:
    if SeenTopics(state.root).are_several:
        topic = plan.topics.of_event(plan.views[0].contract)
        raise BackfillError(
            f"the topic {topic} was deleted and made anew: offsets of its events in the lake are of two topics",
            {"job": plan.group, "expected": "one topic, in whose order the past ends and the job begins"},
            f"headrace features verify {plan.views[0].name}",
        )


def bring_online(project: Project, plan: JobPlan) -> int:
    """Put the newest row of each key into the online store, and return how many keys had none or another one.

    Raises:
        OnlineStoreUnavailableError: The store does not answer.
    """
    return sum(
        project.features.reconcile(view.name, mend=True, limit=0, patience_seconds=0).mended or 0 for view in plan.views
    )


def _store(project: Project, view: View) -> Callable[[Place, pa.Table], None]:
    tables = {spec.full_name: spec for spec in project_tables(project)}

    def store(place: Place, rows: pa.Table) -> None:
        spec = tables[f"features.{view.name}" if place == "features" else f"ops.{place}"]
        schema = arrow_schema(spec)
        append_rows(lake_path(project), spec, rows.select(schema.names).cast(schema), "headrace features backfill")

    return store


def _wait_for_the_lake(project: Project, plan: JobPlan, say: Say, wait_seconds: float) -> None:
    """Return when the lake has every row that the job wrote, and every event that it had read then.

    Raises:
        BackfillError: That took too long.
    """
    deadline = time.monotonic() + wait_seconds
    is_said = False
    while (lacking := _lacking(project, plan)) is not None:
        if time.monotonic() > deadline:
            raise BackfillError(
                f"the lake lacks records of {lacking} that the job {plan.group} has written or read before",
                {"waited": f"{wait_seconds:.0f} s", "expected": "a lake writer that runs, and no open transaction"},
                "headrace status",
            )
        if not is_said:
            say(f"waiting until the lake has all records of {lacking}")
            is_said = True
        time.sleep(_LOOK_SECONDS)


def _lacking(project: Project, plan: JobPlan) -> str | None:
    """Return the first table that lacks something, or None."""
    tables = {spec.full_name: spec for spec in project_tables(project)}
    views = {view.name for view in plan.views}
    for view in plan.views:
        rows = tables[f"features.{view.name}"]
        if _has_unread(project, rows, lambda value: True) or has_open_transaction(project.connection(), rows.topic):
            return rows.full_name
    for ledger in ("ops.late_events", "ops.duplicates"):
        if _has_unread(project, tables[ledger], lambda value: orjson.loads(value).get("view") in views):
            return ledger
    event = f"events.{plan.views[0].contract.table}"
    return event if is_behind_its_rows(project, plan) else None


def _has_unread(project: Project, spec: TableSpec, counts: Callable[[bytes], bool]) -> bool:
    connection = project.connection()
    try:
        return any(counts(value) for value in unread_values(connection, lake_path(project), spec))
    except KafkaError as error:
        raise BackfillError(
            f"{spec.topic} could not be read: {error}",
            {"brokers": connection.bootstrap_servers, "expected": "what the lake lacks of it"},
            "headrace status",
        ) from error


def is_behind_its_rows(project: Project, plan: JobPlan) -> bool:
    """Return whether the lake has a row of an event that it does not have yet."""
    stored = _stored(project)
    event = plan.views[0].contract.table
    for view in plan.views:
        if f"features.{view.name}" not in stored:
            continue
        query = f"""
            SELECT count(*) FROM (
              SELECT source_partition AS p, max(source_offset) AS row FROM raw.features_{view.name} GROUP BY 1
            ) LEFT JOIN (SELECT _partition AS p, max(_offset) AS event FROM raw.events_{event} GROUP BY 1) USING (p)
            WHERE event < row OR (event IS NULL AND NOT EXISTS (
              FROM raw.deletions WHERE "table" = 'events.{event}'))
        """
        if project.lake.sql(query).rows[0][0]:
            return True
    return False
