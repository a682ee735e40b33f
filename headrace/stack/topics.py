"""Topics as they should be: made when they are missing. What is there is the work of `topic_changes`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace_ingestion.settings import KafkaConnection

from headrace.stack.errors import BrokerError

_TIMEOUT_MS = 30_000


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a new topic gets.

    Attributes:
        partitions: Number of partitions, 1 or more.
        replication: Number of copies; at most the number of brokers.
        config: Topic settings by Kafka's own names, such as `retention.ms`.
        demanded: Which of `partitions` and `replication` a topic that is there has to have, too.
        is_declared: Whether a topic that is there is kept to `config`.
    """

    partitions: int = 1
    replication: int = 1
    config: Mapping[str, str] = field(default_factory=dict)
    demanded: frozenset[str] = frozenset()
    is_declared: bool = False


def ensure_topics(connection: KafkaConnection, topics: Mapping[str, TopicSpec]) -> list[str]:
    """Make the topics that do not exist and return their names, in order. Safe to repeat, also from several processes.

    Raises:
        BrokerError: The brokers cannot be reached, or refuse a topic.
    """
    from kafka.errors import KafkaError

    try:
        return _create_missing(connection, topics)
    except KafkaError as error:
        raise BrokerError(
            f"topics could not be made: {error}",
            {"brokers": connection.bootstrap_servers, "topics": ", ".join(topics)},
            "headrace status",
        ) from error


def _create_missing(connection: KafkaConnection, topics: Mapping[str, TopicSpec]) -> list[str]:
    from kafka import KafkaAdminClient
    from kafka.errors import NoError, TopicAlreadyExistsError, for_code

    admin = KafkaAdminClient(**connection.client_options(), request_timeout_ms=_TIMEOUT_MS)
    try:
        present = set(admin.list_topics())
        missing = {name: _options(spec) for name, spec in topics.items() if name not in present}
        if not missing:
            return []
        answer = admin.create_topics(missing, timeout_ms=_TIMEOUT_MS, raise_errors=False)
        created = []
        for topic in answer["topics"]:
            error = for_code(topic["error_code"])
            if error is NoError:
                created.append(topic["name"])
            elif error is not TopicAlreadyExistsError:  # another process may have been faster
                raise error(f"{topic['name']}: {topic.get('error_message')}")
        # Clients that ask for a topic right after its creation must find leaders.
        admin.wait_for_topics(list(missing))
        return created
    finally:
        admin.close()


def _options(spec: TopicSpec) -> dict[str, object]:
    return {
        "num_partitions": spec.partitions,
        "replication_factor": spec.replication,
        "configs": dict(spec.config),
    }
