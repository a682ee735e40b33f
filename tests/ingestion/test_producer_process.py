"""The producer and the life of its process: forks, and an exit without `close`."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from headrace_ingestion import KafkaConnection, StoredRecord

pytestmark = pytest.mark.slow

FORKED = """
import os
from headrace_ingestion import Contract, Producer, ProducerClosedError
from headrace_ingestion.testing import FakeBroker

contract = Contract.model_validate({"name": "call", "version": 1, "key": "who", "time": "at",
    "fields": {"who": {"type": "string"}, "at": {"type": "timestamp"}}})
broker = FakeBroker()
broker.create_topic("events.call")
with Producer(contract, transport=broker.transport()) as producer:
    child = os.fork()
    if child == 0:
        try:
            producer.send("call", {"who": "s1", "at": "2026-01-01T00:00:00Z"})
        except ProducerClosedError as error:
            os._exit(7 if "forked from" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    producer.send("call", {"who": "s1", "at": "2026-01-01T00:00:00Z"})
assert len(broker.records("events.call")) == 1
"""


def test_a_forked_child_is_told_to_make_its_own_producer() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], check=True, timeout=60)


FORKED_CONFLUENT = """
import os, sys
from headrace_ingestion import Contract, KafkaConnection, Producer

contract = Contract.model_validate({"name": "call", "version": 1, "key": "who", "time": "at",
    "fields": {"who": {"type": "string"}, "at": {"type": "timestamp"}}})
connection = KafkaConnection(bootstrap_servers=sys.argv[1], topic_prefix=sys.argv[2], transport="confluent")
event = {"who": "s1", "at": "2026-01-01T00:00:00Z"}
with Producer(contract, connection) as producer:
    producer.send("call", event).result(timeout_seconds=30)
    child = os.fork()
    if child == 0:
        # Ends as a process usually does: what it inherited is taken apart, without the threads that are not there.
        del producer
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert producer.send("call", event).result(timeout_seconds=30).offset == 1
"""


def test_a_forked_child_ends_although_the_client_in_c_has_no_threads_there(broker: Any) -> None:
    prefix = f"{broker.fresh_topic('fork')}."
    broker.create_topic(f"{prefix}events.call")
    command = [sys.executable, "-W", "ignore", "-c", FORKED_CONFLUENT, broker.bootstrap_servers, prefix]
    subprocess.run(command, check=True, timeout=60)


FORGOTTEN = """
import sys
from headrace_ingestion import Contract, KafkaConnection, Producer

contract = Contract.model_validate({"name": "call", "version": 1, "key": "who", "time": "at",
    "fields": {"who": {"type": "string"}, "at": {"type": "timestamp"}}})
connection = KafkaConnection(bootstrap_servers=sys.argv[1], topic_prefix=sys.argv[2], transport=sys.argv[3])
producer = Producer(contract, connection)
for number in range(200):
    producer.send("call", {"who": "s1", "at": "2026-01-01T00:00:00Z"}, event_id=str(number))
"""


@pytest.mark.parametrize("transport", ["kafka-python", "confluent"])
def test_a_process_that_forgets_to_close_delivers_all_the_same(
    broker: Any, transport: str, read_all: Callable[[KafkaConnection, str], list[StoredRecord]]
) -> None:
    prefix = f"{broker.fresh_topic('exit')}."
    topic = broker.create_topic(f"{prefix}events.call")
    command = [sys.executable, "-W", "ignore", "-c", FORGOTTEN, broker.bootstrap_servers, prefix, transport]
    subprocess.run(command, check=True, timeout=60)
    ids = [dict(record.headers)["event_id"] for record in read_all(broker.connection, topic)]
    assert ids == [str(number).encode() for number in range(200)]
