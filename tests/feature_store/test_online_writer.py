"""The online writer on a real broker: freshness, outages, crashes."""

import json
import logging
import random
import re
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from headrace_features.online import GuardedSqlite, OnlineStoreError, OnlineWriter
from headrace_features.view import View
from headrace_ingestion.settings import KafkaConnection
from kafka import KafkaAdminClient, KafkaProducer
from store_cases import newest_records, record

from headrace.stack.broker import local_broker
from headrace.stack.ports import free_ports
from headrace.stack.topics import TopicSpec, ensure_topics

PARTITIONS = 2
PATIENCE_SECONDS = 90


class Topic:
    """The topic of one view under a prefix of its own, and a producer for it."""

    def __init__(self, bootstrap_servers: str, view: View, prefix: str | None = None) -> None:
        self.prefix = prefix or f"t{uuid.uuid4().hex[:8]}."
        self.connection = KafkaConnection(bootstrap_servers=bootstrap_servers, topic_prefix=self.prefix)
        self.name = view.topic(self.prefix)
        self._key = view.key
        ensure_topics(self.connection, {self.name: TopicSpec(partitions=PARTITIONS)})
        self.producer = KafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=2)

    def send(self, records: Iterable[dict[str, Any]]) -> None:
        for each in records:
            self.producer.send(self.name, json.dumps(each).encode(), key=str(each[self._key]).encode())
        self.producer.flush()

    def send_bytes(self, *values: bytes | None) -> None:
        for value in values:
            self.producer.send(self.name, value, key=b"a")
        self.producer.flush()


@pytest.fixture
def topic(broker: Any, subscriber: View) -> Iterator[Topic]:
    opened = Topic(broker.bootstrap_servers, subscriber)
    yield opened
    opened.producer.close()


@contextmanager
def running(writer: OnlineWriter) -> Iterator[OnlineWriter]:
    """Run a writer in a thread; it is ready when the block begins and has ended after it."""
    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(target=writer.run, args=(stop, ready.set))
    thread.start()
    try:
        assert ready.wait(PATIENCE_SECONDS)
        yield writer
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def eventually(holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def stored_offsets(store: GuardedSqlite, keys: Iterable[str]) -> dict[str, int]:
    wanted = list(keys)
    return {found.key: found.order.source_offset for found in store.read("subscriber", wanted) if found}


def test_the_newest_row_of_each_key_is_stored(topic: Topic, subscriber: View, sqlite: GuardedSqlite) -> None:
    records = [record(subscriber, f"s{n % 50}", n) for n in range(2_000)]
    topic.send(random.Random(1).sample(records, len(records)))
    with running(OnlineWriter(topic.connection, sqlite, [subscriber], topic.prefix)) as writer:
        assert eventually(lambda: writer.counters.read == 2_000)
    newest = newest_records(records, subscriber.key)
    assert stored_offsets(sqlite, newest) == newest
    (one,) = sqlite.read("subscriber", ["s7"])
    assert one is not None
    assert one.features() == {
        "country_lag_1": "NO", "duration_s_count_1h": 1957, "duration_s_sum_1h": 2935.5, "is_long": False,
    }  # fmt: skip
    assert (one.declaration, one.order.emitted_at_ms) == (subscriber.digest, 1962)


def test_a_new_value_is_visible_within_a_tenth_of_a_second(
    topic: Topic, subscriber: View, sqlite: GuardedSqlite
) -> None:
    with running(OnlineWriter(topic.connection, sqlite, [subscriber], topic.prefix)):
        waits = []
        for offset in range(12):
            started = time.monotonic()
            topic.send([record(subscriber, "a", offset)])
            assert eventually(lambda: stored_offsets(sqlite, ["a"]) == {"a": offset})  # noqa: B023
            waits.append(time.monotonic() - started)
    assert sorted(waits)[len(waits) // 4] < 0.1  # a machine that does much else delays some of them


def test_a_restarted_writer_goes_on_where_it_committed(topic: Topic, subscriber: View, sqlite: GuardedSqlite) -> None:
    topic.send(record(subscriber, "a", n) for n in range(100))
    with running(OnlineWriter(topic.connection, sqlite, [subscriber], topic.prefix)) as writer:
        assert eventually(lambda: writer.counters.read == 100)
    topic.send([record(subscriber, "a", 100)])
    with running(OnlineWriter(topic.connection, sqlite, [subscriber], topic.prefix)) as writer:
        assert eventually(lambda: stored_offsets(sqlite, ["a"]) == {"a": 100})
    assert writer.counters.read == 1


def test_a_record_that_is_no_row_is_counted_and_passed_over(
    topic: Topic, subscriber: View, sqlite: GuardedSqlite, caplog: pytest.LogCaptureFixture
) -> None:
    bad = record(subscriber, "a", 9, duration_s_sum_1h="a lot")
    topic.send_bytes(b"{", None, b"[]", json.dumps(bad).encode())
    topic.send([record(subscriber, "a", 1)])
    with running(OnlineWriter(topic.connection, sqlite, [subscriber], topic.prefix)) as writer:
        assert eventually(lambda: writer.counters.read == 5)
    assert writer.counters.unreadable == 4
    assert stored_offsets(sqlite, ["a"]) == {"a": 1}
    said = rf"\d of \d records of {re.escape(topic.name)} are no rows and were passed over; "
    assert any(
        re.fullmatch(said + r"the first, partition \d offset 0: the value is not JSON", m) for m in caplog.messages
    )


def test_a_locked_store_is_waited_for_and_said(
    topic: Topic, subscriber: View, sqlite: GuardedSqlite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("headrace_features.online.sqlite_store._LOCK_WAIT_SECONDS", 0.05)
    store = GuardedSqlite(tmp_path / "online.db")
    other = sqlite3.connect(tmp_path / "online.db", isolation_level=None)
    other.execute("begin immediate")
    with running(OnlineWriter(topic.connection, store, [subscriber], topic.prefix)) as writer:
        topic.send([record(subscriber, "a", 1)])
        assert eventually(lambda: writer.counters.failure is not None)
        other.execute("rollback")
        assert eventually(lambda: writer.counters.stored == 1 and writer.counters.failure is None)
    assert "rows are stored again" in caplog.messages
    assert any(text.endswith("  nothing is lost: trying on") for text in caplog.messages)
    other.close()
    store.close()


def test_replicas_share_the_partitions(topic: Topic, subscriber: View, sqlite: GuardedSqlite) -> None:
    records = [record(subscriber, f"s{n % 50}", n) for n in range(1_000)]
    topic.send(records)
    writers = [
        OnlineWriter(topic.connection, sqlite, [subscriber], topic.prefix, replica=replica, replicas=2)
        for replica in range(2)
    ]
    newest = newest_records(records, subscriber.key)
    with running(writers[0]), running(writers[1]):
        assert eventually(lambda: sum(writer.counters.read for writer in writers) == 1_000)
    assert all(writer.counters.read > 0 for writer in writers)
    assert stored_offsets(sqlite, newest) == newest


def test_a_second_writer_started_by_mistake_does_no_harm(topic: Topic, subscriber: View, sqlite: GuardedSqlite) -> None:
    records = [record(subscriber, f"s{n % 50}", n) for n in range(1_000)]
    newest = newest_records(records, subscriber.key)
    writers = [OnlineWriter(topic.connection, sqlite, [subscriber], topic.prefix) for _ in range(2)]
    with running(writers[0]), running(writers[1]):
        topic.send(random.Random(2).sample(records, len(records)))
        assert eventually(lambda: all(writer.counters.read == 1_000 for writer in writers))
    assert stored_offsets(sqlite, newest) == newest
    assert [writer.counters.failure for writer in writers] == [None, None]


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(
    topic: Topic, subscriber: View, sqlite: GuardedSqlite
) -> None:
    topic.send(record(subscriber, "a", n) for n in range(10))
    with running(OnlineWriter(topic.connection, sqlite, [subscriber], topic.prefix)) as writer:
        assert eventually(lambda: writer.counters.read == 10)
    admin = KafkaAdminClient(**topic.connection.client_options())
    admin.delete_topics([topic.name])
    assert eventually(lambda: topic.name not in admin.list_topics())
    admin.close()
    ensure_topics(topic.connection, {topic.name: TopicSpec(partitions=PARTITIONS)})
    topic.send(record(subscriber, "a", n, clock_ms=1_000 + n) for n in range(20))
    with running(OnlineWriter(topic.connection, sqlite, [subscriber], topic.prefix)) as writer:
        assert eventually(lambda: writer.counters.read == 20)
    assert stored_offsets(sqlite, ["a"]) == {"a": 19}


def test_a_topic_that_is_made_later_is_read_then(broker: Any, subscriber: View, sqlite: GuardedSqlite) -> None:
    connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers, topic_prefix=f"t{uuid.uuid4().hex[:8]}.")
    writer = OnlineWriter(connection, sqlite, [subscriber], connection.topic_prefix, discovery_seconds=0.1)
    with running(writer):
        late = Topic(broker.bootstrap_servers, subscriber, connection.topic_prefix)
        late.send([record(subscriber, "a", 1)])
        assert eventually(lambda: stored_offsets(sqlite, ["a"]) == {"a": 1})
    late.producer.close()


def test_a_writer_outlives_its_broker(
    tmp_path: Path, subscriber: View, sqlite: GuardedSqlite, caplog: pytest.LogCaptureFixture
) -> None:
    (port,) = free_ports(1)
    folder = tmp_path / "broker"
    folder.mkdir()
    connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{port}")
    writer = OnlineWriter(connection, sqlite, [subscriber], "writers")
    stop = threading.Event()
    thread = threading.Thread(target=writer.run, args=(stop,))
    thread.start()
    try:
        assert eventually(lambda: writer.counters.failure is not None)
        assert any(text.startswith(f"no broker answers at 127.0.0.1:{port}: ") for text in caplog.messages)
        for offset in (1, 2):
            with local_broker(folder, port=port) as broker:
                ensure_topics(connection, {subscriber.topic(): TopicSpec(partitions=1)})
                producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
                producer.send(subscriber.topic(), json.dumps(record(subscriber, "a", offset)).encode()).get(20)
                assert eventually(lambda: stored_offsets(sqlite, ["a"]) == {"a": offset})  # noqa: B023
                producer.close()
                # The row is in the store a moment before the poll that brought it is over.
                assert eventually(lambda: writer.counters.failure is None)
            if offset == 1:
                assert eventually(lambda: writer.counters.failure is not None)
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_a_writer_killed_under_load_leaves_a_store_that_catches_up(
    topic: Topic, subscriber: View, sqlite: GuardedSqlite, tmp_path: Path
) -> None:
    records = [record(subscriber, f"s{n % 200}", n) for n in range(30_000)]
    command = [
        sys.executable,
        str(Path(__file__).with_name("writer_process.py")),
        topic.connection.bootstrap_servers,
        str(tmp_path / "project"),
        topic.prefix.rstrip("."),
        str(tmp_path / "online.db"),
    ]
    newest = newest_records(records, subscriber.key)
    seen = -1
    for life, kill in enumerate((True, True, False)):
        # Each life has a share of its own: one that is quick leaves something to do for the next.
        load = threading.Thread(target=topic.send, args=(records[life * 10_000 : (life + 1) * 10_000],))
        load.start()
        process = subprocess.Popen(command)
        try:
            if kill:
                assert eventually(lambda: max(stored_offsets(sqlite, newest).values(), default=-1) > seen)  # noqa: B023
            else:
                load.join(PATIENCE_SECONDS)
                assert eventually(lambda: stored_offsets(sqlite, newest) == newest)
        finally:
            process.kill()
            process.wait(10)
            load.join(PATIENCE_SECONDS)
        seen = max(stored_offsets(sqlite, newest).values())
    assert stored_offsets(sqlite, newest) == newest


def test_a_writer_without_views_is_refused(sqlite: GuardedSqlite) -> None:
    with pytest.raises(OnlineStoreError) as caught:
        OnlineWriter(KafkaConnection(bootstrap_servers="127.0.0.1:1"), sqlite, [], "group")
    assert str(caught.value) == (
        "the online writer has no view\n  expected:  at least one\n  try:       headrace features plan"
    )
