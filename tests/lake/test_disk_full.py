"""A lake on a disk that is full: the writer waits and says why, and goes on where it was when there is room."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from headrace_ingestion.records import Record
from headrace_lake import FlushPolicy, Lake, TableSpec, dead_letters_table, events_table
from headrace_lake.feed import Feed
from headrace_lake.layout import table_folder
from lake_records import CALL, HandClock, call_record, rows_written, running_writer, send, until
from small_disk import SmallDisk, small_disk

SPEC = events_table(CALL, dead_letters_here=True)
BATCH = 100


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 4) as made:
        yield made


def stored(lake: Path, spec: TableSpec = SPEC) -> list[int]:
    """The offsets of all rows, sorted."""
    return [row[0] for row in Lake(lake, [spec]).sql("select _offset from events.call order by all").rows]


@pytest.mark.parametrize("room_kilobytes", [0, 4, 20])
def test_rows_wait_for_room_and_are_stored_once(disk: SmallDisk, room_kilobytes: int) -> None:
    clock = HandClock()
    feed = Feed(disk.folder, SPEC, FlushPolicy(), clock)
    assert feed.start("topic", (0,)) == {0: None}
    disk.leave(room_kilobytes * 1024)
    outcomes = []
    for first in range(0, 6 * BATCH, BATCH):
        # One in ten is refused: their dead letters are a commit of another table.
        records: list[Record] = [
            call_record(at, duration_s=-1 if at % 10 == 0 else 1) for at in range(first, first + BATCH)
        ]
        feed.take(0, records, first + BATCH)
        outcomes.append(feed.write())
    assert outcomes[-1] == "failed"
    assert feed.counters.failure is not None
    assert feed.counters.failure.endswith(": No space left on device (os error 28)")
    disk.free()
    assert feed.write() == "committed"
    assert feed.counters.failure is None
    assert stored(disk.folder) == [at for at in range(6 * BATCH) if at % 10]
    query = 'select "offset" from ops.dead_letters order by all'
    refused = Lake(disk.folder, [SPEC, dead_letters_table()]).sql(query).rows
    assert refused == [(at,) for at in range(0, 6 * BATCH, 10)]


def test_a_table_that_could_not_be_made_for_want_of_room_is_made_later(disk: SmallDisk) -> None:
    feed = Feed(disk.folder, SPEC, FlushPolicy(), HandClock())
    disk.leave(0)
    assert feed.start("topic", (0,)) is None
    assert table_folder(disk.folder, "events", "call").is_dir()
    assert Lake(disk.folder, [SPEC]).sql("select * from events.call").rows == []
    disk.free()
    assert feed.start("topic", (0,)) == {0: None}
    feed.take(0, [call_record(0)], 1)
    assert feed.write() == "committed"
    assert stored(disk.folder) == [0]


def test_a_running_writer_says_why_it_waits_and_goes_on_when_there_is_room(
    broker: Any, disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    spec = events_table(CALL, f"t{uuid4().hex[:8]}.")
    broker.create_topic(spec.topic)
    with running_writer(broker.connection, disk.folder, [spec]) as writer:
        send(broker.connection, spec.topic, [call_record(at) for at in range(BATCH)])
        until(lambda: rows_written(writer, "events.call") == BATCH)
        disk.leave(0)
        send(broker.connection, spec.topic, [call_record(at) for at in range(BATCH, 2 * BATCH)])
        until(lambda: writer.status()["events.call"].counters.failure is not None)
        folder = re.escape(str(table_folder(disk.folder, "events", "call")))
        assert re.search(
            r"table events\.call could not be written: .*No space left on device \(os error 28\)\n"
            rf"  folder:    {folder}\n"
            r"  expected:  a folder that can be written, on a disk that is not full\n"
            rf"  try:       df -h {folder}\n"
            r"  \d+ records wait, next attempt in 500 ms",
            caplog.text,
        )
        disk.free()
        until(lambda: rows_written(writer, "events.call") == 2 * BATCH)
        assert "table events.call can be written again" in caplog.text
    assert stored(disk.folder, spec) == list(range(2 * BATCH))
