"""One feature job: makes the topics, compiles the Java functions, and runs its plan until it is told to stop."""

import os
import sys
import threading
from argparse import ArgumentParser

from headrace_ingestion.errors import HeadraceError
from headrace_streaming.job import JobError, JobSettings, attach, drop, run
from headrace_streaming.plan import JobPlan, KafkaTables

from headrace import topics
from headrace.flink import flink_environment, functions_jar, job_state, kafka_properties
from headrace.project import Project
from headrace.stack.jars import fetch
from headrace.topic_identity import SeenTopics, await_another, topic_id
from headrace.workers.runtime import Worker
from headrace.workers.runtime import run as run_worker


def body(worker: Worker) -> None:
    """Run the job of the group that the arguments name."""
    project = worker.project
    plan = project.plans[worker.arguments.group]
    made = topics.make_topics(project)
    if made:
        worker.log.info("topics made or changed: %s", ", ".join(made))
    settings, kafka = job_settings(project, plan), kafka_tables(project, plan)
    topic = plan.topics.of_event(plan.views[0].contract)
    known = _known_topic(worker, plan, settings, topic)
    # Another job of the group, on a cluster, must not write while the past is computed.
    if attach(plan, kafka, settings) is None and settings.state.newest() is None:
        _begin_behind_the_past(worker, plan, settings)
    os.environ.update(flink_environment(project, worker.name))
    made_anew = threading.Event()

    def watch() -> None:
        if await_another(project.connection(), topic, known, worker.stop):
            made_anew.set()

    threading.Thread(target=watch, name="topic", daemon=True).start()
    run(
        plan,
        kafka,
        settings,
        stop=worker.stop,
        on_ready=lambda facts: worker.ready(**facts),
    )
    if made_anew.is_set():
        # The next start begins at the beginning of the new topic.
        raise JobError(
            f"the topic {topic} was deleted and made anew while the job {plan.group} read it",
            {"was": known, "then": "the job starts again, with empty windows, at the beginning of the topic"},
            "headrace status",
        )


def _known_topic(worker: Worker, plan: JobPlan, settings: JobSettings, topic: str) -> str:
    """Return the id of the job's topic; state that is of an earlier topic of that name is dropped."""
    found = topic_id(worker.project.connection(), topic)
    if found is None:
        raise JobError(f"the topic {topic} was deleted a moment ago", {"job": plan.group}, "headrace status")
    seen = SeenTopics(settings.state.root)
    if seen.is_another(found):
        # What the lake keeps of the past has offsets of the old topic: there is no seam to begin behind.
        worker.log.error(
            "the topic %s was deleted and made anew: the state of the job %s is of the old one and is dropped, "
            "its windows begin empty at the beginning of the new one",
            topic, plan.group,
        )  # fmt: skip
        drop(plan, kafka_tables(worker.project, plan), settings)
    seen.note(found)
    return found


def _begin_behind_the_past(worker: Worker, plan: JobPlan, settings: JobSettings) -> None:
    """Let a job without state go on where the lake ends, if that knows its views."""
    # DuckDB and Delta cost a second, which a job with state does not need.
    from headrace.features.backfill import alone, backfill, bring_online, has_past

    if SeenTopics(settings.state.root).are_several:
        worker.log.warning("the lake has events of several topics of this name: no past is computed from their offsets")
        return
    if settings.state.seam(settings.base_uri) is None:
        # While events are imported, what is there is not all of the past.
        with alone(plan, settings.state):
            is_past_there = has_past(worker.project, plan)
        if not is_past_there:
            return
        worker.log.info("no state of this plan, but rows of its views: computing their past from the lake")
        # The lake writer, which is started after this process was ready, has to come along.
        worker.ready(state="computing the past")
        backfill(worker.project, plan, settings.state, say=worker.log.info)
    try:
        worker.log.info("%d keys brought online", bring_online(worker.project, plan))
    except HeadraceError as error:
        # The job does not need the store; `features reconcile --mend` does the same later.
        worker.log.warning("the online store was not brought up to date: %s", error)


def kafka_tables(project: Project, plan: JobPlan) -> KafkaTables:
    """Return how the job's tables reach the project's brokers."""
    name = f"headrace-{project.settings.name}-{plan.group}"
    connection = project.connection()
    return KafkaTables(
        bootstrap_servers=connection.bootstrap_servers,
        group_id=name,
        transactional_id_prefix=f"{connection.topic_prefix}{name}-{plan.digest}",
        properties=kafka_properties(connection),
    )


def default_parallelism() -> int:
    """Return half the number of cores, at least one: the broker and the other processes need the rest."""
    return max(1, (os.cpu_count() or 1) // 2)


def job_settings(project: Project, plan: JobPlan) -> JobSettings:
    """Return how the job runs."""
    flink = project.settings.flink
    contract = plan.views[0].contract
    partitions = contract.topic_partitions or project.settings.kafka.partitions
    jar = functions_jar()
    state, state_uri = job_state(project, plan, jar)
    return JobSettings(
        jars=(*fetch(["flink"]), jar),
        parallelism=min(flink.parallelism or default_parallelism(), partitions),
        checkpoint_interval_ms=flink.checkpoint_interval_ms,
        state=state,
        backend=flink.state_backend,
        state_uri=state_uri,
        cluster=(flink.rest_address, flink.rest_port) if flink.target == "remote" else None,
        owner=f"{project.settings.kafka.topic_prefix}{project.settings.name}",
    )


if __name__ == "__main__":
    parser = ArgumentParser(prog="headrace.workers.job")
    parser.add_argument("--group", required=True, help="event and key of the views, such as call.subscriber_id")
    sys.exit(run_worker("job", body, parser=parser))
