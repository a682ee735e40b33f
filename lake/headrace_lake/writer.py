"""The lake writer: every topic of a project into its table, exactly once, until it is stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headrace_ingestion.clock import Clock, SystemClock
from headrace_ingestion.settings import KafkaConnection

from headrace_lake.errors import LakeError
from headrace_lake.feed import Feed, FeedCounters
from headrace_lake.flush import FlushPolicy
from headrace_lake.lane import DISCOVERY_SECONDS, Lane
from headrace_lake.place import Place
from headrace_lake.tables import TableSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TableStatus:
    """One table as the writer sees it.

    Attributes:
        counters: What became of its records since the start.
        waiting_rows: Records that were read and are not yet written.
        lag_rows: Offsets between what was read and the end of the topic, as of the last answer of the broker.
    """

    counters: FeedCounters
    waiting_rows: int
    lag_rows: int


class LakeWriter:
    """Reads every topic of `specs` and writes its table.

    Records of transactional topics are read when they are committed, by a consumer and a thread of their own: an open
    transaction never holds back the other tables. Nothing is kept outside the lake: the offsets stand in the tables, so
    any number of crashes, and a second writer started by mistake, leave every record once.

    Args:
        connection: Where the brokers are.
        lake_path: Folder of the lake.
        specs: The tables; one per topic.
        flush: When rows are written.
        clock: The clocks.
        discovery_seconds: How often new topics and partitions are looked for.

    Raises:
        LakeError: Two tables name one topic, or there is none.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        lake_path: Place,
        specs: Sequence[TableSpec],
        flush: FlushPolicy | None = None,
        clock: Clock | None = None,
        discovery_seconds: float = DISCOVERY_SECONDS,
    ) -> None:
        _check(specs)
        policy = flush or FlushPolicy()
        clock = clock or SystemClock()
        self._feeds = [Feed(lake_path, spec, policy, clock) for spec in specs]
        groups = [[feed for feed in self._feeds if feed.spec.committed_only is flag] for flag in (False, True)]
        self._lanes = [Lane(connection, group, policy, clock, discovery_seconds) for group in groups if group]
        self._failure: BaseException | None = None

    def run(self, stop: threading.Event, on_ready: Callable[[], None] | None = None) -> None:
        """Read and write until `stop` is set; what waits then is written before it returns.

        A missing topic, an absent broker and a full disk are waited for.

        Args:
            stop: Ends the run; is also set when a thread of the writer fails.
            on_ready: Is called once, when all topics that exist are being read.
        """
        ready = _Countdown(len(self._lanes), on_ready)
        threads = [
            threading.Thread(target=self._run_lane, args=(lane, stop, ready), name=f"lake-writer-{number}")
            for number, lane in enumerate(self._lanes)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def status(self) -> Mapping[str, TableStatus]:
        """Return `<schema>.<name>` → what is known of the table; callable from any thread."""
        lags = {topic: lag for lane in self._lanes for topic, lag in lane.lags.items()}
        return {
            feed.spec.full_name: TableStatus(feed.counters, feed.waiting_rows, lags.get(feed.spec.topic, 0))
            for feed in self._feeds
        }

    def _run_lane(self, lane: Lane, stop: threading.Event, ready: _Countdown) -> None:
        try:
            lane.run(stop, ready.one_more)
        except BaseException as error:  # noqa: BLE001 - the border of the thread: `run` raises it
            self._failure = self._failure or error
        finally:
            stop.set()


class _Countdown:
    """Calls a function when the last of several threads has arrived."""

    def __init__(self, count: int, at_zero: Callable[[], None] | None) -> None:
        self._left = count
        self._at_zero = at_zero
        self._lock = threading.Lock()

    def one_more(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0 and self._at_zero is not None:
                self._at_zero()


def _check(specs: Sequence[TableSpec]) -> None:
    if not specs:
        raise LakeError("the lake writer has no table", {"expected": "at least one event"}, "headrace init DIR")
    topics = [spec.topic for spec in specs]
    twice = sorted({topic for topic in topics if topics.count(topic) > 1})
    if twice:
        names = ", ".join(spec.full_name for spec in specs if spec.topic == twice[0])
        raise LakeError(f"the topic {twice[0]!r} feeds two tables", {"tables": names}, "rename one of them")
