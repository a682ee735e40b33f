"""Which topic a job's state is of: offsets of one that was deleted mean nothing in one that was made in its place."""

from __future__ import annotations

import json
import threading
from contextlib import closing, suppress
from pathlib import Path

from headrace_ingestion.settings import KafkaConnection
from headrace_lake.topics import describe_topic
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

LOOK_SECONDS = 0.5
"""How soon a job learns that its topic was made anew, unless a record that it reads there tells it before."""
_ANSWER_MS = 10_000


class SeenTopics:
    """The ids of all topics of one name that a job has read, in the folder of its states.

    Args:
        folder: Folder of all states of the job.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "topics.json"

    def is_another(self, topic_id: str) -> bool:
        """Return whether this topic is another one than the job has read last."""
        ids = self._ids()
        return bool(ids) and ids[-1] != topic_id

    def note(self, topic_id: str) -> None:
        """Note the topic that is read from now on."""
        ids = self._ids()
        if not ids or ids[-1] != topic_id:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self._file.with_suffix(".new")
            unfinished.write_text(json.dumps([*ids, topic_id]))
            unfinished.replace(self._file)

    @property
    def are_several(self) -> bool:
        """Whether the topic was made anew: then offsets in the lake are of several topics."""
        return len(self._ids()) > 1

    def _ids(self) -> list[str]:
        return list(json.loads(self._file.read_text())) if self._file.is_file() else []


def topic_id(connection: KafkaConnection, topic: str) -> str | None:
    """Return the id of a topic, or None when there is no such topic.

    Raises:
        KafkaError: The broker does not answer.
    """
    with closing(_admin(connection)) as admin:
        return _id_of(admin, topic)


def await_another(connection: KafkaConnection, topic: str, known: str, stop: threading.Event) -> bool:
    """Return True, and set `stop`, when the topic was made anew; False when `stop` was set before.

    A broker that does not answer, and a topic that is gone and not yet made again, are waited for.
    """
    while not stop.is_set():
        with suppress(KafkaError), closing(_admin(connection)) as admin:
            while not stop.wait(LOOK_SECONDS):
                if _id_of(admin, topic) not in (None, known):
                    stop.set()
                    return True
        stop.wait(LOOK_SECONDS)
    return False


def _admin(connection: KafkaConnection) -> KafkaAdminClient:
    return KafkaAdminClient(
        **connection.client_options(), bootstrap_timeout_ms=_ANSWER_MS, request_timeout_ms=_ANSWER_MS
    )


def _id_of(admin: KafkaAdminClient, topic: str) -> str | None:
    found = describe_topic(admin, topic)
    return None if found is None else found.id
