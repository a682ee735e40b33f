"""What belongs to one bounded run and to nothing else: a prefix of topics and transactions, and a folder.

A run holds a lock on its folder. What a run that was killed has left behind is removed by the next one: its lock is
free, and its folder says which topics it had.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headrace_streaming.plan import JobPlan, plan_job
from headrace_streaming.topics import GroupTopics

from headrace.stack.topics import TopicSpec, ensure_topics

if TYPE_CHECKING:
    from headrace_features.view import View

    from headrace.project import Project

_LOCK, _KEPT, _TOPICS = "lock", "kept", "topics.json"
_TIMEOUT_MS = 30_000
_GONE_SECONDS = 10.0


@dataclass(frozen=True)
class Namespace:
    """The namespace of one run.

    Attributes:
        name: What the run is called: consumer group, transactions and job carry it.
        prefix: Before each of its topics.
        folder: Its state, and what its process has to know.
        plan: The job that runs in it.
    """

    name: str
    prefix: str
    folder: Path
    plan: JobPlan

    def partitions(self, project: Project) -> dict[str, int]:
        """Return its topics, each with its number of partitions."""
        topics, kafka = self.plan.topics, project.settings.kafka
        rows = {topics.of_view(view): view.contract.topic_partitions or kafka.partitions for view in self.plan.views}
        return {**rows, topics.dead_letters: 1, topics.late_events: 1, topics.duplicates: 1}


def namespaces_folder(project: Project) -> Path:
    """Return the folder of all namespaces of a project."""
    configured = project.settings.flink.checkpoint_folder
    return (Path(configured) if configured else project.folders.flink) / "shadow"


def namespace_of(project: Project, folder: Path, views: Sequence[View]) -> Namespace:
    """Return the namespace of a folder, in which these views run."""
    prefix = project.settings.kafka.topic_prefix
    own = f"{prefix}shadow.{folder.name}."
    return Namespace(folder.name, own, folder, plan_job(views, GroupTopics(prefix, own)))


@contextmanager
def own_namespace(project: Project, label: str, views: Sequence[View], *, keep: bool = False) -> Iterator[Namespace]:
    """Make a namespace with its topics, which is gone afterwards.

    Args:
        project: The project; its brokers have to be there.
        label: Beginning of its name.
        views: What runs in it: views of one event and key.
        keep: Leave its topics and its folder.

    Raises:
        BrokerError: The brokers cannot be reached, or refuse a topic.
    """
    root = namespaces_folder(project)
    root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        # Nobody else sweeps between the folder and its lock.
        with _locked(root / ".lock"):
            _sweep(project, root, kept=False)
            folder = root / f"{label}-{uuid.uuid4().hex[:8]}"
            folder.mkdir()
            held.enter_context(_locked(folder / _LOCK))
        namespace = namespace_of(project, folder, views)
        try:
            _make_topics(project, namespace)
            yield namespace
        finally:
            if keep:
                (folder / _KEPT).touch()
            else:
                _remove(project, folder)


def clear_namespaces(project: Project) -> list[str]:
    """Remove every namespace in which nothing runs, those that were kept included, and return their names."""
    root = namespaces_folder(project)
    if not root.is_dir():
        return []
    with _locked(root / ".lock"):
        return _sweep(project, root, kept=True)


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def _make_topics(project: Project, namespace: Namespace) -> None:
    partitions = namespace.partitions(project)
    (namespace.folder / _TOPICS).write_text(json.dumps(list(partitions)))
    config, replication = {"retention.ms": "-1"}, project.settings.kafka.replication
    specs = {name: TopicSpec(count, replication, config) for name, count in partitions.items()}
    ensure_topics(project.connection(), specs)


def _sweep(project: Project, root: Path, *, kept: bool) -> list[str]:
    removed = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if (folder / _KEPT).exists() and not kept:
            continue
        with suppress(BlockingIOError), _locked(folder / _LOCK, wait=False):
            _remove(project, folder)
            removed.append(folder.name)
    return removed


def _remove(project: Project, folder: Path) -> None:
    from kafka.errors import KafkaError

    file = folder / _TOPICS
    topics = set(json.loads(file.read_text())) if file.exists() else set()
    # Where the broker is away the folder stays, and the next run removes both.
    with suppress(KafkaError):
        if topics:
            _delete_topics(project, topics)
        shutil.rmtree(folder, ignore_errors=True)


def _delete_topics(project: Project, topics: set[str]) -> None:
    from kafka import KafkaAdminClient

    admin = KafkaAdminClient(**project.connection().client_options(), request_timeout_ms=_TIMEOUT_MS)
    try:
        if there := topics & set(admin.list_topics()):
            admin.delete_topics(sorted(there))
        # The broker answers before its list of topics is without them.
        deadline = time.monotonic() + _GONE_SECONDS
        while topics & set(admin.list_topics()) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        admin.close()
