"""Which topics a project has, and how they are made: each process that needs them makes those that are missing."""

from headrace_streaming.topics import GroupTopics

from headrace.project import Project
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

    for contract in (*project.contracts.values(), *project.rekeyed.values()):
        add(contract.topic(prefix), contract.partitions or kafka.partitions)
    for view in project.views.values():
        add(view.topic(prefix), view.contract.partitions or kafka.partitions)
    for model in project.model_declarations.values():
        view = project.views[model.view]
        add(f"{prefix}scores.{model.name}", view.contract.partitions or kafka.partitions)
    ledgers = GroupTopics(prefix)
    for name in (ledgers.dead_letters, ledgers.late_events, ledgers.duplicates, f"{prefix}alerts"):
        add(name, _LEDGER_PARTITIONS)
    return found


def make_topics(project: Project) -> list[str]:
    """Make the project's topics that do not exist and return their names.

    Raises:
        BrokerError: The brokers cannot be reached, or refuse a topic.
    """
    return ensure_topics(project.connection(), project_topics(project))
