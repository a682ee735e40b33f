"""Looking up one entity: age, expiry, other declarations, unknown keys; records that are no rows."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from headrace_features.online import GuardedSqlite, OnlineStoreError, get_online
from headrace_features.online.records import compile_reader
from headrace_features.view import View
from packed_rows import packed
from store_cases import CELL, TICK, load_project, record, row

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SUM = "duration_s_sum_1h"


def put(store: GuardedSqlite, view: View, age: timedelta, *, key: str = "a", declaration: str | None = None) -> None:
    clock_ms = int((NOW - age).timestamp() * 1_000)
    store.write(
        view.name, [row(key, clock_ms, declaration=declaration or view.digest, features={SUM: 1.5, "is_long": False})]
    )


def test_values_come_with_their_age(sqlite: GuardedSqlite, subscriber: View) -> None:
    put(sqlite, subscriber, timedelta(minutes=3))
    found = get_online(sqlite, subscriber, "a", NOW)
    assert found is not None
    assert dict(found.values) == {"country_lag_1": None, "duration_s_count_1h": None, SUM: 1.5, "is_long": False}
    assert (found.age, found.ttl, found.freshness) == (timedelta(minutes=3), timedelta(hours=24), "fresh")
    assert found.clock == found.event_time == NOW - timedelta(minutes=3)


def test_a_value_of_exactly_the_ttl_is_still_fresh(sqlite: GuardedSqlite, subscriber: View) -> None:
    put(sqlite, subscriber, timedelta(hours=24))
    found = get_online(sqlite, subscriber, "a", NOW)
    assert found is not None
    assert not found.expired


def test_an_expired_value_is_withheld_unless_it_is_asked_for(sqlite: GuardedSqlite, subscriber: View) -> None:
    put(sqlite, subscriber, timedelta(hours=24, milliseconds=1))
    withheld = get_online(sqlite, subscriber, "a", NOW)
    given = get_online(sqlite, subscriber, "a", NOW, allow_expired=True)
    assert withheld is not None
    assert given is not None
    assert (withheld.freshness, withheld.values[SUM]) == ("expired", None)
    assert (given.freshness, given.values[SUM]) == ("expired", 1.5)


def test_a_value_of_another_declaration_is_withheld_in_any_case(sqlite: GuardedSqlite, subscriber: View) -> None:
    put(sqlite, subscriber, timedelta(0), declaration="another")
    found = get_online(sqlite, subscriber, "a", NOW, allow_expired=True)
    assert found is not None
    assert (found.freshness, found.values[SUM], found.declaration) == ("outdated", None, "another")


def test_a_clock_ahead_of_ours_has_no_negative_age(sqlite: GuardedSqlite, subscriber: View) -> None:
    put(sqlite, subscriber, timedelta(seconds=-2))
    found = get_online(sqlite, subscriber, "a", NOW)
    assert found is not None
    assert (found.age, found.freshness) == (timedelta(0), "fresh")


def test_an_unknown_key_is_nothing(sqlite: GuardedSqlite, subscriber: View) -> None:
    assert get_online(sqlite, subscriber, "a", NOW) is None


def test_now_without_a_zone_is_refused(sqlite: GuardedSqlite, subscriber: View) -> None:
    with pytest.raises(ValueError, match="now must have a timezone, got 2026-03-02T12:00:00"):
        get_online(sqlite, subscriber, "a", NOW.replace(tzinfo=None))


def test_a_key_that_is_no_number_is_an_error_where_keys_are(sqlite: GuardedSqlite, tmp_path: Path) -> None:
    cell = load_project(
        tmp_path / "cells",
        {"tick": TICK},
        {"cell": CELL},
    )["cell"]
    sqlite.write(
        "cell", [row("7", int(NOW.timestamp() * 1_000), declaration=cell.digest, features={"load_lag_1": 0.5})]
    )
    for key in (7, "7", "007"):
        found = get_online(sqlite, cell, key, NOW)
        assert found is not None
        assert found.values == {"load_lag_1": 0.5}
    with pytest.raises(OnlineStoreError) as caught:
        get_online(sqlite, cell, "seven", NOW)
    assert str(caught.value) == (
        "the view 'cell' has no key 'seven'\n"
        "  expected:  the 'cell' of an event 'tick': a whole number\n"
        "  try:       headrace features get cell 1"
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"clock_ms": None}, "the field 'clock_ms' is null, expected an integer of zero or more"),
        ({"source_offset": -1}, "the field 'source_offset' is -1, expected an integer of zero or more"),
        ({"generation": True}, "the field 'generation' is true, expected an integer of zero or more"),
        ({"declaration": 7}, "the field 'declaration' is 7, expected a string"),
        ({"subscriber_id": None}, "the key 'subscriber_id' is null, expected a string or an integer"),
        ({"is_long": 1}, "the feature 'is_long' is 1, which is not of its type"),
        ({"country_lag_1": "x" * 100}, None),
        ({SUM: "x" * 100}, f'the feature \'{SUM}\' is "{"x" * 79}…, which is not of its type'),
        ({"declaration": "another", "new": [1]}, "the feature 'new' is [1], which is not of its type"),
        ({"declaration": "another", "new": 1}, None),
    ],
)  # fmt: skip
def test_a_record_that_is_no_row_is_named_with_field_and_value(
    subscriber: View, changes: dict[str, Any], reason: str | None
) -> None:
    reduced = compile_reader(subscriber)([json.dumps({**record(subscriber, "a", 5), **changes}).encode()])
    assert [why.reason for _, why in reduced.unreadable] == ([] if reason is None else [reason])
    assert len(reduced.rows) == (1 if reason is None else 0)


def test_the_newest_row_is_kept_whichever_encoding_it_has(subscriber: View) -> None:
    older, newer = (record(subscriber, "a", minute) for minute in (5, 6))
    read = compile_reader(subscriber)
    in_json = read([json.dumps(older).encode(), json.dumps(newer).encode()])
    letters = {
        column.name: {"double": "d", "string": "s", "bool": "b"}.get(column.type, "q") for column in subscriber.columns
    }
    assert read([json.dumps(older).encode(), packed(newer, **letters)]) == in_json
    assert read([packed(newer, **letters), json.dumps(older).encode()]) == in_json


def test_features_are_the_same_wherever_they_stand_in_the_record(subscriber: View) -> None:
    fields = record(subscriber, "a", 5)
    features = {column.name: fields.pop(column.name, None) for column in subscriber.columns}
    first = next(iter(features))
    forms = [
        {**fields, **features},  # as the job writes them
        {**features, **fields},
        {**{name: fields[name] for name in reversed(fields)}, **features},
        {**fields, "event_id": {"x": 1, first: "another"}, **features},
        {**fields, "event_id": f',"{first}":7', **features},
    ]
    read = compile_reader(subscriber)
    for form in forms:
        ((row,), unreadable) = read([json.dumps(form, separators=(",", ":")).encode()])
        assert (unreadable, row.key, row.features()) == ([], "a", features)
