"""The scorer: feature rows from their topic to scores on theirs, until it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from headrace_features.online.errors import OnlineStoreUnavailableError
from headrace_ingestion.settings import KafkaConnection
from headrace_lake.sessions import run_sessions
from kafka import KafkaConsumer
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError
from kafka.structs import TopicPartition

from headrace_models.scoring.batch import score_batch
from headrace_models.scoring.live import LiveModels
from headrace_models.scoring.lookups import OnlineLookups
from headrace_models.scoring.membership import PROOF_SECONDS, SESSION_SECONDS, Membership
from headrace_models.scoring.output import Output
from headrace_models.scoring.rows import FeatureRow, RecentIds, Unscored, read_row
from headrace_models.scoring.whereabouts import Whereabouts
from headrace_models.view import FeatureView

log = logging.getLogger(__name__)
ScoreFrom = Literal["earliest", "now"]
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
CLOSE_MS = 3_000


@dataclass(frozen=True, slots=True)
class ScorerOptions:
    """How a scorer reads.

    Attributes:
        group: Consumer group; its members share the partitions. None: `headrace-scorer-<model>`.
        instance: Name of this member, the same after a restart: it gets its partitions back at once. None: no name.
        score_from: Where a group without committed offsets starts: `earliest` scores the rows that waited for the
            first champion, `now` only those from now on.
        batch_rows: Most rows of one batch.
        poll_alias_seconds: How often the aliases are looked up.
        wait_ms: How long a poll waits for the first row.
        commit_every_seconds: How often offsets are committed, at least every `PROOF_SECONDS`; after a crash, rows since
            then are scored again.
        batch_every_ms: Shortest time from the beginning of a batch to that of the next one: what arrives meanwhile is
            scored with it. A row that comes alone does not wait.
        recent_ids: How many event ids are remembered to drop repeats.
    """

    group: str | None = None
    instance: str | None = None
    score_from: ScoreFrom = "earliest"
    batch_rows: int = 2_000
    poll_alias_seconds: float = 1.0
    wait_ms: int = 200
    commit_every_seconds: float = 1.0
    batch_every_ms: int = 10
    recent_ids: int = 200_000


@dataclass(frozen=True, slots=True)
class ScorerCounters:
    """What a scorer has done since its start; `rows` without repeats and unreadable ones."""

    rows: int = 0
    scores: int = 0
    alerts: int = 0
    repeats: int = 0
    dead_letters: int = 0
    batches: int = 0


class Scorer:
    """Scores the rows of a view by the live versions of one model.

    At least once: offsets are committed after the scores are acknowledged. Rows are read before their transaction is
    committed, for the latency; a row that comes again keeps its event id and is dropped here while the id is
    remembered, and by the lake always.

    Args:
        connection: Where the brokers are.
        view: The view whose rows are read.
        live: Which versions score.
        options: How it reads.
        lookups: What is looked up for each row; None: nothing. While the online store is away, rows wait.
        clock: Seconds since 1970.

    Attributes:
        counters: What it has done; replaced as a whole, so any thread may look.
        turned_at: When its loop last turned, in seconds of `time.monotonic`; None before the first time. While it
            waits, for a topic or the online store too, it turns every few seconds.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        view: FeatureView,
        live: LiveModels,
        options: ScorerOptions | None = None,
        lookups: OnlineLookups | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._view = view
        self._live = live
        self._options = options or ScorerOptions()
        self._lookups = lookups
        self._clock = clock
        self._topic = f"{connection.topic_prefix}features.{view.name}"
        self._whereabouts = Whereabouts(connection, self._topic, live.name)
        self._recent = RecentIds(self._options.recent_ids)
        self.counters = ScorerCounters()
        self.turned_at: float | None = None

    def run(self, stop: threading.Event, on_ready: Callable[[], None] | None = None) -> None:
        """Score until `stop` is set; then commit and return.

        A broker or a registry that is away is waited for; without a champion the rows wait in their topic.

        Args:
            stop: Ends the run.
            on_ready: Is called once, when the broker answers and the aliases were looked up.

        Raises:
            KafkaConfigurationError: A setting of the clients is wrong: waiting does not mend it.
        """
        self._live.refresh()
        watcher_stop = threading.Event()
        every = self._options.poll_alias_seconds
        watcher = threading.Thread(
            target=self._live.watch, args=(watcher_stop, every), name=f"aliases-{self._live.name}", daemon=True
        )
        watcher.start()
        try:
            session = partial(self._session, stop)
            run_sessions(session, stop, on_ready, log, longest_pause_seconds=LONGEST_PAUSE_SECONDS)
        finally:
            self._whereabouts.close()
            watcher_stop.set()
            watcher.join()

    def _session(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        """Read and score with one consumer and one producer until `stop` is set or a client fails."""
        from threadpoolctl import threadpool_limits

        self.turned_at = time.monotonic()
        consumer = _consumer(self._connection, self._live.name, self._options)
        try:
            ready()
            if not self._subscribed(consumer, stop):
                return
            partitions = len(consumer.partitions_for_topic(self._topic) or ())
            output = Output(self._connection, self._live.name, self._view.name, partitions)
            # Trees over a few rows: a second thread costs more than it helps. The limit holds for this thread.
            with threadpool_limits(1):
                try:
                    self._consume(consumer, output, stop)
                finally:
                    output.close()
        finally:
            consumer.close(autocommit=False, timeout_ms=CLOSE_MS)

    def _subscribed(self, consumer: Any, stop: threading.Event) -> bool:
        """Subscribe once the topic exists, or return False when `stop` comes first.

        A group that forms while the topic is not yet in the client's metadata gets no partitions, and keeps none.
        """
        told = False
        while not stop.is_set():
            self.turned_at = time.monotonic()
            if consumer.partitions_for_topic(self._topic):
                self._whereabouts.begin(consumer)
                return True
            if not told:
                log.warning("model %s: the topic %s does not exist yet, waiting for it", self._live.name, self._topic)
                told = True
            stop.wait(SHORTEST_PAUSE_SECONDS)
        return False

    def _consume(self, consumer: Any, output: Output, stop: threading.Event) -> None:
        done: dict[TopicPartition, int] = {}
        committed_at = time.monotonic()
        membership = Membership(consumer, self._live.name)
        while not stop.is_set() and not self._whereabouts.is_another() and not membership.is_lost():
            self.turned_at = time.monotonic()
            waiting = "champion" not in self._live.current
            if waiting:
                consumer.pause(*consumer.assignment())
            elif consumer.paused():
                consumer.resume(*consumer.paused())
            polled = consumer.poll(timeout_ms=self._options.wait_ms, max_records=self._options.batch_rows)
            polled = self._whereabouts.sure(consumer, polled)
            if polled and waiting:
                # Partitions that came with this very poll were not paused yet.
                for partition, records in polled.items():
                    consumer.seek(partition, records[0].offset)
            elif polled:
                if not self._score_at_pace(polled, output, stop):
                    break
                done.update({partition: records[-1].offset + 1 for partition, records in polled.items()})
            since_commit = time.monotonic() - committed_at
            if since_commit >= PROOF_SECONDS:
                # What was polled is scored or read again, so the position is what is done.
                done |= membership.places()
            if since_commit >= min(PROOF_SECONDS, self._options.commit_every_seconds):
                if done:
                    _commit(consumer, self._whereabouts.marked(done))
                done, committed_at = {}, time.monotonic()
        if done:
            _commit(consumer, self._whereabouts.marked(done))

    def _score_at_pace(self, polled: Mapping[TopicPartition, list[Any]], output: Output, stop: threading.Event) -> bool:
        """Score what was polled, and rest until the next batch may begin; return whether it was scored."""
        began = time.monotonic()
        scored = self._score(polled, output, stop)
        rest_seconds = began + self._options.batch_every_ms / 1000 - time.monotonic()
        if rest_seconds > 0:
            stop.wait(rest_seconds)
        return scored

    def _score(self, polled: Mapping[TopicPartition, list[Any]], output: Output, stop: threading.Event) -> bool:
        """Score what was polled; return False when `stop` came first, with the rows unscored."""
        rows: list[FeatureRow] = []
        unreadable: list[Unscored] = []
        repeats = 0
        for records in polled.values():
            for record in records:
                row = read_row(record, self._view.key)
                if isinstance(row, Unscored):
                    unreadable.append(row)
                elif self._recent.is_new(row.fields["event_id"]):
                    rows.append(row)
                else:
                    repeats += 1
        completed = self._completed(rows, stop)
        if completed is None:
            return False
        result = score_batch(completed, self._live.current, view=self._view.name, now_ms=self._now_ms)
        try:
            output.write(result, unreadable, self._now_ms())
        except KafkaError:
            self._recent.forget(row.fields["event_id"] for row in rows)
            raise
        past = self.counters
        self.counters = replace(
            past,
            rows=past.rows + len(rows),
            scores=past.scores + len(result.scores),
            alerts=past.alerts + len(result.alerts),
            repeats=past.repeats + repeats,
            dead_letters=past.dead_letters + len(unreadable) + len(result.unscored),
            batches=past.batches + 1,
        )
        return True

    def _completed(self, rows: list[FeatureRow], stop: threading.Event) -> list[FeatureRow] | None:
        """Return the rows with what is looked up for them, however long the store is away; None when `stop` comes."""
        told = False
        while self._lookups is not None:
            self.turned_at = time.monotonic()
            try:
                return self._lookups.complete(rows)
            except OnlineStoreUnavailableError as error:
                if not told:
                    log.warning("model %s: rows wait for the online store: %s", self._live.name, error)
                    told = True
                if stop.wait(SHORTEST_PAUSE_SECONDS):
                    return None
        return rows

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _consumer(connection: KafkaConnection, model: str, options: ScorerOptions) -> Any:
    return KafkaConsumer(
        **connection.client_options(),
        group_id=options.group or f"headrace-scorer-{connection.topic_prefix}{model}",
        group_instance_id=options.instance,
        client_id=f"headrace-scorer-{model}",
        enable_auto_commit=False,
        auto_offset_reset="earliest" if options.score_from == "earliest" else "latest",
        isolation_level="read_uncommitted",
        allow_auto_create_topics=False,
        max_poll_records=options.batch_rows,
        fetch_max_wait_ms=500,
        metrics_enabled=False,
        session_timeout_ms=SESSION_SECONDS * 1000,
        # A connection that has fallen silent is given up before the session is: the default is three times as long.
        request_timeout_ms=(SESSION_SECONDS - 1) * 1000,
        metadata_max_age_ms=5_000,  # new partitions are found within seconds
    )


def _commit(consumer: Any, offsets: Mapping[TopicPartition, Any]) -> None:
    try:
        consumer.commit(offsets)
    except (CommitFailedError, RebalanceInProgressError) as error:
        # The partitions went to another member, which scores these rows again; the lake keeps the first score.
        log.info("offsets were not committed: %s", error)
