"""`as_of` and the history: the lake as it was, and who changed it."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from headrace_lake import Lake, QueryError, events_table
from headrace_lake.as_of import AsOf, read_as_of
from headrace_lake.history import table_history
from headrace_lake.upkeep.compact import compact
from lake_records import CALL, SUBSCRIBER
from upkeep_tables import folder, table, write

COUNT = "select count(*) from features.subscriber"


def now() -> datetime:
    """An instant that lies between two commits: the log counts milliseconds."""
    time.sleep(0.003)
    instant = datetime.now(UTC)
    time.sleep(0.003)
    return instant


def test_all_views_are_as_they_were_at_an_instant(tmp_path: Path) -> None:
    lake = Lake(tmp_path, [SUBSCRIBER, events_table(CALL)])
    before = now()
    write(tmp_path, 0, 20)
    between = now()
    write(tmp_path, 20, 50)
    compact(table(tmp_path))
    assert lake.sql(COUNT).rows == [(50,)]
    assert lake.sql(COUNT, as_of=between).rows == [(20,)]
    assert lake.sql(COUNT, as_of=between.isoformat()).rows == [(20,)]
    assert lake.sql(COUNT, as_of=before).rows == [(0,)]
    assert lake.sql(f"select ({COUNT}), count(*) from events.call", as_of=between).rows == [(20, 0)]


def test_a_table_is_read_at_a_version(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    lake = Lake(tmp_path, [SUBSCRIBER])
    for as_of in ({"features.subscriber": 3}, "features.subscriber=3", ["features.subscriber=3"]):
        result = lake.sql(COUNT, as_of=as_of)
        assert (result.rows, result.versions) == ([(30,)], {"features.subscriber": 3})


def test_a_version_whose_files_are_gone_says_so(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    lake, kept = Lake(tmp_path, [SUBSCRIBER]), table(tmp_path)
    small = list(folder(tmp_path).glob("*.parquet"))
    compact(kept)
    for path in small:
        path.unlink()
    with pytest.raises(QueryError) as error:
        lake.sql(COUNT, as_of="features.subscriber=5")
    assert str(error.value) == (
        "table features.subscriber cannot be read as of version 5: the vacuum has removed its files\n"
        "  kept:  what the vacuum has not removed (upkeep.vacuum_age)\n"
        "  try:   headrace lake history features.subscriber"
    )
    assert lake.sql(COUNT).rows == [(50,)]


def test_an_instant_before_the_log_is_an_error_and_not_the_oldest_version(tmp_path: Path) -> None:
    early = now()
    write(tmp_path, 0, 250)
    kept = table(tmp_path)
    for version in range(20):
        (kept.folder / "_delta_log" / f"{version:020d}.json").unlink()
    with pytest.raises(QueryError, match=r"cannot be read as of .*: its log does not reach back that far\n"):
        Lake(tmp_path, [SUBSCRIBER]).sql(COUNT, as_of=early)


@pytest.mark.parametrize(("as_of", "first"), [
    ("12", "'12' says no instant and no version of a table"),
    ("features.subscriber=x", "'features.subscriber=x' says no instant and no version of a table"),
    (["2026-01-01", "2026-01-02"], "'2026-01-02' says no instant and no version of a table"),
    ("features.subscribr=1", "there is no table 'features.subscribr'"),
    ("features.subscriber=9", "table features.subscriber cannot be read as of version 9: its newest version is 1"),
])  # fmt: skip
def test_what_says_no_version_is_named(tmp_path: Path, as_of: str | list[str], first: str) -> None:
    write(tmp_path, 0, 10)
    with pytest.raises(QueryError) as error:
        Lake(tmp_path, [SUBSCRIBER]).sql(COUNT, as_of=as_of)
    assert str(error.value).splitlines()[0] == first


def test_an_instant_without_a_zone_is_utc() -> None:
    assert read_as_of("2026-01-31T12:00") == AsOf(datetime(2026, 1, 31, 12, tzinfo=UTC))
    assert read_as_of(datetime(2026, 1, 31)) == read_as_of("2026-01-31") == AsOf(datetime(2026, 1, 31, tzinfo=UTC))  # noqa: DTZ001


def test_the_history_says_what_came_and_went_and_who_did_it(tmp_path: Path) -> None:
    write(tmp_path, 0, 20)
    compact(table(tmp_path))
    changes = table_history(table(tmp_path))
    assert [
        (one.version, one.operation, one.files_added, one.files_removed, one.rows_added, one.rows_removed, one.who)
        for one in changes[:3]
    ] == [
        (3, "compact", 1, 2, 20, 20, "headrace lake compact"),
        (2, "write", 1, 0, 10, 0, "lake writer"),
        (1, "write", 1, 0, 10, 0, "lake writer"),
    ]
    assert changes[3].operation == "create table"
    assert datetime.now(UTC) - changes[0].at < timedelta(minutes=1)
    assert [one.version for one in table_history(table(tmp_path), 2)] == [3, 2]


def test_a_connection_is_made_although_files_went_while_it_was_made(tmp_path: Path) -> None:
    write(tmp_path, 0, 20)
    kept = table(tmp_path)
    taken: list[Path] = []

    class Slow(Lake):
        """Between the snapshot and the views, upkeep does all of its work."""

        def _snapshots(self, query: str | None, as_of: AsOf = AsOf()) -> list:  # type: ignore[type-arg,override]  # noqa: B008
            found = super()._snapshots(query, as_of)
            if not taken:
                taken.extend(folder(tmp_path).glob("*.parquet"))
                compact(kept)
                for path in taken:
                    path.unlink()
            return found

    with Slow(tmp_path, [SUBSCRIBER]).connect() as connection:
        assert connection.sql(COUNT).fetchall() == [(20,)]
    assert len(taken) == 2
