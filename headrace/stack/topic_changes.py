"""Topics that are there and what contracts declare of them: what can be changed is changed, the rest is an error."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace_ingestion.settings import KafkaConnection

from headrace.stack.errors import BrokerError, TopicError
from headrace.stack.topics import TopicSpec

_TIMEOUT_MS = 30_000


@dataclass(frozen=True, slots=True)
class TopicChange:
    """One thing that was changed.

    Attributes:
        topic: The topic.
        setting: By Kafka's own name, or `partitions`.
        before: As text.
        after: As text.
    """

    topic: str
    setting: str
    before: str
    after: str

    @property
    def text(self) -> str:
        """The change as people read it."""
        return f"{self.topic} ({self.setting} {self.before} -> {self.after})"


def reconcile_topics(
    connection: KafkaConnection, topics: Mapping[str, TopicSpec], *, may_add_partitions: bool = False
) -> list[TopicChange]:
    """Change the declared topics that exist to what is declared and return what was changed. Safe to repeat.

    Nothing is changed when one of them cannot be.

    Args:
        connection: Where the brokers are.
        topics: Topic → what it should be; those that no contract declares are left alone.
        may_add_partitions: Whether a topic may get more partitions.

    Raises:
        BrokerError: The brokers cannot be reached, or refuse a change.
        TopicError: A topic has more partitions than declared, another number of copies, or fewer partitions while
            they may not be added.
    """
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    declared = {name: spec for name, spec in topics.items() if spec.is_declared}
    if not declared:
        return []
    try:
        admin = KafkaAdminClient(**connection.client_options(), request_timeout_ms=_TIMEOUT_MS)
        try:
            return _changed(admin, declared, may_add_partitions=may_add_partitions)
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerError(
            f"topics could not be changed: {error}",
            {"brokers": connection.bootstrap_servers, "topics": ", ".join(declared)},
            "headrace status",
        ) from error


def _changed(admin: Any, topics: Mapping[str, TopicSpec], *, may_add_partitions: bool) -> list[TopicChange]:
    described = {one["name"]: one["partitions"] for one in admin.describe_topics(list(topics)) if not one["error_code"]}
    more = []
    for name, partitions in described.items():
        more += _more_partitions(name, partitions, topics[name], may_add_partitions=may_add_partitions)
    settings = list(_other_settings(admin, {name: topics[name] for name in described}))
    if more:
        admin.create_partitions({change.topic: int(change.after) for change in more}, timeout_ms=_TIMEOUT_MS)
    if settings:
        _set(admin, settings)
    return [*more, *settings]


def _more_partitions(
    name: str, there: list[dict[str, Any]], spec: TopicSpec, *, may_add_partitions: bool
) -> list[TopicChange]:
    count, copies = len(there), len(there[0]["replica_nodes"])
    if "replication" in spec.demanded and copies != spec.replication:
        raise TopicError(
            f"the topic {name!r} has {copies} copies of each record, declared are {spec.replication}",
            {"why": "copies of what is there are made by the tools of Kafka"},
            "kafka-reassign-partitions.sh, or change replication in the contract",
        )
    if "partitions" not in spec.demanded or count == spec.partitions:
        return []
    if count > spec.partitions:
        raise TopicError(
            f"the topic {name!r} has {count} partitions, declared are {spec.partitions}",
            {"why": "a topic never loses partitions"},
            f"partitions: {count}",
        )
    if not may_add_partitions:
        raise TopicError(
            f"the topic {name!r} has {count} partitions, declared are {spec.partitions}",
            {"why": "with more of them keys move to other partitions, and their events are no longer in one order"},
            f"partitions: {count}, or, if order across the change does not matter, --set kafka.add_partitions=true",
        )
    return [TopicChange(name, "partitions", str(count), str(spec.partitions))]


def _other_settings(admin: Any, topics: Mapping[str, TopicSpec]) -> Iterator[TopicChange]:
    from kafka.admin import ConfigResource

    resources = [ConfigResource("TOPIC", name, dict.fromkeys(spec.config)) for name, spec in topics.items()]
    found = admin.describe_configs(resources, config_filter="all")["topic"] if resources else {}
    for name, there in found.items():
        for setting, wanted in topics[name].config.items():
            value = str(there[setting]["value"])
            if value != wanted:
                yield TopicChange(name, setting, value, wanted)


def _set(admin: Any, changes: list[TopicChange]) -> None:
    from kafka.admin import ConfigResource

    by_topic: dict[str, dict[str, str]] = {}
    for change in changes:
        by_topic.setdefault(change.topic, {})[change.setting] = change.after
    admin.alter_configs([ConfigResource("TOPIC", name, configs) for name, configs in by_topic.items()])
