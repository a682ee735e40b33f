"""Which topics a project has, and how they are made: each process that needs them makes those that are missing."""

from dataclasses import replace

from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import DeclarationError
from headrace_streaming.topics import LARGEST_RECORD_BYTES, GroupTopics

from headrace.project import Project
from headrace.settings import KafkaSettings
from headrace.stack.topic_changes import reconcile_topics
from headrace.stack.topics import TopicSpec, ensure_topics

# A replay of history carries its own old timestamps: retention by time would delete it as it arrives.
_KEEP = {"retention.ms": "-1"}
_LEDGER_PARTITIONS = 1


def project_topics(project: Project) -> dict[str, TopicSpec]:
    """Return every topic of the project by name, with what it gets when it is new."""
    kafka = project.settings.kafka
    prefix = kafka.topic_prefix
    found: dict[str, TopicSpec] = {}

    def add(name: str, partitions: int) -> None:
        found[name] = TopicSpec(partitions=partitions, replication=kafka.replication, config=_KEEP)

    for contract in project.contracts.values():
        found[contract.topic(prefix)] = _of_event(contract, kafka)
    for made in (*project.derived.values(), *project.rekeyed.values()):
        spec = _of_event(made, kafka)
        found[made.topic(prefix)] = replace(
            spec, config={**spec.config, "max.message.bytes": str(LARGEST_RECORD_BYTES)}
        )
    for view in project.views.values():
        add(view.topic(prefix), view.contract.topic_partitions or kafka.partitions)
    for model in project.model_declarations.values():
        view = project.views[model.view]
        add(f"{prefix}scores.{model.name}", view.contract.topic_partitions or kafka.partitions)
    ledgers = GroupTopics(prefix)
    for name in (ledgers.dead_letters, ledgers.late_events, ledgers.duplicates, f"{prefix}alerts"):
        add(name, _LEDGER_PARTITIONS)
    return found


def make_topics(project: Project) -> list[str]:
    """Make the project's topics that do not exist, change those that a contract declares otherwise, and return both.

    Raises:
        BrokerError: The brokers cannot be reached, or refuse a topic.
        TopicError: A topic cannot become what its contract declares.
    """
    connection, topics = project.connection(), project_topics(project)
    made = ensure_topics(connection, topics)
    changed = reconcile_topics(connection, topics, may_add_partitions=project.settings.kafka.add_partitions)
    return [*made, *(change.text for change in changed)]


def _of_event(contract: Contract, kafka: KafkaSettings) -> TopicSpec:
    partitions = contract.topic_partitions or kafka.partitions
    settings = contract.topic_settings
    if settings is None:
        return TopicSpec(partitions=partitions, replication=kafka.replication, config=_KEEP)
    replication = settings.replication or kafka.replication
    if settings.min_in_sync is not None and settings.min_in_sync > replication:
        raise DeclarationError(
            f"{contract.place_of(None)}: 'min_in_sync' is {settings.min_in_sync}, "
            f"and a record has {replication} copies",
            {"replication": f"{replication}, of the setting kafka.replication"},
            f"topic: {{replication: {settings.min_in_sync}}}",
        )
    demanded = frozenset(name for name in ("partitions", "replication") if getattr(settings, name))
    if contract.partitions is not None:
        demanded |= {"partitions"}
    return TopicSpec(partitions, replication, settings.config(), demanded, is_declared=True)


def known_servers(project: Project) -> str:
    """Return the brokers of the settings or of the stack that runs; else those that are usual."""
    from headrace.stack.state import running_state

    configured = project.settings.kafka.bootstrap_servers
    state = None if configured else running_state(project.folders)
    return configured or (state.bootstrap_servers if state else None) or "127.0.0.1:9092"
