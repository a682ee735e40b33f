"""A small real lake: feature rows in a Delta table, written by the lake's own code."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake
from headrace_features.view import View
from headrace_lake.delta_table import open_for_append
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import features_table

START = datetime(2026, 3, 2, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return an instant, in seconds after the start."""
    return START + timedelta(seconds=seconds)


def write_rows(lake: Path, view: View, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows in one commit; what a row does not name has a value that means nothing."""
    columns = [(column.name, column.type) for column in view.columns]
    spec = features_table(view.name, view.key, view.contract.fields[view.key].type, columns)
    handle = open_for_append(lake, spec)
    full = [_row(view, row, number) for number, row in enumerate(rows)]
    write_deltalake(handle, pa.Table.from_pylist(full, schema=arrow_schema(spec)), mode="append")


def _row(view: View, row: Mapping[str, Any], number: int) -> dict[str, Any]:
    clock = row["clock"]
    return {
        "event_id": f"call-{number}", "event_time": clock, "generation": 0, "source_partition": 0,
        "source_offset": number, "revision": 0, "declaration": view.digest, "ingested_at": clock,
        "emitted_at": clock, "_partition": 0,
        "_offset": number, "_key": str(row[view.key]), "_recorded_at": clock, **row,
    }  # fmt: skip
