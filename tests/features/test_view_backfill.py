"""`backfill`: rows over history, from the lake and from a file."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from headrace_features.backfill import BackfillError, backfill
from headrace_features.resolve import load_view
from headrace_ingestion.codec import compile_encoder
from headrace_ingestion.contract import Contract
from headrace_ingestion.records import Record, StoredRecord
from headrace_lake import Lake, events_table
from headrace_lake.commit import commit
from headrace_lake.decode import compile_decoder
from headrace_lake.offsets import OffsetRange
from parity_lake import ParityLake
from reference import Event
from view_cases import START_MS

_NONE: dict[str, Any] = {"x": None, "n": None, "i": None, "b": None, "s": None}


def readings() -> list[Event]:
    """Return readings of two series, one of them sent twice."""
    ids = ["e-0", "e-1", "e-2", "e-2", *(f"e-{i}" for i in range(4, 20))]
    keys = ["a", "b", "a", "a", *("ab"[i % 2] for i in range(16))]
    return [
        Event(key, event_id, offset, START_MS + 90 * offset, {**_NONE, "x": 1.5 * offset})
        for offset, (key, event_id) in enumerate(zip(keys, ids, strict=True))
    ]


def written(folder: Path, events: list[dict[str, Any]], *without: str) -> Path:
    """Write the events of a lake as a file without the lake's own columns, and without those named."""
    rows = [
        {name: value for name, value in row.items() if not name.startswith("_") and name not in without}
        for row in events
    ]
    table = pa.Table.from_pylist(rows)
    if "at" in table.column_names:
        at = table.column("at").cast(pa.timestamp("us", "UTC"))
        table = table.set_column(table.column_names.index("at"), "at", at)
    file = folder / "events.parquet"
    pq.write_table(table, file)
    return file


def test_the_lake_gives_the_rows_that_were_streamed(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    rows = backfill(made.lake(), made.view).to_pylist()
    assert [row["source_offset"] for row in rows] == [row["source_offset"] for row in made.rows]
    for name in ("event_id", "series", "x_lag_1", "x_count_1s", "x_max_3_rows", "since_last_seconds", "high"):
        assert [row[name] for row in rows] == [row[name] for row in made.rows]


def test_a_file_of_the_same_events_gives_the_same_rows(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    assert backfill(written(tmp_path, made.events), made.view) == backfill(made.lake(), made.view)


def test_without_ids_each_row_of_a_file_is_an_event_of_its_own(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    rows = backfill(written(tmp_path, made.events, "event_id"), made.view)
    assert rows.column("event_id").to_pylist() == [f"reading-0-{offset}" for offset in range(20)]


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    with pytest.raises(BackfillError) as error:
        backfill(tmp_path / "absent.parquet", made.view)
    assert str(error.value) == (
        f"the file {tmp_path / 'absent.parquet'} does not exist\n"
        "  expected:  a Parquet file of events\n"
        f"  try:       ls {tmp_path}"
    )


def test_a_file_without_a_required_field_says_what_it_has(tmp_path: Path) -> None:
    made = ParityLake(tmp_path, readings())
    file = written(tmp_path, made.events, "at")
    with pytest.raises(BackfillError) as error:
        backfill(file, made.view)
    assert str(error.value) == (
        f"the file {file} has no column 'at', which the event 'reading' requires\n"
        "  columns:   event_id, series, x, n, i, b, s\n"
        "  contract:  contract reading/1\n"
        "  try:       rename a column of the file to at"
    )


def test_events_of_an_older_version_have_the_defaults_from_the_lake_and_from_a_file(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"customer": {"type": "string"}, "at": {"type": "timestamp"}}
    more = {
        "weight": {"type": "double", "default": 2.5},
        "state": {"type": "enum", "values": ["new", "paid"], "default": "new"},
        "tags": {"type": "list", "items": {"type": "string"}, "required": False},
    }
    about = {"name": "order", "key": "customer", "time": "at"}
    older = Contract.model_validate({**about, "version": 1, "fields": fields})
    newer = Contract.model_validate({**about, "version": 2, "fields": {**fields, **more}})
    records: list[Record] = []
    for offset in range(3):
        sent = compile_encoder(older)({"customer": "c", "at": f"2026-01-01T00:00:0{offset}Z"})
        records.append(
            StoredRecord("events.order", 0, offset, START_MS, sent.key, sent.value, [("contract", b"order/1")])
        )
    rows = compile_decoder(events_table(older))(records).rows
    commit(tmp_path, events_table(older), rows, {"app": OffsetRange(None, 3)})
    file = tmp_path / "orders.parquet"
    pq.write_table(rows.select(["customer", "at"]), file)
    declaration = tmp_path / "orders.yaml"
    declaration.write_text(
        "name: orders\nsource: order\nkey: customer\nttl: 24h\nfeatures:\n"
        "  - window: {of: weight, over: 1h, take: sum}\n  - lag: {of: state, steps: 1}\n"
    )
    view = load_view(declaration, {"order": newer}, root=tmp_path)
    for source in (Lake(tmp_path, [events_table(newer)]), file):
        found = backfill(source, view)
        assert found.column("weight_sum_1h").to_pylist() == [2.5, 5.0, 7.5]
        assert found.column("state_lag_1").to_pylist() == [None, "new", "new"]
