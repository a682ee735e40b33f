"""One Kafka consumer, one thread, and the tables it feeds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from headrace_ingestion.clock import Clock
from headrace_ingestion.settings import KafkaConnection
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaConfigurationError, KafkaError, OffsetOutOfRangeError

from headrace_lake.feed import Feed
from headrace_lake.flush import FlushPolicy
from headrace_lake.topics import Topic, check_is_reachable, describe_topics, new_admin, new_consumer

log = logging.getLogger(__name__)

DISCOVERY_SECONDS = 5.0
POLL_MS = 100
AWAY_SECONDS = 1.0


@dataclass(slots=True)
class _Clients:
    admin: KafkaAdminClient
    consumer: KafkaConsumer


class Lane:
    """One consumer and its feeds; `run` belongs to one thread.

    Args:
        connection: Where the brokers are.
        feeds: The tables, all of one isolation level.
        policy: When rows are written.
        clock: The clocks.
        discovery_seconds: How often new topics and partitions are looked for.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        feeds: Sequence[Feed],
        policy: FlushPolicy,
        clock: Clock,
        discovery_seconds: float = DISCOVERY_SECONDS,
    ) -> None:
        self.lags: Mapping[str, int] = {}
        self._connection = connection
        self._feeds = {feed.spec.topic: feed for feed in feeds}
        self._committed_only = any(feed.spec.committed_only for feed in feeds)
        self._poll_rows = policy.rows
        self._poll_ms = min(POLL_MS, policy.interval_ms)
        self._clock = clock
        self._discovery_seconds = discovery_seconds
        self._discover_at = 0.0
        self._absent: set[str] = set()
        self._trouble: str | None = None

    def run(self, stop: threading.Event, on_ready: Callable[[], None]) -> None:
        """Read and write until `stop` is set, then write what waits.

        Args:
            stop: Ends the run.
            on_ready: Is called once, when the broker has answered and all topics that exist are being read.
        """
        clients = self._connected(stop)
        if clients is None:
            return
        told = False
        try:
            while not stop.is_set():
                went_well = self._turn(clients, stop)
                if went_well and not told:
                    on_ready()
                    told = True
            self._write_the_rest(clients)
        finally:
            with suppress(KafkaError):
                clients.consumer.close()
                clients.admin.close()

    def _turn(self, clients: _Clients, stop: threading.Event) -> bool:
        """Discover when it is time, poll once, write what is due; return whether the broker answered."""
        try:
            if self._clock.monotonic_seconds() >= self._discover_at:
                self._discover(clients)
            self._poll(clients.consumer, stop)
            self._flush(clients, finally_=False)
        except KafkaError as error:
            self._say(f"{type(error).__name__}: {error}")
            self._rewind(clients.consumer)
            stop.wait(AWAY_SECONDS)
            return False
        self._say(None)
        return True

    def _write_the_rest(self, clients: _Clients) -> None:
        try:
            self._flush(clients, finally_=True)
        except KafkaError as error:
            waiting = sum(feed.waiting_rows for feed in self._feeds.values())
            log.warning("%d records are read again at the next start: %s", waiting, error)

    def _connected(self, stop: threading.Event) -> _Clients | None:
        while not stop.is_set():
            try:
                check_is_reachable(self._connection)
                admin = new_admin(self._connection)
                consumer = new_consumer(
                    self._connection, committed_only=self._committed_only, poll_rows=self._poll_rows
                )
            except KafkaConfigurationError:
                raise  # no waiting will mend a setting
            except KafkaError as error:
                self._say(f"no broker answers at {self._connection.bootstrap_servers}: {error}")
                stop.wait(AWAY_SECONDS)
            else:
                self._say(None)
                return _Clients(admin, consumer)
        return None

    def _discover(self, clients: _Clients) -> None:
        found = describe_topics(clients.admin, self._feeds)
        for name, feed in self._feeds.items():
            if name in found:
                self._absent.discard(name)
            elif name not in self._absent:
                self._absent.add(name)
                log.warning("topic %s does not exist: table %s waits for it", name, feed.spec.full_name)
        self._start(clients.consumer, found)
        self._discover_at = self._clock.monotonic_seconds() + self._discovery_seconds

    def _start(self, consumer: KafkaConsumer, found: Mapping[str, Topic]) -> None:
        started: dict[TopicPartition, int | None] = {}
        assigned: list[TopicPartition] = []
        for name, topic in found.items():
            places = self._feeds[name].start(topic.id, topic.partitions)
            if places is None:
                continue  # its table cannot be opened now: the others go on
            started |= {TopicPartition(name, partition): offset for partition, offset in places.items()}
            assigned += [TopicPartition(name, partition) for partition in topic.partitions]
        consumer.assign(assigned)
        self._seek(consumer, started)

    def _seek(self, consumer: KafkaConsumer, places: Mapping[TopicPartition, int | None]) -> None:
        """Read on at what the tables have recorded, or where the topic begins."""
        if not places:
            return
        first = consumer.beginning_offsets(list(places))
        for place, offset in places.items():
            if offset is not None and offset < first[place]:
                log.error(
                    "%d records of %s-%d were deleted by the broker before they were stored: offsets %d to %d",
                    first[place] - offset, place.topic, place.partition, offset, first[place] - 1,
                )  # fmt: skip
            self._feeds[place.topic].positions[place.partition] = max(offset or 0, first[place])
        self._rewind(consumer)

    def _rewind(self, consumer: KafkaConsumer) -> None:
        # A poll that fails may have moved on over records that nobody got.
        for place in consumer.assignment():
            position = self._feeds[place.topic].positions.get(place.partition)
            if position is not None:
                consumer.seek(place, position)

    def _poll(self, consumer: KafkaConsumer, stop: threading.Event) -> None:
        self._hold_back(consumer)
        try:
            batches = consumer.poll(self._poll_ms)
        except OffsetOutOfRangeError as error:
            self._rewind(consumer)
            self._out_of_range(consumer, error.args[0], stop)
            return
        for place, records in batches.items():
            self._feeds[place.topic].take(place.partition, records, consumer.position(place))
        self._measure(consumer)

    def _hold_back(self, consumer: KafkaConsumer) -> None:
        held = consumer.paused()
        for place in consumer.assignment():
            if self._feeds[place.topic].is_full:
                consumer.pause(place)
            elif place in held:
                consumer.resume(place)

    def _out_of_range(
        self, consumer: KafkaConsumer, places: Mapping[TopicPartition, int], stop: threading.Event
    ) -> None:
        first = consumer.beginning_offsets(list(places))
        last = consumer.end_offsets(list(places))
        for place, offset in places.items():
            if offset < first[place]:
                self._seek(consumer, {place: offset})
            else:
                # Starting over would double rows. Discovery finds out whether the topic was made anew.
                self._say(
                    f"{place.topic}-{place.partition} ends at offset {last[place]}, read up to {offset}: "
                    "the broker has lost records, or the topic is being made anew"
                )
                self._discover_at = 0.0
                stop.wait(AWAY_SECONDS)

    def _flush(self, clients: _Clients, *, finally_: bool) -> None:
        due = [feed for feed in self._feeds.values() if feed.is_due(finally_=finally_)]
        if not due:
            return
        # What was read between two equal answers came from the topic of that id. A topic that was made anew in between
        # would put its offsets under the id of the old one.
        found = describe_topics(clients.admin, [feed.spec.topic for feed in due])
        for feed in due:
            topic = found.get(feed.spec.topic)
            if topic is None or topic.id != feed.topic_id:
                self._discover_at = 0.0
            elif feed.write() == "seek":
                log.warning("table %s was moved on by another writer: reading on there", feed.spec.full_name)
                places = {TopicPartition(feed.spec.topic, part): start for part, start in feed.starts.items()}
                self._seek(clients.consumer, places)

    def _measure(self, consumer: KafkaConsumer) -> None:
        lags = dict.fromkeys(self._feeds, 0)
        for place in consumer.assignment():
            end = consumer.highwater(place)
            if end is not None:
                lags[place.topic] += max(0, end - consumer.position(place))
        self.lags = lags

    def _say(self, trouble: str | None) -> None:
        # Once per change: an outage of an hour is two lines.
        if trouble != self._trouble:
            if trouble is None:
                log.info("the broker answers again")
            else:
                log.error("%s; trying on", trouble)
        self._trouble = trouble
