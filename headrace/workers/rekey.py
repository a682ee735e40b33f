"""Events into the topics that are made of theirs: by the other keys that views read them by, merges, and joins."""

import sys
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from headrace_ingestion.joined import JoinedContract
from headrace_ingestion.merged import MergedContract
from headrace_lake.by_id import events_by_id
from headrace_streaming.labels import BATCH_EVERY_MS, Around, label_turn
from headrace_streaming.outgoing import copies
from headrace_streaming.rekey import Rekeyer
from headrace_streaming.topics import GroupTopics

from headrace.project import Project
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
    run_all(rekeyers(project, worker.stop), worker)


def rekeyers(project: Project, stop: threading.Event) -> list[Rekeyer]:
    """Return what writes: one for all that is only copied, and one for each join, which may wait for its events.

    Args:
        project: The project.
        stop: Ends what waits.
    """
    connection = project.connection()
    prefix = connection.topic_prefix
    derived = project.derived.values()
    merged = [contract for contract in derived if isinstance(contract, MergedContract)]
    name = f"{prefix}headrace-rekey.{project.settings.name}"
    turns = copies(project.readable, project.rekeyed.values(), merged, prefix)
    dead_letters = GroupTopics(prefix).dead_letters
    found = [Rekeyer(connection, turns, name, dead_letters)] if turns else []
    around = Around(prefix, dead_letters, stop.wait)
    for contract in derived:
        if isinstance(contract, JoinedContract):
            turn = label_turn(contract, partial(_events_by_id, project, contract), around)
            topic = contract.label_contract.topic(prefix)
            found.append(Rekeyer(connection, {topic: turn}, f"{name}.{contract.name}", dead_letters, BATCH_EVERY_MS))
    return found


def run_all(found: Sequence[Rekeyer], worker: Worker) -> None:
    """Run each in a thread of its own until the worker is told to stop, or one of them fails.

    Raises:
        HeadraceError: What one of them failed with.
    """
    left, lock = set(found), threading.Lock()

    def reached(rekeyer: Rekeyer) -> None:
        with lock:
            left.discard(rekeyer)
            if not left:
                worker.ready(topics=len(worker.project.derived))

    def one(rekeyer: Rekeyer) -> None:
        try:
            rekeyer.run(worker.stop, partial(reached, rekeyer))
        finally:
            # One that has failed ends the others: the supervisor starts all of them again.
            worker.stop.set()

    with ThreadPoolExecutor(len(found)) as threads:
        for done in [threads.submit(one, rekeyer) for rekeyer in found]:
            done.result()


def _events_by_id(
    project: Project, contract: JoinedContract, ids: Collection[str]
) -> dict[str, tuple[dict[str, Any], int]]:
    return events_by_id(project.lake, contract.to_contract, ids)


if __name__ == "__main__":
    sys.exit(run("rekey", body))
