"""The disk under the broker is full: events wait in the SDK, and all are there, once, when there is room again."""

import random
import time
from pathlib import Path
from threading import Event, Thread

import pytest
from headrace_ingestion import KafkaConnection, Producer, QueueFullError
from kafka import KafkaConsumer, TopicPartition
from lake_records import CALL
from small_disk import SmallDisk, small_disk
from waiting import eventually

from headrace.stack.broker import broker_command
from headrace.stack.folders import StackFolders
from headrace.stack.ports import free_ports
from headrace.stack.spec import PortOpen, ProcessSpec, RestartPolicy
from headrace.stack.state import StackState
from headrace.stack.supervisor import Supervisor
from headrace.stack.topics import TopicSpec, ensure_topics

TOPIC = TopicPartition("events.call", 0)
QUEUED = 500
# The first death would be the last one, were it not for the disk.
ONCE = RestartPolicy(longest_pause_seconds=0.5, deaths=1)


def stored_ids(connection: KafkaConnection) -> list[str]:
    """The ids of all events in the topic, in order."""
    consumer = KafkaConsumer(**connection.client_options(), group_id=None, auto_offset_reset="earliest")
    ids: list[str] = []
    try:
        consumer.assign([TOPIC])
        (end,) = consumer.end_offsets([TOPIC]).values()
        while consumer.position(TOPIC) < end:
            for records in consumer.poll(200).values():
                ids += [dict(record.headers)["event_id"].decode() for record in records]
    finally:
        consumer.close()
    return ids


@pytest.mark.slow
@pytest.mark.full
def test_what_was_sent_while_the_disk_was_full_is_there_once_when_there_is_room(tmp_path: Path) -> None:
    port, controller_port = free_ports(2)
    with small_disk(tmp_path / "disk", 100) as disk:
        folders = StackFolders(disk.folder)
        command = tuple(broker_command(folders.kafka, port, controller_port))
        states: list[StackState] = []
        supervisor = Supervisor(
            folders, [ProcessSpec("kafka", command, PortOpen(port), restarts=ONCE)], on_change=states.append
        )
        stop = Event()
        thread = Thread(target=supervisor.run, args=(stop,))
        thread.start()
        try:
            eventually(lambda: states and states[-1].phase == "healthy")
            connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{port}")
            ensure_topics(connection, {TOPIC.topic: TopicSpec()})
            _fill_and_make_room(disk, connection, states)
        finally:
            stop.set()
            thread.join(60)


def _fill_and_make_room(disk: SmallDisk, connection: KafkaConnection, states: list[StackState]) -> None:
    chance = random.Random(3)
    with Producer(CALL, connection, queue_max_events=QUEUED, when_full="raise") as producer:

        def send(number: int) -> None:
            fields = {"subscriber_id": "s", "started_at": "2025-01-01T00:00:00Z", "duration_s": 1.0}
            producer.send("call", {**fields, "device": chance.randbytes(1_000).hex()}, event_id=f"{number:05}")

        sent = 0
        send(sent)
        producer.flush(timeout_seconds=60)
        disk.leave(200_000)
        while producer.counters.queued < QUEUED:
            sent += 1
            send(sent)
            time.sleep(0.001)
        with pytest.raises(QueueFullError, match=f"queue:   {QUEUED} events without an answer"):
            send(sent + 1)
        eventually(lambda: states[-1].phase == "degraded")
        assert any(state.processes[0].message.startswith("the disk is full (0 MiB left): ") for state in states)
        disk.free()
        eventually(lambda: states[-1].phase == "healthy")
        producer.flush(timeout_seconds=60)
        assert producer.counters.failed == 0
    assert stored_ids(connection) == [f"{number:05}" for number in range(sent + 1)]
