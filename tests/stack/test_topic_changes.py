"""Topics that are there, and what contracts declare of them; with a real broker."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion.contract import Contract, contract_as_dict
from headrace_ingestion.errors import DeclarationError

import headrace
from headrace.project import Project
from headrace.stack.errors import TopicError
from headrace.topics import make_topics

CONTRACT = """\
name: order
version: 1
key: customer
time: at
topic: %s
fields:
  customer: {type: string}
  at:       {type: timestamp}
"""


class Declared:
    """A project whose one event declares its topic."""

    def __init__(self, folder: Path, bootstrap_servers: str) -> None:
        self.folder = folder
        self.topic = f"t{uuid.uuid4().hex[:10]}.events.order"
        self._flags = {
            "kafka.bootstrap_servers": bootstrap_servers,
            "kafka.topic_prefix": self.topic.removesuffix("events.order"),
        }
        (folder / "events").mkdir(parents=True)
        (folder / "headrace.yaml").write_text("name: trial\n")

    def project(self, topic: str, **flags: str) -> Project:
        """Return the project with this block."""
        (self.folder / "events" / "order.yaml").write_text(CONTRACT % topic)
        return headrace.open(self.folder, flags={**self._flags, **flags})

    def made(self, topic: str, **flags: str) -> list[str]:
        """Make or change the topics and return what was said of that of the event."""
        return [text for text in make_topics(self.project(topic, **flags)) if text.startswith(self.topic)]


@pytest.fixture
def declared(broker: Any, tmp_path: Path) -> Declared:
    """A project of its own on the broker."""
    return Declared(tmp_path / "project", broker.bootstrap_servers)


def there(project: Project, topic: str) -> tuple[int, dict[str, str]]:
    """Return the partitions and the settings of a topic."""
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource

    admin = KafkaAdminClient(**project.connection().client_options())
    try:
        (described,) = admin.describe_topics([topic])
        found = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")["topic"][topic]
    finally:
        admin.close()
    names = ("retention.ms", "min.insync.replicas", "compression.type")
    return len(described["partitions"]), {name: found[name]["value"] for name in names}


def test_a_topic_is_made_as_its_contract_says_and_changed_with_it(declared: Declared) -> None:
    first = "{partitions: 3, retention: 7d, min_in_sync: 1, compression: lz4}"
    assert declared.made(first) == [declared.topic]
    assert declared.made(first) == []
    project = declared.project(first)
    assert there(project, declared.topic) == (
        3,
        {"retention.ms": "604800000", "min.insync.replicas": "1", "compression.type": "lz4"},
    )
    assert declared.made("{retention: forever, compression: none}") == [
        f"{declared.topic} (retention.ms 604800000 -> -1)",
        f"{declared.topic} (compression.type lz4 -> uncompressed)",
    ]
    # What is not declared any more stays as it is: partitions are those of the topic, not of the settings.
    assert there(project, declared.topic) == (
        3,
        {"retention.ms": "-1", "min.insync.replicas": "1", "compression.type": "uncompressed"},
    )


def test_partitions_are_never_taken_away_and_only_added_when_that_is_asked_for(declared: Declared) -> None:
    declared.made("{partitions: 2, retention: 7d}")
    with pytest.raises(TopicError) as fewer:
        declared.made("{partitions: 1, retention: 1d}")
    assert str(fewer.value) == (
        f"the topic '{declared.topic}' has 2 partitions, declared are 1\n"
        "  why:  a topic never loses partitions\n"
        "  try:  partitions: 2"
    )
    with pytest.raises(TopicError) as more:
        declared.made("{partitions: 4, retention: 1d}")
    assert str(more.value) == (
        f"the topic '{declared.topic}' has 2 partitions, declared are 4\n"
        "  why:  with more of them keys move to other partitions, and their events are no longer in one order\n"
        "  try:  partitions: 2, or, if order across the change does not matter, --set kafka.add_partitions=true"
    )
    with pytest.raises(TopicError, match="has 1 copies of each record, declared are 3"):
        declared.made("{replication: 3}")
    # Nothing is half done.
    assert there(declared.project("{}"), declared.topic)[1]["retention.ms"] == "604800000"
    assert declared.made("{partitions: 4, retention: 7d}", **{"kafka.add_partitions": "true"}) == [
        f"{declared.topic} (partitions 2 -> 4)"
    ]
    assert there(declared.project("{}"), declared.topic)[0] == 4


def test_copies_that_can_never_be_in_sync_are_refused(declared: Declared) -> None:
    with pytest.raises(DeclarationError) as raised:
        declared.made("{min_in_sync: 2}")
    assert str(raised.value) == (
        "events/order.yaml: 'min_in_sync' is 2, and a record has 1 copies\n"
        "  replication:  1, of the setting kafka.replication\n"
        "  try:          topic: {replication: 2}"
    )
    with pytest.raises(DeclarationError, match="'min_in_sync' 3 is above 'replication' 2"):
        declared.made("{min_in_sync: 3, replication: 2}")
    with pytest.raises(DeclarationError, match=r"'topic\.compression' is 'zip'"):
        declared.made("{compression: zip}")


def test_the_topic_is_no_demand_on_events(declared: Declared) -> None:
    contract = declared.project("{partitions: 3}").contracts["order"]
    assert contract.topic_partitions == 3
    assert contract.digest == declared.project("{partitions: 5}").contracts["order"].digest
    again = Contract.model_validate(contract_as_dict(contract))
    assert again.topic_settings == contract.topic_settings
    both = CONTRACT % "{partitions: 3}\npartitions: 4"
    (declared.folder / "events" / "order.yaml").write_text(both)
    with pytest.raises(DeclarationError, match="'partitions' stands in the contract and in its 'topic'"):
        Contract.load(declared.folder / "events" / "order.yaml")
