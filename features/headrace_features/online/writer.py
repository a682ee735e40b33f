"""The online writer: the newest row of each key, from the feature topics into the online store, until it is stopped."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from headrace_ingestion.clock import Clock, SystemClock
from headrace_ingestion.settings import KafkaConnection
from headrace_lake.topic_consumer import TopicConsumer
from kafka import TopicPartition
from kafka.errors import KafkaConfigurationError, KafkaError

from headrace_features.online.errors import OnlineStoreError, OnlineStoreUnavailableError
from headrace_features.online.records import ReadBatch, compile_reader
from headrace_features.online.row import OnlineRow
from headrace_features.online.store import GuardedStore
from headrace_features.view import View

log = logging.getLogger(__name__)

FLUSH_INTERVAL = timedelta(milliseconds=40)
DISCOVERY_SECONDS = 5.0
COMMIT_SECONDS = 0.5
AWAY_SECONDS = 1.0
POLL_MS = 200
FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class WriterCounters:
    """What became of the records since the start.

    Attributes:
        read: Records read.
        stored: Rows stored; the others were replaced within their batch, or not newer than what stood there.
        unreadable: Records that are no rows.
        batches: Batches stored.
        last_write_at_ms: When the last one was, in milliseconds since 1970; 0 before the first.
        failure: Why nothing can be stored now; None when all is well.
    """

    read: int = 0
    stored: int = 0
    unreadable: int = 0
    batches: int = 0
    last_write_at_ms: int = 0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class _Feed:
    view: str
    read: ReadBatch


class OnlineWriter:
    """Reads the topics of views and keeps the newest row of each key in the store.

    Offsets are committed after the rows are stored: a crash makes rows be read again, and the guard of the store takes
    none twice. Several writers share the partitions by their number; two that read the same ones do no harm.

    Attributes:
        counters: What became of the records; replaced as a whole, so any thread may look.

    Args:
        connection: Where the brokers are.
        store: Where the rows go.
        views: The views.
        group_id: The name under which offsets are committed, `headrace-online-writer.<project>`.
        flush_interval: The least time between two batches; under load, how long a batch gathers.
        replica: Which of the replicas this is, from 0: it reads the partitions p with p mod `replicas` = `replica`.
        replicas: How many writers share the topics.
        clock: The clocks.
        discovery_seconds: How often new topics and partitions are looked for.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        store: GuardedStore,
        views: Iterable[View],
        group_id: str,
        flush_interval: timedelta = FLUSH_INTERVAL,
        *,
        replica: int = 0,
        replicas: int = 1,
        clock: Clock | None = None,
        discovery_seconds: float = DISCOVERY_SECONDS,
    ) -> None:
        self.counters = WriterCounters()
        self._connection = connection
        self._store = store
        self._feeds = {
            view.topic(connection.topic_prefix): _Feed(view.name, compile_reader(view)) for view in views
        }  # fmt: skip
        if not self._feeds:
            raise OnlineStoreError(
                "the online writer has no view", {"expected": "at least one"}, "headrace features plan"
            )
        self._group_id = group_id
        self._replica, self._replicas = replica, replicas
        self._flush_seconds = flush_interval.total_seconds()
        self._clock = clock or SystemClock()
        self._discovery_seconds = discovery_seconds
        self._discover_at = 0.0
        self._commit_at = 0.0

    def run(self, stop: threading.Event, on_ready: Callable[[], None] | None = None) -> None:
        """Read and store until `stop` is set. An absent broker, a locked file and a full disk are waited for.

        Args:
            stop: Ends the run.
            on_ready: Is called once, when all topics that exist are being read.

        Raises:
            OnlineStoreError: The store is not what it has to be.
        """
        consumer = self._connected(stop)
        if consumer is None:
            return
        told = False
        try:
            while not stop.is_set():
                if self._turn(consumer, stop) and not told:
                    told = True
                    if on_ready is not None:
                        on_ready()
            self._last_commit(consumer)
        finally:
            consumer.close()

    def _turn(self, consumer: TopicConsumer, stop: threading.Event) -> bool:
        """Poll once, store what came, commit when it is time, let the next batch gather; tell whether all went well."""
        try:
            now_seconds = self._clock.monotonic_seconds()
            if now_seconds >= self._discover_at:
                # Also tells whether the broker is there: a poll is silent about that.
                consumer.discover()
                self._discover_at = now_seconds + self._discovery_seconds
            batches = consumer.poll(POLL_MS)
            started = self._clock.monotonic_seconds()
            if not self._store_batches(batches, stop):
                return False
            consumer.done(batches)
            if started >= self._commit_at:
                consumer.commit()
                self._commit_at = started + COMMIT_SECONDS
        except KafkaError as error:
            self._say(f"the broker at {self._connection.bootstrap_servers} does not answer: {_text(error)}")
            self._discover_at = 0.0
            stop.wait(AWAY_SECONDS)
            return False
        self._say(None)
        if batches:
            stop.wait(max(0.0, started + self._flush_seconds - self._clock.monotonic_seconds()))
        return True

    def _store_batches(self, batches: Mapping[TopicPartition, list[Any]], stop: threading.Event) -> bool:
        """Store what was polled, however long it takes; return whether it was done before `stop`."""
        by_topic: dict[str, list[Any]] = defaultdict(list)
        for place, records in batches.items():
            by_topic[place.topic] += records
        for topic, records in by_topic.items():
            feed = self._feeds[topic]
            reduced = feed.read(record.value for record in records)
            if reduced.unreadable:
                self._say_unreadable(records, [(index, why.reason) for index, why in reduced.unreadable])
            stored = self._persistently(feed.view, reduced.rows, stop)
            if stored is None:
                return False
            self._count(len(records), stored, len(reduced.unreadable))
        return True

    def _persistently(self, view: str, rows: Sequence[OnlineRow], stop: threading.Event) -> int | None:
        """Write until it succeeds and return the rows stored; None when `stop` was set before."""
        retry_seconds = FIRST_RETRY_SECONDS
        while True:
            try:
                return self._store.write(view, rows)
            except OnlineStoreUnavailableError as error:
                self._say(str(error))
                if stop.wait(retry_seconds):
                    return None
                retry_seconds = min(retry_seconds * 2, LAST_RETRY_SECONDS)

    def _connected(self, stop: threading.Event) -> TopicConsumer | None:
        while not stop.is_set():
            try:
                consumer = TopicConsumer(
                    self._connection,
                    self._group_id,
                    self._feeds,
                    client_id="headrace-online-writer",
                    # A row of an open transaction is served at once: should it be aborted, the job makes it again.
                    committed_only=False,
                    replica=self._replica,
                    replicas=self._replicas,
                )
            except KafkaConfigurationError:
                raise  # waiting does not mend it
            except KafkaError as error:
                self._say(f"no broker answers at {self._connection.bootstrap_servers}: {_text(error)}")
                stop.wait(AWAY_SECONDS)
            else:
                self._say(None)
                return consumer
        return None

    def _last_commit(self, consumer: TopicConsumer) -> None:
        try:
            consumer.commit()
        except KafkaError as error:
            log.warning("the last rows are read again at the next start: %s", _text(error))

    def _count(self, read: int, stored: int, unreadable: int) -> None:
        self.counters = dataclasses.replace(
            self.counters,
            read=self.counters.read + read,
            stored=self.counters.stored + stored,
            unreadable=self.counters.unreadable + unreadable,
            batches=self.counters.batches + 1,
            last_write_at_ms=self._clock.now_ms(),
        )

    def _say_unreadable(self, records: list[Any], unreadable: list[tuple[int, str]]) -> None:
        index, reason = unreadable[0]
        first = records[index]
        log.error(
            "%d of %d records of %s are no rows and were passed over; the first, partition %d offset %d: %s",
            len(unreadable), len(records), first.topic, first.partition, first.offset, reason,
        )  # fmt: skip

    def _say(self, failure: str | None) -> None:
        # Once per change: an outage of an hour is two entries of the log.
        if failure != self.counters.failure:
            if failure is None:
                log.info("rows are stored again")
            else:
                log.error("%s\n  nothing is lost: trying on", failure)
            self.counters = dataclasses.replace(self.counters, failure=failure)


def _text(error: KafkaError) -> str:
    return str(error) or type(error).__name__
