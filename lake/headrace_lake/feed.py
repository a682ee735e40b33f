"""One topic on its way into one table. Knows no Kafka client: it is handed records and says where to read on."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from headrace_ingestion.clock import Clock
from headrace_ingestion.records import Record

from headrace_lake.commit import Committed, Seek, commit
from headrace_lake.dead_letters import store_dead_letters
from headrace_lake.decode import compile_decoder
from headrace_lake.delta_table import open_for_append
from headrace_lake.errors import LakeError
from headrace_lake.flush import FlushPolicy, Waiting
from headrace_lake.offsets import OffsetRange, recorded_offsets, table_app_id
from headrace_lake.place import Place
from headrace_lake.tables import TableSpec
from headrace_lake.unique import StoredKeys

log = logging.getLogger(__name__)

FIRST_RETRY_MS = 500
LAST_RETRY_MS = 10_000

Outcome = Literal["committed", "seek", "failed"]


@dataclass(frozen=True, slots=True)
class FeedCounters:
    """What became of the records of one table since the start.

    Attributes:
        rows: Rows added.
        repeats: Rows left out because the table holds an equal one.
        refused: Records that are no rows.
        commits: Commits made.
        last_commit_ms: Duration of the last commit.
        last_commit_at_ms: Its time of day, milliseconds since 1970; None before the first.
        failure: Why the table cannot be written at present; None when it can.
    """

    rows: int = 0
    repeats: int = 0
    refused: int = 0
    commits: int = 0
    last_commit_ms: float = 0.0
    last_commit_at_ms: int | None = None
    failure: str | None = None


class Feed:
    """One topic on its way into one table.

    Attributes:
        spec: The table.
        counters: What became of its records since the start.
        topic_id: UUID of the topic; None before `start`.
        starts: Partition → the offset that the table has recorded; None where it has recorded none.
        positions: Partition → the offset to read next.

    Args:
        lake: Folder of the lake.
        spec: The table.
        policy: When rows are written.
        clock: The clocks.
    """

    def __init__(self, lake: Place, spec: TableSpec, policy: FlushPolicy, clock: Clock) -> None:
        self.spec = spec
        self.counters = FeedCounters()
        self.topic_id: str | None = None
        self.starts: dict[int, int | None] = {}
        self.positions: dict[int, int] = {}
        self._lake = lake
        self._policy = policy
        self._clock = clock
        self._decode = compile_decoder(spec)
        # The first Arrow array of a process imports pandas, which costs seconds: now, and not in the first flush.
        self._decode([])
        self._stored_keys = StoredKeys(spec, lake=lake) if spec.unique_by else None
        # The job records what a contract refuses; nobody else records what is no row of another table.
        self._records_refusals = spec.contract is None or spec.dead_letters_here
        self._waiting = Waiting()
        self._retry_ms = 0
        self._not_before_ms = 0

    @property
    def waiting_rows(self) -> int:
        """Records that were read and are not yet written."""
        return self._waiting.rows

    @property
    def is_full(self) -> bool:
        """Whether no more may be read until what waits is written."""
        return self._policy.is_too_much(self._waiting)

    def start(self, topic_id: str, partitions: tuple[int, ...]) -> Mapping[int, int | None] | None:
        """Return partition → offset to read next, for those that were not started under this topic id.

        The offset is None for a partition of which the table has recorded nothing. Records of another topic of the same
        name that wait are dropped. None: the table cannot be opened now.
        """
        if topic_id != self.topic_id:
            if self._waiting.rows:
                log.warning("topic %s was made anew: %d unwritten records dropped", self.spec.topic, self._waiting.rows)
            self._waiting.clear()
            self.starts.clear()
            self.positions.clear()
            self.topic_id = topic_id
        new = [partition for partition in partitions if partition not in self.starts]
        if not new:
            return {}
        try:
            recorded = self._recorded(new)
        except LakeError as error:
            self._fail(error)
            return None
        self.starts.update(recorded)
        return recorded

    def take(self, partition: int, records: list[Record], next_offset: int) -> None:
        """Keep records of one partition, up to and without `next_offset`, until they are written."""
        self._waiting.add(partition, records, next_offset, self._now_ms())
        self.positions[partition] = next_offset

    def is_due(self, *, finally_: bool = False) -> bool:
        """Return whether what waits has to be written now; `finally_`: because no more will come."""
        now_ms = self._now_ms()
        if now_ms < self._not_before_ms and not finally_:
            return False
        return self._waiting.rows > 0 if finally_ else self._policy.is_due(self._waiting, now_ms)

    def write(self) -> Outcome:
        """Write what waits; after `seek` and `failed` says `starts` where the table continues.

        `seek`: nothing was written, another writer has moved the table on, what waited is dropped. `failed`: the rows
        wait for the next attempt.
        """
        started = self._clock.monotonic_seconds()
        try:
            result = self._commit()
        except LakeError as error:
            self._fail(error)
            return "failed"
        self._retry_ms = self._not_before_ms = 0
        self._waiting.clear()
        if isinstance(result, Seek):
            for partition in self.starts:
                app_id = table_app_id(self._id(), partition)
                if app_id in result.recorded:
                    self.starts[partition] = result.recorded[app_id]
            return "seek"
        self._count(result, started)
        return "committed"

    def _commit(self) -> Committed | Seek:
        topic_id = self._id()
        decoded = self._decode(self._waiting.all_records())
        next_offsets = self._waiting.next_offsets()
        if decoded.refused and self._records_refusals:
            store_dead_letters(self._lake, decoded.refused, topic_id, next_offsets, self._clock.now_ms())
        ranges = {
            table_app_id(topic_id, partition): OffsetRange(self.starts[partition], next_offset)
            for partition, next_offset in next_offsets.items()
        }
        result = commit(self._lake, self.spec, decoded.rows, ranges, self._stored_keys)
        if isinstance(result, Committed):
            self.starts.update(next_offsets)
            self._replace(refused=self.counters.refused + len(decoded.refused))
        return result

    def _count(self, result: Committed, started: float) -> None:
        if self.counters.failure is not None:
            log.info("table %s can be written again", self.spec.full_name)
        self._replace(
            rows=self.counters.rows + result.rows,
            repeats=self.counters.repeats + result.repeats,
            commits=self.counters.commits + 1,
            last_commit_ms=(self._clock.monotonic_seconds() - started) * 1_000,
            last_commit_at_ms=self._clock.now_ms(),
            failure=None,
        )

    def _fail(self, error: LakeError) -> None:
        self._retry_ms = min(self._retry_ms * 2, LAST_RETRY_MS) or FIRST_RETRY_MS
        self._not_before_ms = self._now_ms() + self._retry_ms
        log.error("%s\n  %d records wait, next attempt in %d ms", error, self._waiting.rows, self._retry_ms)
        self._replace(failure=str(error).splitlines()[0])

    def _recorded(self, partitions: list[int]) -> dict[int, int | None]:
        app_ids = {partition: table_app_id(self._id(), partition) for partition in partitions}
        recorded = recorded_offsets(open_for_append(self._lake, self.spec), app_ids.values())
        return {partition: recorded[app_id] for partition, app_id in app_ids.items()}

    def _id(self) -> str:
        if self.topic_id is None:
            raise RuntimeError(f"the feed of {self.spec.full_name} was used before start()")
        return self.topic_id

    def _replace(self, **changes: Any) -> None:
        # Frozen and replaced as a whole: other threads read it while this one counts.
        self.counters = dataclasses.replace(self.counters, **changes)

    def _now_ms(self) -> int:
        return int(self._clock.monotonic_seconds() * 1_000)
