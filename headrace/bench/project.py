"""The project that the feature benchmarks measure: one event, one view of 18 features, and topics for every run."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from headrace_ingestion.contract import Contract
from headrace_ingestion.feature_rows import Encoding
from headrace_ingestion.settings import KafkaConnection
from headrace_streaming.plan import JobPlan, plan_job
from headrace_streaming.topics import GroupTopics

from headrace.project import Project, open_project
from headrace.stack.topics import TopicSpec, ensure_topics

FEATURES = 18
_SETTINGS = """\
name: bench
kafka:
  partitions: {partitions}
"""
_EVENT = """\
name: call
version: 1
key: subscriber_id
time: started_at
fields:
  subscriber_id: {type: string, max_length: 64}
  started_at:    {type: timestamp}
  duration_s:    {type: double, minimum: 0, maximum: 86400}
  home_country:  {type: string, pattern: "^[A-Z]{2}$"}
  country:       {type: string, pattern: "^[A-Z]{2}$"}
  device:        {type: string, required: false, max_length: 32}
"""
_VIEW = """\
name: subscriber
source: call
key: subscriber_id
order: arrival
features:
  - lag:    {of: duration_s, steps: [1, 2, 3]}
  - window: {of: duration_s, over: [5m, 1h, 24h], take: [count, sum, mean, std, max]}
ttl: 24h
"""
# Replayed events carry old timestamps: retention by time would delete them as they arrive.
_KEEP = {"retention.ms": "-1"}
# The broker's own clock says when a row was written, whoever wrote it.
_STAMPED = {**_KEEP, "message.timestamp.type": "LogAppendTime"}


@dataclass(frozen=True)
class RunTopics(GroupTopics):
    """Topics of one run: results under its own prefix, events from the topic that all runs share.

    Attributes:
        source: Topic of the events.
    """

    source: str = field(default="", kw_only=True)

    def of_event(self, contract: Contract) -> str:
        """Return the topic that the job reads."""
        return self.source


def make_project(folder: Path, partitions: int) -> Project:
    """Write the declarations into `folder` and return the project.

    Args:
        folder: An empty folder.
        partitions: Partitions of each topic of events and of results.
    """
    for name, text in {
        "headrace.yaml": _SETTINGS.format(partitions=partitions),
        "events/call.yaml": _EVENT,
        "features/subscriber.yaml": _VIEW,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return open_project(folder, environ={})


def contract_of(project: Project) -> Contract:
    """Return the contract of the one event."""
    return project.contracts["call"]


def plan_of(project: Project, topics: RunTopics, encoding: Encoding = "json") -> JobPlan:
    """Return the plan of the feature job, as for any project, with the topics of a run."""
    return plan_job([replace(view, encoding=encoding) for view in project.views.values()], topics)


def result_topic(prefix: str) -> str:
    """Return the topic that a run writes its rows to."""
    return f"{prefix}features.subscriber"


def make_source_topic(project: Project, connection: KafkaConnection, topic: str) -> None:
    """Make a topic for the events of a workload."""
    ensure_topics(connection, {topic: TopicSpec(partitions=project.settings.kafka.partitions, config=_KEEP)})


def make_run_topics(project: Project, connection: KafkaConnection, topics: RunTopics) -> None:
    """Make the topics that one run writes to."""
    ledgers = (topics.dead_letters, topics.late_events, topics.duplicates)
    specs = {name: TopicSpec(config=_KEEP) for name in ledgers}
    partitions = project.settings.kafka.partitions
    specs[result_topic(topics.prefix)] = TopicSpec(partitions=partitions, config=_STAMPED)
    ensure_topics(connection, specs)
