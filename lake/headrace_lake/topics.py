"""Which topics exist, under which id, with how many partitions."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from headrace_ingestion.settings import KafkaConnection
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import KafkaConnectionError

from headrace_lake.response_classes import keep_response_classes

keep_response_classes()

BOOTSTRAP_MS = 5_000
_REACH_SECONDS = 3.0
FETCH_WAIT_MS = 250
"""Longest time that the broker lets rows gather."""

_CLIENT_OPTIONS = {
    "client_id": "headrace-lake-writer",
    "bootstrap_timeout_ms": BOOTSTRAP_MS,
    # The default of half a minute would add itself to every outage of a broker.
    "reconnect_backoff_max_ms": 1_000,
}


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the broker describes it.

    Attributes:
        id: Its UUID; another one after it was deleted and made anew.
        partitions: Its partitions, in order.
    """

    id: str
    partitions: tuple[int, ...]


def check_is_reachable(connection: KafkaConnection) -> None:
    """Do nothing when one of the brokers accepts a connection.

    A client that is made while none does leaves its sockets open: during a long outage that is one per attempt.

    Raises:
        KafkaConnectionError: None does.
    """
    cause: OSError | None = None
    for server in connection.client_options()["bootstrap_servers"]:
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _REACH_SECONDS).close()
        except OSError as error:
            cause = error
        else:
            return
    raise KafkaConnectionError(str(cause))


def describe_topics(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, Topic]:
    """Return the topics among `names` that exist.

    Raises:
        KafkaError: The broker does not answer.
    """
    found: dict[str, Topic] = {}
    for answer in admin.describe_topics(list(names)):
        if answer["error_code"] == 0 and answer["topic_id"] is not None:
            partitions = tuple(sorted(part["partition_index"] for part in answer["partitions"]))
            found[answer["name"]] = Topic(str(answer["topic_id"]), partitions)
    return found


def describe_topic(admin: KafkaAdminClient, name: str) -> Topic | None:
    """Return a topic, or None when there is none of that name.

    Raises:
        KafkaError: The broker does not answer.
    """
    return describe_topics(admin, [name]).get(name)


def new_admin(connection: KafkaConnection) -> KafkaAdminClient:
    """Return a connected admin client.

    Raises:
        KafkaError: No broker answers.
    """
    return KafkaAdminClient(**connection.client_options(), **_CLIENT_OPTIONS)


def new_consumer(connection: KafkaConnection, *, committed_only: bool, poll_rows: int) -> KafkaConsumer:
    """Return a connected consumer without a group: partitions and offsets are given to it.

    Args:
        connection: Where the brokers are.
        committed_only: Leave out records of open and aborted transactions.
        poll_rows: Most records that one poll returns.

    Raises:
        KafkaError: No broker answers.
    """
    options: dict[str, Any] = {
        **connection.client_options(),
        **_CLIENT_OPTIONS,
        "group_id": None,
        "enable_auto_commit": False,
        # Never choose an offset by itself: starting over doubles rows, starting at the end loses them.
        "auto_offset_reset": "none",
        "isolation_level": "read_committed" if committed_only else "read_uncommitted",
        "max_poll_records": poll_rows,
        # Rows gather here before they are written anyway: fewer, larger answers cost broker and client less.
        "fetch_min_bytes": 262_144,
        "fetch_max_wait_ms": FETCH_WAIT_MS,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }
    return KafkaConsumer(**options)
