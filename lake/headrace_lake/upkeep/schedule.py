"""Upkeep by itself: what is due is done, one table after the other, and recorded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from headrace_ingestion.clock import Clock, SystemClock

from headrace_lake.catalog import Lake
from headrace_lake.errors import LakeError
from headrace_lake.place import Place
from headrace_lake.quality.check import check_and_record
from headrace_lake.quality.rules import Rule
from headrace_lake.query import Limits
from headrace_lake.rollups.refresh import Refreshed, refresh
from headrace_lake.rollups.rollup import Rollup
from headrace_lake.tables import TableSpec
from headrace_lake.upkeep.compact import TARGET_BYTES, Compaction, compact, is_small
from headrace_lake.upkeep.files import KeptTable, kept_tables, opened, stored_files
from headrace_lake.upkeep.record import OF_TABLES, Action, Entry, last_done, record
from headrace_lake.upkeep.retain import Retained, Tiers, retain
from headrace_lake.upkeep.rewrite import Engine
from headrace_lake.upkeep.vacuum import DEFAULT_AGE, Vacuumed, check_age, vacuum

log = logging.getLogger(__name__)

WHO = "headrace up"

_QUALITY_SECONDS = 600.0
"""Longest time of one rule, and of one roll-up."""

Done: TypeAlias = Mapping[tuple[str, str], datetime]
"""Table and action → when it was last done."""


@dataclass(frozen=True, slots=True)
class UpkeepPolicy:
    """When upkeep does what.

    Attributes:
        check_seconds: Time between two looks at the tables.
        small_files: Compact a table that has more small files than this; None: never.
        target_bytes: Size that files are made to have.
        vacuum_every: Time between two vacuums of a table; None: never.
        vacuum_age: Remove files that went longer ago than this.
        retain_every: Time between two looks for rows that are old enough.
        quality_every: Time between two checks of what is expected of a table; None: never.
        tiers: Schema or `<schema>.<name>` → what happens to old rows; the table's own are stronger.
        engine: What rewriting may use.

    Raises:
        LakeError: `vacuum_age` is too small.
    """

    check_seconds: float = 60.0
    small_files: int | None = 100
    target_bytes: int = TARGET_BYTES
    vacuum_every: timedelta | None = timedelta(days=1)
    vacuum_age: timedelta = DEFAULT_AGE
    retain_every: timedelta = timedelta(days=1)
    quality_every: timedelta | None = timedelta(hours=1)
    tiers: Mapping[str, Tiers] = field(default_factory=dict)
    engine: Engine = field(default_factory=Engine)

    def __post_init__(self) -> None:
        check_age(self.vacuum_age)

    def tiers_of(self, table: KeptTable) -> Tiers | None:
        """Return what happens to old rows of a table, or None when nothing does."""
        return self.tiers.get(table.full_name) or self.tiers.get(table.schema)


class Upkeep:
    """The upkeep of a lake.

    Args:
        lake: Folder of the lake.
        specs: Declared tables.
        policy: When what is done.
        clock: The clocks.
        rules: What is expected of tables.
        rollups: What is kept current from the tables of events.
    """

    def __init__(
        self,
        lake: Place,
        specs: Sequence[TableSpec],
        policy: UpkeepPolicy | None = None,
        clock: Clock | None = None,
        rules: Sequence[Rule] = (),
        rollups: Sequence[Rollup] = (),
    ) -> None:
        self._lake = lake
        self._specs = tuple(specs)
        self._policy = policy or UpkeepPolicy()
        self._clock = clock or SystemClock()
        self._rules = tuple(rules)
        self._rollups = tuple(rollups)
        self._stop = threading.Event()
        # Table and action → the failure that was recorded last: it is recorded once, however often it is met.
        self._failures: dict[tuple[str, Action], str] = {}

    def run(self, stop: threading.Event, on_ready: Callable[[], None] = lambda: None) -> None:
        """Look at the tables again and again until `stop` is set; what is begun then is ended after its commit."""
        self._stop = stop
        on_ready()
        while not stop.wait(self._policy.check_seconds):
            try:
                self.turn()
            except LakeError as error:
                log.error("%s", error)

    def turn(self) -> list[Entry]:
        """Do once what is due, and return what was done or has failed; both stand in `ops.upkeep`.

        Raises:
            LakeError: The record could not be read or written.
        """
        done = last_done(self._lake, self._now())
        # Before retention: what it deletes stands in the roll-ups then.
        entries = [entry for rollup in self._rollups if (entry := self._rolled_up(rollup))]
        for table in kept_tables(self._lake, self._specs):
            for action in OF_TABLES:
                entry = None if self._stop.is_set() else self._tried(table, action, done)
                entries += [entry] if entry else []
        record(self._lake, entries, self._clock.now_ms())
        return entries

    def _rolled_up(self, rollup: Rollup) -> Entry | None:
        if self._stop.is_set():
            return None
        limits = Limits(seconds=_QUALITY_SECONDS, memory_bytes=self._policy.engine.memory_bytes)
        return self._recorded(rollup.full_name, "rollup", lambda: self._refresh(rollup, limits))

    def _refresh(self, rollup: Rollup, limits: Limits) -> Entry | None:
        result = refresh(self._lake, self._specs, rollup, now_ms=self._clock.now_ms(), who=WHO, limits=limits)
        return entry_of(result, WHO) if result.did_something else None

    def _tried(self, table: KeptTable, action: Action, done: Done) -> Entry | None:
        return self._recorded(table.full_name, action, lambda: self._do(table, action, done))

    def _recorded(self, table: str, action: Action, do: Callable[[], Entry | None]) -> Entry | None:
        try:
            entry = do()
        except LakeError as error:
            failure = str(error).splitlines()[0]
            if self._failures.get((table, action)) == failure:
                return None
            self._failures[table, action] = failure
            log.error("%s", error)
            return Entry(table, action, WHO, failure=failure)
        self._failures.pop((table, action), None)
        if entry is not None:
            log.info("%s: %s", action, ", ".join(f"{name} {value}" for name, value in entry.figures().items()))
        return entry

    def _do(self, table: KeptTable, action: Action, done: Done) -> Entry | None:
        match action:
            case "retain":
                return self._retain(table, done)
            case "compact":
                return self._compact(table)
            case "vacuum":
                return self._vacuum(table, done)
            case "quality":
                return self._quality(table, done)
            case "rollup":
                return None  # not of a table that is there: see `_rolled_up`

    def _retain(self, table: KeptTable, done: Done) -> Entry | None:
        policy = self._policy
        tiers = policy.tiers_of(table)
        if tiers is None or not self._is_time(table, "retain", policy.retain_every, done):
            return None
        result = retain(
            table,
            tiers,
            self._clock.now_ms(),
            engine=policy.engine,
            target_bytes=policy.target_bytes,
            who=WHO,
            should_stop=self._stop.is_set,
        )
        return entry_of(result, WHO)

    def _compact(self, table: KeptTable) -> Entry | None:
        policy = self._policy
        if policy.small_files is None:
            return None
        files = stored_files(opened(table), table.time_column)
        if sum(is_small(file.bytes, policy.target_bytes) for file in files) <= policy.small_files:
            return None
        result = compact(
            table, target_bytes=policy.target_bytes, engine=policy.engine, who=WHO, should_stop=self._stop.is_set
        )
        return entry_of(result, WHO) if result.did_something else None

    def _vacuum(self, table: KeptTable, done: Done) -> Entry | None:
        every = self._policy.vacuum_every
        if every is None or not self._is_time(table, "vacuum", every, done):
            return None
        return entry_of(vacuum(table, age=self._policy.vacuum_age, who=WHO), WHO)

    def _quality(self, table: KeptTable, done: Done) -> Entry | None:
        every = self._policy.quality_every
        rules = [rule for rule in self._rules if rule.table == table.full_name]
        if every is None or not rules or not self._is_time(table, "quality", every, done):
            return None
        limits = Limits(seconds=_QUALITY_SECONDS, memory_bytes=self._policy.engine.memory_bytes)
        findings = check_and_record(Lake(self._lake, self._specs), rules, WHO, self._clock, limits)
        for finding in findings:
            if finding.status in ("warned", "failed"):
                log.warning("quality: %s %s of %s: %s", finding.rule, finding.status, finding.table, finding.measure)
        return Entry(
            table.full_name,
            "quality",
            WHO,
            rows=sum(finding.failing or 0 for finding in findings),
            seconds=sum(finding.seconds for finding in findings),
        )

    def _is_time(self, table: KeptTable, action: Action, every: timedelta, done: Done) -> bool:
        last = done.get((table.full_name, action)) or _made_at(table)
        # A table that was made in the future was made by a clock that was wrong.
        return abs(self._now() - last) >= every

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_ms() / 1_000, UTC)


def entry_of(result: Compaction | Retained | Vacuumed | Refreshed, who: str) -> Entry:
    """Return the entry of `ops.upkeep` that says what was done."""
    if isinstance(result, Refreshed):
        return Entry(result.table, "rollup", who, rows=result.rows, seconds=result.seconds)
    if isinstance(result, Vacuumed):
        return Entry(
            result.table,
            "vacuum",
            who,
            files_freed=result.files,
            bytes_freed=result.bytes,
            seconds=result.seconds,
        )
    return Entry(
        result.table,
        "compact" if isinstance(result, Compaction) else "retain",
        who,
        files_before=result.files_before,
        files_after=result.files_after,
        bytes_before=result.bytes_before,
        bytes_after=result.bytes_after,
        rows=result.rows if isinstance(result, Compaction) else result.deleted_rows,
        seconds=result.seconds,
    )


def _made_at(table: KeptTable) -> datetime:
    return datetime.fromtimestamp(opened(table).metadata().created_time / 1_000, UTC)
