"""Fields of every type of a contract: from the record through Delta to SQL, and columns that come later."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion.codec import compile_encoder
from headrace_ingestion.contract import Contract
from headrace_ingestion.records import Record, StoredRecord
from headrace_lake import FlushPolicy, Lake, LakeError, TableSpec, events_table
from headrace_lake.delta_table import open_for_append
from headrace_lake.feed import Feed
from headrace_lake.upkeep.compact import compact
from headrace_lake.upkeep.files import kept_tables
from lake_records import START_MS, HandClock

ORDER: dict[str, Any] = {
    "name": "order",
    "version": 1,
    "key": "customer",
    "time": "at",
    "fields": {"customer": {"type": "string"}, "at": {"type": "timestamp"}},
}
TYPES: dict[str, Any] = {
    "state": {"type": "enum", "values": ["new", "paid"]},
    "total": {"type": "decimal", "precision": 20, "scale": 2},
    "born": {"type": "date"},
    "lines": {
        "type": "list",
        "items": {
            "type": "object",
            "fields": {"price": {"type": "decimal", "precision": 6, "scale": 2}, "packed": {"type": "timestamp"}},
        },
    },
    "counts": {"type": "map", "values": {"type": "long", "required": False}},
    "place": {"type": "object", "fields": {"city": {"type": "string"}, "zip": {"type": "int", "required": False}}},
}
AT = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
SENT = {
    "state": "paid",
    "total": Decimal("123456789012345678.9"),
    "born": dt.date(1900, 2, 28),
    "lines": ({"price": 3, "packed": AT}, {"price": "0.05", "packed": "2025-01-01T01:00:00+01:00"}),
    "counts": {"a": 1, "b": None},
    "place": {"city": "Oslo"},
}
STORED = {
    "state": "paid",
    "total": Decimal("123456789012345678.90"),
    "born": dt.date(1900, 2, 28),
    "lines": [{"price": Decimal("3.00"), "packed": AT}, {"price": Decimal("0.05"), "packed": AT}],
    "counts": {"a": 1, "b": None},
    "place": {"city": "Oslo", "zip": None},
}


def contract(version: int, **fields: Any) -> Contract:
    return Contract.model_validate({**ORDER, "version": version, "fields": {**ORDER["fields"], **fields}})


def write(lake: Path, made: Contract, *values: dict[str, Any]) -> TableSpec:
    """Write events to the table of the contract, behind those that stand there, and return the table."""
    spec = events_table(made)
    feed = Feed(lake, spec, FlushPolicy(), HandClock())
    first = (feed.start("topic-uuid", (0,)) or {})[0] or 0
    encode = compile_encoder(made)
    records: list[Record] = []
    for number, fields in enumerate(values, first):
        encoded = encode({"customer": "c1", "at": AT, **fields})
        headers = [("contract", made.label.encode())]
        records.append(StoredRecord("events.order", 0, number, START_MS, encoded.key, encoded.value, headers))
    feed.take(0, records, first + len(records))
    assert feed.write() == "committed"
    return spec


def test_values_of_every_type_are_read_back_by_sql_as_they_were_sent(tmp_path: Path) -> None:
    optional = {name: {**field, "required": False} for name, field in TYPES.items()}
    spec = write(tmp_path, contract(1, **optional), SENT, {})
    lake = Lake(tmp_path, [spec])
    names = ", ".join(TYPES)
    expected = [tuple(STORED.values()), (None,) * len(TYPES)]
    assert lake.sql(f"select {names} from events.order order by _offset").rows == expected
    summed = lake.sql(
        "select sum(line.price), counts['a'], place.city from events.order, unnest(lines) as u(line) group by all"
    )
    assert summed.rows == [(Decimal("3.05"), 1, "Oslo")]


def test_files_with_nested_columns_are_compacted(tmp_path: Path) -> None:
    made = contract(1, **TYPES)
    for _ in range(3):
        spec = write(tmp_path, made, SENT)
    (table,) = kept_tables(tmp_path, [spec])
    compact(table)
    lake = Lake(tmp_path, [spec])
    assert lake.sql(f"select {', '.join(TYPES)} from events.order").rows == [tuple(STORED.values())] * 3
    assert [table.files for table in lake.tables()] == [1]


def test_a_new_version_adds_columns_and_leaves_old_files_alone(tmp_path: Path) -> None:
    old = write(tmp_path, contract(1), {}, {})
    files = set(tmp_path.rglob("*.parquet"))
    first_version = Lake(tmp_path, [old]).tables()[0].version
    newer = contract(2, **{**TYPES, "state": {**TYPES["state"], "default": "new"}})
    spec = events_table(newer)
    # A reader of the new declaration sees the columns before the writer has made them.
    lake = Lake(tmp_path, [spec])
    assert lake.sql("select state, total, place from events.order").rows == [("new", None, None)] * 2
    write(tmp_path, newer, SENT)
    assert lake.sql("select _contract, state, total from events.order order by _offset").rows == [
        ("order/1", "new", None),
        ("order/1", "new", None),
        ("order/2", "paid", STORED["total"]),
    ]
    assert files <= set(tmp_path.rglob("*.parquet"))
    # As of then the table had neither the row nor the columns.
    was = lake.sql("select * from events.order", as_of=f"events.order={first_version}")
    assert len(was.rows) == 2
    assert "total" not in was.columns


def test_an_old_producer_s_records_have_the_defaults_and_a_newer_one_s_fields_are_left_out(tmp_path: Path) -> None:
    defaults = {
        "state": {**TYPES["state"], "default": "new"},
        "total": {**TYPES["total"], "default": "1.5"},
        "born": {"type": "date", "default": "2000-01-31"},
        "seen": {"type": "timestamp", "default": "2025-01-01T00:00:00Z"},
        "weight": {"type": "double", "default": 1},
        "gift": {"type": "bool", "default": False},
        "rank": {"type": "int", "default": -3},
    }
    expected = ("new", Decimal("1.50"), dt.date(2000, 1, 31), AT, 1.0, False, -3)
    write(tmp_path, contract(1), {})
    spec = events_table(contract(2, **defaults))
    feed = Feed(tmp_path, spec, FlushPolicy(), HandClock())
    assert feed.start("topic-uuid", (0,)) == {0: 1}
    value = {"customer": "c1", "at": "2025-01-01T00:00:00Z"}
    records: list[Record] = [
        StoredRecord(
            "events.order", 0, offset, START_MS, b"c1", json.dumps({**value, **more}).encode(), [("contract", label)]
        )
        for offset, label, more in ((1, b"order/1", {}), (2, b"order/3", {"colour": "red"}))
    ]
    feed.take(0, records, 3)
    assert feed.write() == "committed"
    lake = Lake(tmp_path, [spec])
    # The row that was written before the column was there, and those that were read with it.
    assert lake.sql(f"select {', '.join(defaults)} from events.order").rows == [expected] * 3
    # A column with a default has the type of the field.
    types = dict(lake.sql("select column_name, column_type from (describe select * from events.order)").rows)
    assert [types[name] for name in defaults] == [
        "VARCHAR", "DECIMAL(20,2)", "DATE", "TIMESTAMP WITH TIME ZONE", "DOUBLE", "BOOLEAN", "INTEGER",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("total", {"type": "decimal", "precision": 20, "scale": 3}),
        ("counts", {"type": "map", "values": {"type": "double"}}),
        ("place", {"type": "object", "fields": {"city": {"type": "string"}, "zip": {"type": "long"}}}),
        ("lines", {"type": "list", "items": {"type": "string"}}),
    ],
)
def test_a_column_never_changes_its_type(tmp_path: Path, name: str, changed: dict[str, Any]) -> None:
    write(tmp_path, contract(1, **TYPES), SENT)
    spec = events_table(contract(2, **{**TYPES, name: changed}))
    with pytest.raises(LakeError, match=f"column '{name}' of table events.order is .*, declared is"):
        open_for_append(tmp_path, spec)
