"""Upkeep by itself: what is due is done once, also after a restart, and a table that fails holds up no other."""

from datetime import timedelta
from pathlib import Path

import pytest
from headrace_lake import Lake, LakeError
from headrace_lake.upkeep.retain import Tiers
from headrace_lake.upkeep.schedule import Upkeep, UpkeepPolicy
from lake_records import SUBSCRIBER
from upkeep_tables import handle, offsets, write

DAY_MS = 86_400_000
POLICY = UpkeepPolicy(small_files=4, tiers={"features": Tiers(delete_after=timedelta(days=36_500))})


class Day:
    """A clock of days since the table was made."""

    def __init__(self, lake: Path) -> None:
        self._made_ms = handle(lake).metadata().created_time
        self.days = 0.0

    def now_ms(self) -> int:
        """Return the time of day in milliseconds since 1970."""
        return self._made_ms + int(self.days * DAY_MS)

    def monotonic_seconds(self) -> float:
        """Return seconds that never go back."""
        return self.days * 86_400


def actions(upkeep: Upkeep) -> list[tuple[str, str]]:
    """What one turn does."""
    return [(entry.table, entry.action) for entry in upkeep.turn()]


def test_a_table_is_compacted_when_it_has_more_small_files_than_the_limit(tmp_path: Path) -> None:
    write(tmp_path, 0, 40)
    upkeep = Upkeep(tmp_path, [SUBSCRIBER], POLICY, Day(tmp_path))
    assert actions(upkeep) == []
    write(tmp_path, 40, 50)
    assert actions(upkeep) == [("features.subscriber", "compact")]
    assert actions(upkeep) == []
    assert offsets(tmp_path) == list(range(50))


def test_vacuum_and_retention_are_due_once_a_day_also_after_a_restart(tmp_path: Path) -> None:
    write(tmp_path, 0, 10)
    clock = Day(tmp_path)
    daily = [("features.subscriber", "retain"), ("features.subscriber", "vacuum")]
    turns = []
    for clock.days in (0.9, 1, 1.9, 2):
        turns.append(actions(Upkeep(tmp_path, [SUBSCRIBER], POLICY, clock)))
    assert [[one for one in turn if one in daily] for turn in turns] == [[], daily, [], daily]


def test_upkeep_goes_on_after_a_clock_that_was_ahead_is_set_back(tmp_path: Path) -> None:
    write(tmp_path, 0, 10)
    clock = Day(tmp_path)
    upkeep = Upkeep(tmp_path, [SUBSCRIBER], POLICY, clock)
    daily = [("features.subscriber", "retain"), ("features.subscriber", "vacuum")]
    turns = []
    # Ten years ahead, back again, the next day; and before the table was made.
    for clock.days in (3_650, 1, 1.5, 2, -5, -4.5):
        turns.append(actions(upkeep))
    assert [[one for one in turn if one in daily] for turn in turns] == [daily, daily, [], daily, daily, []]


def test_what_was_done_stands_in_ops_upkeep_and_in_the_list_of_tables(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    clock = Day(tmp_path)
    Upkeep(tmp_path, [SUBSCRIBER], POLICY, clock).turn()
    lake = Lake(tmp_path, [SUBSCRIBER])
    query = 'select "table", action, who, files_before, files_after, rows, failure from ops.upkeep'
    assert lake.sql(query).rows == [("features.subscriber", "compact", "headrace up", 5, 1, 50, None)]
    (info,) = [one for one in lake.tables() if one.name == "subscriber"]
    assert (info.files, info.small_files) == (1, 1)
    assert info.last_compaction is not None
    assert info.last_compaction.timestamp() * 1_000 == clock.now_ms()


def test_a_table_that_fails_is_recorded_once_and_the_others_go_on(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    clock = Day(tmp_path)
    log = tmp_path / "events" / "broken" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("no commit")
    upkeep = Upkeep(tmp_path, [SUBSCRIBER], POLICY, clock)
    first = [(entry.table, entry.action, entry.failure is None) for entry in upkeep.turn()]
    assert first == [
        ("events.broken", "compact", False),
        ("events.broken", "vacuum", False),
        ("features.subscriber", "compact", True),
    ]
    assert actions(upkeep) == []


def test_upkeep_that_is_switched_off_does_nothing(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    clock = Day(tmp_path)
    clock.days = 10
    assert actions(Upkeep(tmp_path, [SUBSCRIBER], UpkeepPolicy(small_files=None, vacuum_every=None), clock)) == []


def test_a_policy_that_would_take_files_from_readers_cannot_be_built() -> None:
    with pytest.raises(LakeError, match=r"^files that went 1h ago may still be read: no vacuum\n"):
        UpkeepPolicy(vacuum_age=timedelta(hours=1))
