"""When rows are written: by age, by number, by size; with a clock that the test moves."""

from pathlib import Path

import pytest
from headrace_lake import FlushPolicy, LakeError, TableSpec, events_table
from headrace_lake.feed import Feed
from headrace_lake.layout import table_folder
from lake_records import CALL, HandClock, call_record

SPEC = events_table(CALL)


def feed(lake: Path, clock: HandClock, policy: FlushPolicy, spec: TableSpec = SPEC) -> Feed:
    """A feed that reads partition 0 from its beginning."""
    made = Feed(lake, spec, policy, clock)
    assert made.start("topic-uuid", (0,)) == {0: None}
    return made


def test_nothing_is_due_while_nothing_waits(tmp_path: Path) -> None:
    clock = HandClock()
    waiting = feed(tmp_path, clock, FlushPolicy(interval_ms=1))
    clock.seconds += 60
    assert not waiting.is_due()


def test_rows_are_due_when_the_oldest_has_waited_for_the_interval(tmp_path: Path) -> None:
    clock = HandClock()
    waiting = feed(tmp_path, clock, FlushPolicy(interval_ms=1_000))
    waiting.take(0, [call_record(0)], 1)
    clock.seconds += 0.999
    waiting.take(0, [call_record(1)], 2)
    assert not waiting.is_due()
    clock.seconds += 0.001
    assert waiting.is_due()
    assert waiting.write() == "committed"
    assert not waiting.is_due()


def test_rows_are_due_at_once_when_enough_of_them_wait(tmp_path: Path) -> None:
    waiting = feed(tmp_path, HandClock(), FlushPolicy(rows=3))
    waiting.take(0, [call_record(0), call_record(1)], 2)
    assert not waiting.is_due()
    waiting.take(0, [call_record(2)], 3)
    assert waiting.is_due()


def test_rows_are_due_at_once_when_their_keys_and_values_are_large_enough(tmp_path: Path) -> None:
    record = call_record(0)
    size = len(record.value or b"") + len(record.key or b"")
    waiting = feed(tmp_path, HandClock(), FlushPolicy(bytes=2 * size))
    waiting.take(0, [record], 1)
    assert not waiting.is_due()
    waiting.take(0, [record], 2)
    assert waiting.is_due()


def test_everything_is_due_when_no_more_will_come(tmp_path: Path) -> None:
    waiting = feed(tmp_path, HandClock(), FlushPolicy())
    assert not waiting.is_due(finally_=True)
    waiting.take(0, [call_record(0)], 1)
    assert waiting.is_due(finally_=True)


def test_a_write_that_fails_keeps_the_rows_and_waits_longer_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HandClock()
    waiting = feed(tmp_path, clock, FlushPolicy(rows=1))
    folder = table_folder(tmp_path, SPEC.schema, SPEC.name)
    away = folder.with_name("away")
    folder.rename(away)
    folder.write_text("no folder can be made here")
    waiting.take(0, [call_record(0)], 1)
    assert waiting.write() == "failed"
    assert waiting.counters.failure is not None
    assert "1 records wait, next attempt in 500 ms" in caplog.text
    assert not waiting.is_due()
    clock.seconds += 0.5
    assert waiting.is_due()
    assert waiting.write() == "failed"
    assert "next attempt in 1000 ms" in caplog.text

    folder.unlink()
    away.rename(folder)
    clock.seconds += 1
    assert waiting.write() == "committed"
    after = waiting.counters
    assert (after.rows, after.failure) == (1, None)


def test_reading_is_held_back_when_four_commits_wait(tmp_path: Path) -> None:
    waiting = feed(tmp_path, HandClock(), FlushPolicy(rows=2))
    waiting.take(0, [call_record(at) for at in range(7)], 7)
    assert not waiting.is_full
    waiting.take(0, [call_record(7)], 8)
    assert waiting.is_full
    waiting.write()
    assert not waiting.is_full


def test_the_next_offset_is_the_readers_position_and_not_the_last_record(tmp_path: Path) -> None:
    # Transaction markers have offsets: the next batch starts behind them.
    waiting = feed(tmp_path, HandClock(), FlushPolicy())
    waiting.take(0, [call_record(0)], 3)
    waiting.write()
    assert waiting.starts == {0: 3}
    assert Feed(tmp_path, SPEC, FlushPolicy(), HandClock()).start("topic-uuid", (0, 1)) == {0: 3, 1: None}


def test_a_feed_that_another_writer_overtook_drops_its_rows_and_says_where_the_table_continues(tmp_path: Path) -> None:
    ours, theirs = (feed(tmp_path, HandClock(), FlushPolicy()) for _ in range(2))
    ours.take(0, [call_record(0), call_record(1)], 2)
    theirs.take(0, [call_record(0)], 1)
    assert theirs.write() == "committed"
    assert ours.write() == "seek"
    assert (ours.waiting_rows, ours.starts) == (0, {0: 1})


def test_a_topic_that_was_made_anew_starts_from_its_beginning(tmp_path: Path) -> None:
    waiting = feed(tmp_path, HandClock(), FlushPolicy())
    waiting.take(0, [call_record(0)], 1)
    waiting.write()
    waiting.take(0, [call_record(1)], 2)
    assert waiting.start("another-uuid", (0,)) == {0: None}
    assert waiting.waiting_rows == 0


@pytest.mark.parametrize("name", ["interval_ms", "rows", "bytes"])
def test_a_policy_of_zero_is_refused_with_the_setting(name: str) -> None:
    with pytest.raises(LakeError) as error:
        FlushPolicy(**{name: 0})
    assert str(error.value).splitlines()[:2] == [f"lake.flush_{name} is 0", "  expected:  a whole number from 1"]
