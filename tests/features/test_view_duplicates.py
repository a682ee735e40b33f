"""Rules 3, 9 and 10: clocks, generations, late events and duplicates."""

import pyarrow as pa
from headrace_features.duplicates import KeyHistory, Mark, marked

_SCHEMA = pa.schema(
    [
        ("_key", pa.string()),
        ("event_id", pa.string()),
        ("_partition", pa.int32()),
        ("_offset", pa.int64()),
        ("event_time_ms", pa.int64()),
    ]
)


def marks_of(*events: tuple[str, int], dedup_ms: int = 10, retain_ms: int = 100) -> list[Mark]:
    """Return what becomes of the events (id, time) of one key; told twice, one by one and by DuckDB."""
    history = KeyHistory(dedup_ms, retain_ms)
    one_by_one = [history.fold(event_id, time_ms) for event_id, time_ms in events]
    rows = [
        {"_key": "k", "event_id": event_id, "_partition": 0, "_offset": offset, "event_time_ms": time_ms}
        for offset, (event_id, time_ms) in enumerate(events)
    ]
    table = marked(pa.Table.from_pylist(rows, schema=_SCHEMA), dedup_ms=dedup_ms, retain_ms=retain_ms)
    assert [Mark(**row) for row in table.select(list(Mark._fields)).to_pylist()] == one_by_one
    return one_by_one


def test_an_older_event_counts_at_the_clock_and_is_late() -> None:
    assert marks_of(("a", 50), ("b", 49), ("c", 50)) == [
        Mark(50, 0, False, False), Mark(50, 0, False, True), Mark(50, 0, False, False),
    ]  # fmt: skip


def test_a_repeat_exactly_at_the_end_of_dedup_is_still_a_duplicate() -> None:
    assert [mark.is_duplicate for mark in marks_of(("a", 50), ("a", 60))] == [False, True]


def test_a_repeat_after_dedup_is_a_new_event_and_starts_its_own_dedup() -> None:
    marks = marks_of(("a", 50), ("a", 61), ("a", 71), ("a", 72))
    assert [mark.is_duplicate for mark in marks] == [False, False, True, False]


def test_a_duplicate_does_not_move_the_clock() -> None:
    assert marks_of(("a", 50), ("a", 59), ("b", 55)) == [
        Mark(50, 0, False, False), Mark(59, 0, True, False), Mark(55, 0, False, False),
    ]  # fmt: skip


def test_a_late_repeat_is_a_duplicate_and_not_late() -> None:
    assert marks_of(("a", 50), ("b", 55), ("a", 40))[2] == Mark(55, 0, True, False)


def test_with_a_dedup_of_zero_only_repeats_at_the_same_clock_are_duplicates() -> None:
    marks = marks_of(("a", 50), ("a", 50), ("a", 51), dedup_ms=0)
    assert [mark.is_duplicate for mark in marks] == [False, True, False]


def test_a_jump_of_exactly_retain_stays_in_the_generation_and_a_longer_one_starts_the_next() -> None:
    assert [mark.generation for mark in marks_of(("a", 0), ("b", 100), ("c", 201), ("d", 302))] == [0, 0, 1, 2]


def test_a_new_generation_knows_no_ids_of_the_one_before() -> None:
    assert marks_of(("a", 0), ("a", 101), dedup_ms=1000)[1] == Mark(101, 1, False, False)


def test_a_repeated_id_of_another_key_is_no_duplicate() -> None:
    rows = [
        {"_key": key, "event_id": "a", "_partition": 0, "_offset": offset, "event_time_ms": 5}
        for offset, key in enumerate("kl")
    ]
    table = marked(pa.Table.from_pylist(rows, schema=_SCHEMA), dedup_ms=10, retain_ms=100)
    assert table.column("is_duplicate").to_pylist() == [False, False]


def test_no_events_give_no_marks() -> None:
    table = marked(pa.Table.from_pylist([], schema=_SCHEMA), dedup_ms=10, retain_ms=100)
    assert table.column_names == [*_SCHEMA.names, *Mark._fields]
    assert table.num_rows == 0
