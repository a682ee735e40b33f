"""The local broker: real, on the loopback address only, and whole again after a kill -9."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from headrace_ingestion.settings import KafkaConnection

from headrace.stack.broker import LocalBroker, broker_command, local_broker
from headrace.stack.errors import BrokerError
from headrace.stack.ports import LOOPBACK, free_ports
from headrace.stack.topics import TopicSpec, ensure_topics


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the broker that this module's tests share."""
    return tmp_path_factory.mktemp("kafka")


@pytest.fixture(scope="module")
def own_broker(folder: Path) -> Iterator[LocalBroker]:
    """A broker that is always a local process, whatever the session's broker is."""
    with local_broker(folder) as running:
        yield running


@pytest.fixture
def connection(own_broker: LocalBroker) -> KafkaConnection:
    """Connection to it."""
    return KafkaConnection(bootstrap_servers=own_broker.bootstrap_servers)


def test_the_broker_listens_on_the_loopback_address_only(own_broker: LocalBroker) -> None:
    listening = [each for each in psutil.Process(own_broker.pid).net_connections() if each.status == "LISTEN"]
    assert {each.laddr.ip.removeprefix("::ffff:") for each in listening} == {LOOPBACK}
    assert len(listening) == 2


def test_topics_are_made_when_they_are_missing_and_left_alone_when_they_are_there(connection: KafkaConnection) -> None:
    wanted = {"a": TopicSpec(partitions=3, config={"retention.ms": "60000"}), "b": TopicSpec()}
    assert ensure_topics(connection, wanted) == ["a", "b"]
    assert ensure_topics(connection, {**wanted, "c": TopicSpec()}) == ["c"]

    from kafka import KafkaConsumer

    with_topics = KafkaConsumer(**connection.client_options())
    try:
        assert with_topics.partitions_for_topic("a") == {0, 1, 2}
    finally:
        with_topics.close()


def test_a_topic_that_the_broker_refuses_is_named(own_broker: LocalBroker, connection: KafkaConnection) -> None:
    with pytest.raises(BrokerError) as raised:
        ensure_topics(connection, {"copied": TopicSpec(replication=3)})
    first, *rest = str(raised.value).splitlines()
    assert first.startswith("topics could not be made: [Error 38] InvalidReplicationFactorError: copied: ")
    assert rest == [
        f"  brokers:  {own_broker.bootstrap_servers}",
        "  topics:   copied",
        "  try:      headrace status",
    ]


def test_a_misspelt_topic_is_not_made_by_sending_to_it(connection: KafkaConnection) -> None:
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    producer = KafkaProducer(**connection.client_options(), max_block_ms=1500)
    try:
        with pytest.raises(KafkaError):
            producer.send("misspelt", b"x").get(3)
    finally:
        producer.close(timeout=1)


def test_a_transaction_commits_on_a_single_broker(connection: KafkaConnection) -> None:
    from kafka import KafkaProducer

    ensure_topics(connection, {"ledger": TopicSpec()})
    producer = KafkaProducer(**connection.client_options(), transactional_id="trial")
    try:
        producer.init_transactions()
        producer.begin_transaction()
        sent = producer.send("ledger", b"x")
        producer.commit_transaction()
        assert sent.get(10).offset == 0
    finally:
        producer.close()


def test_acknowledged_records_are_there_after_a_kill_minus_nine(tmp_path: Path) -> None:
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

    with local_broker(tmp_path) as first:
        connection = KafkaConnection(bootstrap_servers=first.bootstrap_servers)
        ensure_topics(connection, {"kept": TopicSpec()})
        producer = KafkaProducer(**connection.client_options(), acks="all")
        for number in range(500):
            producer.send("kept", str(number).encode())
        producer.flush()
        os.kill(first.pid, signal.SIGKILL)
        producer.close(timeout=0)
    with local_broker(tmp_path) as second:
        consumer = KafkaConsumer(bootstrap_servers=second.bootstrap_servers)
        try:
            partition = TopicPartition("kept", 0)
            consumer.assign([partition])
            assert consumer.end_offsets([partition]) == {partition: 500}
        finally:
            consumer.close()


def test_a_broker_ends_with_its_parent(tmp_path: Path) -> None:
    command = broker_command(tmp_path, *free_ports(2))
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 143


def test_a_broker_that_cannot_start_shows_the_last_line_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n")
    with pytest.raises(BrokerError) as raised, local_broker(tmp_path):
        pass
    message = str(raised.value).splitlines()
    assert message[0] == "the broker ended with 1"
    assert message[1] == f"  log:   {tmp_path}/broker.log"
    assert "node" in message[2].lower()
    assert message[3] == f"  try:   tail {tmp_path}/broker.log"
