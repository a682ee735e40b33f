"""Fields of every type in files of every format: the same events come out; and `events tail` shows their instants."""

import datetime as dt
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from headrace_ingestion.codec import compile_encoder
from headrace_ingestion.contract import Contract

from headrace.cli.root import root
from headrace.events.mapping import Reading, plan_fields
from headrace.events.rows import header, read_rows
from headrace.events.sources import find_source
from headrace.project import Project

ORDER = {
    "name": "order",
    "version": 1,
    "key": "customer",
    "time": "at",
    "fields": {
        "customer": {"type": "string"},
        "at": {"type": "timestamp"},
        "total": {"type": "decimal", "precision": 9, "scale": 2},
        "born": {"type": "date"},
        "stops": {"type": "list", "items": {"type": "object", "fields": {
            "town": {"type": "string"}, "left": {"type": "timestamp", "required": False},
        }}},
        "counts": {"type": "map", "values": {"type": "long", "required": False}, "required": False},
        "state": {"type": "enum", "values": ["new", "paid"], "default": "new"},
    },
}  # fmt: skip
AT = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
TEXT = "2026-01-31T12:00:00.000Z"
SENT = {
    "customer": "c1", "at": TEXT, "total": "12.50", "born": "1980-02-29",
    "stops": [{"town": "Oslo", "left": TEXT}, {"town": "Rome", "left": None}], "counts": {"a": 1, "b": None},
    "state": "paid",
}  # fmt: skip


def csv_file(folder: Path) -> Path:
    cells = [json.dumps(cell) if isinstance(cell, (list, dict)) else str(cell) for cell in SENT.values()]
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    path = folder / "orders.csv"
    path.write_text(f"{','.join(SENT)}\n{','.join(quoted)}\n")
    return path


def json_file(folder: Path) -> Path:
    path = folder / "orders.jsonl"
    path.write_text(json.dumps(SENT) + "\n")
    return path


def parquet_file(folder: Path, instant: str = "us") -> Path:
    stop = pa.struct([("town", pa.string()), ("left", pa.timestamp(instant))])
    types = {
        "customer": pa.string(), "at": pa.timestamp(instant), "total": pa.decimal128(12, 3), "born": pa.timestamp("ms"),
        "stops": pa.list_(stop), "counts": pa.map_(pa.string(), pa.int32()), "state": pa.string(),
    }  # fmt: skip
    # Instants without a zone are in UTC.
    at = AT.replace(tzinfo=None)
    row = {
        **SENT, "at": at, "total": Decimal("12.500"), "born": at.replace(1980, 2, 29, 0),
        "counts": [("a", 1), ("b", None)], "stops": [{"town": "Oslo", "left": at}, {"town": "Rome", "left": None}],
    }  # fmt: skip
    path = folder / "orders.parquet"
    pq.write_table(pa.Table.from_pylist([row], pa.schema(list(types.items()))), path)
    return path


@pytest.mark.parametrize("make", [csv_file, json_file, parquet_file])
def test_a_file_of_any_format_gives_the_same_event(tmp_path: Path, make: Any) -> None:
    contract = Contract.model_validate(ORDER)
    source = find_source(make(tmp_path))
    plan = plan_fields(contract, Reading(), source, header(source))
    (row,) = [row for chunk in read_rows(source, plan.columns) for row in chunk.rows]
    assert json.loads(compile_encoder(contract)(plan.fields(row.values or {})).value) == SENT


def test_a_cell_that_is_no_json_stays_a_text_for_the_contract_to_refuse(project: Project, tmp_path: Path) -> None:
    (project.folder / "events" / "order.yaml").write_text(json.dumps(ORDER))
    path = tmp_path / "orders.csv"
    path.write_text(f"customer,at,total,born,stops\nc1,{TEXT},1.5,1980-02-29,Oslo\n")
    (refused,) = project.events.check("order", [path]).refusals
    assert (refused.reason, refused.detail) == ("wrong_type", "field 'stops' expects list, got string 'Oslo'")


def test_tail_shows_instants_inside_of_lists_as_text(broker: Any, project: Project) -> None:
    (project.folder / "events" / "order.yaml").write_text(json.dumps(ORDER))
    prefix = f"t{uuid.uuid4().hex[:10]}."
    broker.create_topic(f"{prefix}events.order")
    where = ["--project", str(project.folder), "--set", f"kafka.bootstrap_servers={broker.bootstrap_servers}"]
    where += ["--set", f"kafka.topic_prefix={prefix}", "--output", "json"]
    sent = CliRunner().invoke(root, ["events", "send", "order", json.dumps(SENT), *where])
    assert sent.exit_code == 0, sent.stderr
    answer = CliRunner().invoke(root, ["events", "tail", "order", "-n", "1", *where])
    assert json.loads(answer.stdout)["fields"] == SENT
