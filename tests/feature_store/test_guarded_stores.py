"""The guard of the online stores: one behaviour suite over SQLite and Valkey."""

import random
import sqlite3
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from headrace_features.online import (
    GuardedSqlite,
    GuardedStore,
    GuardedValkey,
    OnlineConfig,
    OnlineRow,
    OnlineStoreError,
    OnlineStoreUnavailableError,
    Order,
    newest_per_key,
    open_store,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_cases import NewStore, row

ORDERS = st.builds(
    Order,
    generation=st.integers(0, 2),
    clock_ms=st.integers(0, 3) | st.sampled_from([2**53, 2**53 + 1, 2**62]),
    source_offset=st.integers(-2, 3) | st.sampled_from([-(10**17), 1 - 10**17, 2**53, 2**53 + 1]),
    revision=st.integers(0, 2),
    emitted_at_ms=st.integers(0, 2),
)


@st.composite
def batches(draw: st.DrawFn) -> list[list[OnlineRow]]:
    """Rows of three keys, each order once a key, in any order and cut anywhere; some batches come twice."""
    places = draw(st.lists(st.tuples(st.sampled_from("abc"), ORDERS), unique=True, min_size=1, max_size=25))
    rows = [OnlineRow(key, order, 0, "d", OnlineRow.encode({"n": n})) for n, (key, order) in enumerate(places)]
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    parts = [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    return draw(st.permutations(parts + draw(st.lists(st.sampled_from(parts), max_size=2))))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batches())
def test_whatever_the_order_of_batches_the_newest_row_of_each_key_is_left(
    store: GuardedStore, parts: list[list[OnlineRow]]
) -> None:
    view = uuid.uuid4().hex
    for part in parts:
        store.write(view, part)
    newest = {found.key: found for found in newest_per_key(each for part in parts for each in part)}
    assert store.read(view, list("abc")) == [newest.get(key) for key in "abc"]


def test_a_row_comes_back_as_it_was_written(store: GuardedStore) -> None:
    written = row(
        "sübscriber:1 *",
        2**62,
        2**53 + 1,
        generation=3,
        revision=2,
        emitted_at_ms=9,
        features={"total": 1.5, "name": "Zoë", "gone": None},
    )
    assert store.write("v", [written]) == 1
    assert store.read("v", ["sübscriber:1 *"]) == [written]
    assert written.features() == {"total": 1.5, "name": "Zoë", "gone": None}


def test_an_older_row_is_not_stored(store: GuardedStore) -> None:
    newer = row("a", 2_000, 7)
    assert store.write("v", [newer]) == 1
    assert store.write("v", [row("a", 1_000, 9), row("a", 2_000, 6)]) == 0
    assert store.read("v", ["a"]) == [newer]


def test_the_same_row_again_stores_nothing(store: GuardedStore) -> None:
    assert store.write("v", [row("a"), row("b")]) == 2
    assert store.write("v", [row("a"), row("b")]) == 0


def test_a_new_generation_wins_over_a_later_clock(store: GuardedStore) -> None:
    store.write("v", [row("a", 9_000, 9)])
    assert store.write("v", [row("a", 10, 1, generation=1)]) == 1


def test_a_repair_of_the_newest_event_is_stored(store: GuardedStore) -> None:
    store.write("v", [row("a", 1_000, 5, features={"total": 1})])
    repaired = row("a", 1_000, 5, revision=1, features={"total": 2})
    assert store.write("v", [repaired]) == 1
    assert store.read("v", ["a"]) == [repaired]


def test_a_changed_declaration_replaces_the_row_of_the_same_event(store: GuardedStore) -> None:
    store.write("v", [row("a", 1_000, 5, emitted_at_ms=10, declaration="old")])
    computed_anew = row("a", 1_000, 5, emitted_at_ms=20, declaration="new")
    assert store.write("v", [computed_anew]) == 1
    assert store.read("v", ["a"]) == [computed_anew]


def test_offsets_beyond_2_to_the_53_are_compared_exactly(store: GuardedStore) -> None:
    store.write("v", [row("a", offset=2**53)])
    assert store.write("v", [row("a", offset=2**53 + 1)]) == 1
    assert store.write("v", [row("a", offset=2**53)]) == 0


def test_an_imported_event_is_older_than_any_of_the_topic_and_than_the_next_imported(store: GuardedStore) -> None:
    first, second, streamed = (row("a", offset=offset) for offset in (-(10**17), 1 - 10**17, 0))
    assert store.write("v", [second]) == 1
    assert store.read("v", ["a"]) == [second]
    assert store.write("v", [first]) == 0
    assert store.write("v", [streamed]) == 1
    assert store.write("v", [second]) == 0


def test_a_batch_is_reduced_to_its_newest_rows(store: GuardedStore) -> None:
    assert store.write("v", [row("a", 3), row("a", 1), row("b", 1), row("a", 2)]) == 2
    assert store.read("v", ["b", "a"]) == [row("b", 1), row("a", 3)]


def test_an_unknown_key_reads_as_nothing(store: GuardedStore) -> None:
    store.write("v", [row("a")])
    assert store.read("v", ["missing", "a", "a"]) == [None, row("a"), row("a")]
    assert store.read("other view", ["a"]) == [None]
    assert store.read("v", []) == []
    assert store.write("v", []) == 0


def test_more_keys_than_one_query_takes_are_read_and_written(store: GuardedStore) -> None:
    rows = [row(f"key-{n}", n) for n in range(2_500)]
    assert store.write("v", rows) == 2_500
    assert store.read("v", [each.key for each in rows]) == rows


def test_a_restored_row_replaces_other_values_of_the_same_order(store: GuardedStore) -> None:
    wrong, right = row("a", features={"total": 1}), row("a", features={"total": 2})
    store.write("v", [wrong, row("b")])
    assert store.write("v", [right]) == 0
    assert store.restore("v", [right, row("b")]) == 1
    assert store.read("v", ["a", "b"]) == [right, row("b")]
    assert store.restore("v", [right]) == 0


@pytest.mark.parametrize(
    "wrong", [row("a", 5, declaration="another"), OnlineRow("a", Order(0, 5, 0, 0), 4, "0123456789ab", b"{}")]
)
def test_a_restored_row_replaces_another_declaration_and_event_time_of_the_same_order(
    store: GuardedStore, wrong: OnlineRow
) -> None:
    store.write("v", [wrong])
    assert store.restore("v", [row("a", 5)]) == 1
    assert store.read("v", ["a"]) == [row("a", 5)]


def test_a_restored_row_never_replaces_a_newer_one(store: GuardedStore) -> None:
    newer = row("a", 2_000, 7)
    store.write("v", [newer])
    older = [row("a", 9, 9), row("a", 2_000, 6), row("a", 2_000, 6, revision=3, emitted_at_ms=9)]
    for each in older:
        assert store.restore("v", [each]) == 0
    assert store.read("v", ["a"]) == [newer]


def test_a_restored_row_is_stored_where_there_is_none_or_an_older_one(store: GuardedStore) -> None:
    store.write("v", [row("a", 1)])
    assert store.restore("v", [row("a", 2), row("b", 1)]) == 2
    assert store.read("v", ["a", "b"]) == [row("a", 2), row("b", 1)]
    assert store.restore("v", []) == 0


def test_the_keys_of_a_view_are_listed_and_no_others(store: GuardedStore) -> None:
    odd = ["", " ", "a:b", "*", "[a]", "zoë", "\n", "'", '"', "\\", "日本", "a\x00b", "v", "v2:a"]
    store.write("v", [row(key) for key in odd])
    store.write("v2", [row("another")])
    store.write("[v]", [row("third")])
    assert sorted(key for page in store.keys("v") for key in page) == sorted(odd)
    assert [key for page in store.keys("[v]") for key in page] == ["third"]
    assert list(store.keys("none")) == []


def test_more_keys_than_a_part_holds_are_all_listed(store: GuardedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace_features.online.sqlite_store._KEYS_A_PAGE", 70)
    monkeypatch.setattr("headrace_features.online.valkey_store._KEYS_A_READ", 70)
    store.write("v", [row(f"key-{n}") for n in range(700)])
    pages = list(store.keys("v"))
    assert {key for page in pages for key in page} == {f"key-{n}" for n in range(700)}
    assert len(pages) >= 7


def test_keys_can_be_written_and_dropped_while_they_are_listed(
    store: GuardedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace_features.online.sqlite_store._KEYS_A_PAGE", 10)
    monkeypatch.setattr("headrace_features.online.valkey_store._KEYS_A_READ", 10)
    store.write("v", [row(f"key-{n:03}") for n in range(100)])
    seen: set[str] = set()
    for number, page in enumerate(store.keys("v")):
        seen.update(page)
        store.write("v", [row(f"new-{number}"), row(page[0], 2_000)])
    assert seen >= {f"key-{n:03}" for n in range(100)}


def test_forgotten_keys_are_gone_and_the_others_stay(store: GuardedStore) -> None:
    store.write("v", [row("a", 5), row("b", 1)])
    store.write("w", [row("a", 1)])
    assert store.forget("v", ["a", "x"]) == 1
    assert store.read("v", ["a", "b"]) == [None, row("b", 1)]
    assert store.read("w", ["a"]) == [row("a", 1)]
    assert store.write("v", [row("a", 2)]) == 1
    assert store.forget("v", []) == 0


def test_a_forgotten_row_stands_in_no_file_of_sqlite(tmp_path: Path) -> None:
    store = GuardedSqlite(tmp_path / "online.db")
    store.write("v", [row("nobody-else", 5)])
    store.forget("v", ["nobody-else"])
    assert not [path for path in tmp_path.iterdir() if b"nobody-else" in path.read_bytes()]
    store.close()


def test_dropping_a_view_leaves_the_others(store: GuardedStore) -> None:
    store.write("v", [row("a"), row("b")])
    store.write("v2", [row("a")])
    store.drop("v")
    assert store.read("v", ["a", "b"]) == [None, None]
    assert store.read("v2", ["a"]) == [row("a")]


def test_two_writers_at_once_leave_the_newest_rows(new_store: NewStore) -> None:
    rows = [row(f"k{n % 20}", n // 20, n) for n in range(4_000)]

    def write(store: GuardedStore, seed: int) -> None:
        mixed = random.Random(seed).sample(rows, len(rows))
        for start in range(0, len(mixed), 50):
            store.write("v", mixed[start : start + 50])

    writers = [threading.Thread(target=write, args=(new_store(), seed)) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    newest = newest_per_key(rows)
    assert new_store().read("v", [each.key for each in newest]) == newest


def test_a_row_outlives_the_store_that_wrote_it(new_store: NewStore) -> None:
    first = new_store()
    first.write("v", [row("a")])
    first.close()
    assert new_store().read("v", ["a"]) == [row("a")]


@given(st.lists(ORDERS, min_size=2, max_size=2))
def test_orders_as_text_compare_like_the_numbers(orders: Sequence[Order]) -> None:
    first, second = orders
    assert (first.text() > second.text()) == (first > second)
    assert Order.parse(first.text()) == first


def test_a_negative_order_is_refused() -> None:
    with pytest.raises(OnlineStoreError) as caught:
        row("a", -1)
    assert str(caught.value) == (
        "the row of 'a' has the order (0, -1, 0, 0, 0)\n"
        "  expected:  generation, clock_ms, revision and emitted_at_ms of zero or more\n"
        "  try:       headrace features verify"
    )


def test_a_locked_file_is_an_error_that_may_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace_features.online.sqlite_store._LOCK_WAIT_SECONDS", 0.05)
    path = tmp_path / "online.db"
    store = GuardedSqlite(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(OnlineStoreUnavailableError) as caught:
        store.write("v", [row("a")])
    assert str(caught.value) == (
        f"the online store {path} does not answer: database is locked\n"
        "  expected:  a file that can be written, on a disk that is not full, locked by nobody for long\n"
        f"  try:       df -h {tmp_path}"
    )
    other.execute("rollback")
    assert store.write("v", [row("a")]) == 1
    other.close()
    store.close()


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    path.write_text("something else" * 100)
    with pytest.raises(OnlineStoreError) as caught:
        GuardedSqlite(path)
    assert str(caught.value) == (
        f"the online store {path} cannot be used: file is not a database\n"
        "  expected:  a SQLite file that headrace made\n"
        f"  try:       mv {path} {path}.broken (the online writer fills a new one from the topics)"
    )


def test_a_file_of_another_version_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 7")
    connection.close()
    with pytest.raises(OnlineStoreError) as caught:
        GuardedSqlite(path)
    assert str(caught.value) == (
        "the online store has the version 7\n"
        "  expected:  1\n"
        f"  file:      {path}\n"
        f"  try:       rm {path} (the online writer fills it again from the topics)"
    )


def test_a_server_that_is_away_is_an_error_without_the_password() -> None:
    store = GuardedValkey("redis://someone:secret@127.0.0.1:1/0", timeout_seconds=1)
    with pytest.raises(OnlineStoreUnavailableError) as caught:
        store.read("v", ["a"])
    assert str(caught.value) == (
        "the online store redis://…@127.0.0.1:1/0 does not answer: "
        "Error 111 connecting to 127.0.0.1:1. Connection refused.\n"
        "  expected:  a Valkey server that takes writes\n"
        "  try:       headrace status, or correct HEADRACE_ONLINE__URL"
    )
    store.close()


def test_a_url_that_is_none_is_an_error() -> None:
    with pytest.raises(OnlineStoreError) as caught:
        GuardedValkey("127.0.0.1:6379")
    assert str(caught.value) == (
        "'127.0.0.1:6379' is not the URL of a Valkey server\n"
        "  expected:  redis://HOST:PORT/DATABASE, with TLS rediss://…\n"
        "  try:       HEADRACE_ONLINE__URL=redis://127.0.0.1:6379/0"
    )


def test_a_configuration_without_its_place_is_an_error() -> None:
    with pytest.raises(OnlineStoreError) as caught:
        OnlineConfig("valkey")
    assert str(caught.value) == (
        "online.store is 'valkey', and online.url is not given\n"
        "  expected:  path for sqlite, url for valkey\n"
        "  try:       HEADRACE_ONLINE__URL=…"
    )


def test_a_configuration_opens_its_store(tmp_path: Path) -> None:
    store = open_store(OnlineConfig("sqlite", path=tmp_path / "deep" / "online.db"))
    assert store.write("v", [row("a")]) == 1
    store.close()
    assert "secret" not in repr(OnlineConfig("valkey", url="redis://:secret@h/0"))
