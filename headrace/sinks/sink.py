"""One sink at work: reads its topic, hands its records over, and commits what has been answered.

An offset is committed when all before it was taken by the endpoint, or stands on the topic of dead letters. After a
crash some records are sent again, with the same keys.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from headrace_ingestion.clock import Clock, SystemClock
from headrace_ingestion.settings import KafkaConnection
from headrace_lake.sessions import run_sessions
from headrace_lake.tables import TableSpec
from headrace_lake.topic_consumer import TopicConsumer
from kafka import TopicPartition

from headrace.sinks.declaration import SinkDeclaration
from headrace.sinks.letters import SinkLetters
from headrace.sinks.rows import Outgoing, SinkRows
from headrace.sinks.target import Endpoint, Refusal, StoppedError

POLL_MS = 200
DISCOVERY_SECONDS = 5.0
COMMIT_SECONDS = 1.0
"""Longest time between two commits: after a crash, what was answered since is sent again."""


@dataclass(frozen=True, slots=True)
class SinkCounters:
    """What a sink has done since its start: records read, taken by the endpoint, and become dead letters."""

    read: int = 0
    delivered: int = 0
    dead_letters: int = 0


class Sink:
    """Sends what its table's topic holds and gets until it is stopped.

    Args:
        connection: Where the brokers are.
        declaration: The sink.
        spec: Its table.
        rows: Makes of records what is sent.
        endpoint: Where to.
        group: Stable name under which offsets are committed.
        clock: The clocks.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        declaration: SinkDeclaration,
        spec: TableSpec,
        rows: SinkRows,
        endpoint: Endpoint,
        group: str,
        clock: Clock | None = None,
    ) -> None:
        self._connection, self._declaration, self._spec = connection, declaration, spec
        self._rows, self._endpoint, self._group = rows, endpoint, group
        self._clock = clock or SystemClock()
        self._log = logging.getLogger(f"headrace.sinks.{declaration.name}")
        self._committed_at = 0.0
        self.counters = SinkCounters()

    def run(self, stop: threading.Event, on_ready: Callable[[], None] | None = None) -> None:
        """Send until `stop` is set. A broker that is away is waited for.

        Args:
            stop: Ends the run between two requests.
            on_ready: Is called once, when the sink knows where it begins.
        """
        with suppress(StoppedError):
            run_sessions(partial(self._session, stop), stop, on_ready, self._log)

    def _session(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        consumer = TopicConsumer(
            self._connection,
            self._group,
            [self._spec.topic],
            client_id=f"headrace-sink-{self._declaration.name}",
            committed_only=self._spec.committed_only,
            from_end=self._declaration.start == "latest",
        )
        letters: SinkLetters | None = None
        try:
            letters = SinkLetters(self._connection, self._declaration.name)
            discover_at = 0.0
            while not stop.is_set():
                if time.monotonic() >= discover_at:
                    consumer.discover()
                    # The first place is kept, so that nothing of what comes from now on is left out.
                    self._commit(consumer)
                    discover_at = time.monotonic() + DISCOVERY_SECONDS
                    ready()
                for place, records in consumer.poll(POLL_MS).items():
                    self._hand_over(consumer, letters, place, records)
                    consumer.done([place])
                self._commit_when_due(consumer)
            self._commit(consumer)
        except StoppedError:
            self._commit(consumer)
            raise
        finally:
            consumer.close()
            if letters is not None:
                letters.close()

    def _hand_over(
        self, consumer: TopicConsumer, letters: SinkLetters, place: TopicPartition, records: Sequence[Any]
    ) -> None:
        outgoing = self._rows(records)
        size = self._declaration.http.batch
        for start in range(0, len(outgoing), size):
            batch = outgoing[start : start + size]
            refusals = deliver(self._endpoint, batch)
            if refusals:
                letters.write(refusals, self._clock.now_ms())
                self._log.warning(
                    "%d records of %s-%d became dead letters: %s",
                    len(refusals), place.topic, place.partition, refusals[0].detail,
                )  # fmt: skip
            consumer.reached({place: batch[-1].record.offset + 1})
            past = self.counters
            self.counters = SinkCounters(
                past.read, past.delivered + len(batch) - len(refusals), past.dead_letters + len(refusals)
            )
            self._commit_when_due(consumer)
        past = self.counters
        self.counters = SinkCounters(past.read + len(records), past.delivered, past.dead_letters)

    def _commit_when_due(self, consumer: TopicConsumer) -> None:
        if time.monotonic() - self._committed_at >= COMMIT_SECONDS:
            self._commit(consumer)

    def _commit(self, consumer: TopicConsumer) -> None:
        consumer.commit()
        self._committed_at = time.monotonic()


def deliver(endpoint: Endpoint, batch: Sequence[Outgoing]) -> list[Refusal]:
    """Hand over what has a body, and return what was not taken or has none.

    Raises:
        StoppedError: The process is to end.
    """
    unmade = [Refusal(one, "sink_transform", one.problem or "") for one in batch if one.body is None]
    made = [one for one in batch if one.body is not None]
    return [*unmade, *(endpoint.deliver(made) if made else [])]
