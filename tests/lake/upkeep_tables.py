"""Tables of many small files, for the tests of upkeep."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from headrace_lake import Lake
from headrace_lake.commit import Committed, commit
from headrace_lake.decode import compile_decoder
from headrace_lake.layout import table_folder
from headrace_lake.offsets import OffsetRange, table_app_id
from headrace_lake.tables import TableSpec
from headrace_lake.upkeep.files import KeptTable, kept_tables
from lake_records import START_MS, SUBSCRIBER, feature_fields, json_record

APP = table_app_id("topic-uuid", 0)
_DECODE = compile_decoder(SUBSCRIBER)


def rows_of(first: int, last: int) -> pa.Table:
    """Rows of the view `subscriber`, a millisecond of event time apart."""
    return _DECODE([json_record("features.subscriber", at, feature_fields(at)) for at in range(first, last)]).rows


def write(lake: Path, first: int, last: int, rows: int = 10, spec: TableSpec = SUBSCRIBER) -> None:
    """Commit rows as the writer does, so many a file."""
    for start in range(first, last, rows):
        outcome = commit(lake, spec, rows_of(start, start + rows), {APP: OffsetRange(start or None, start + rows)})
        assert isinstance(outcome, Committed)


def table(lake: Path, name: str = "features.subscriber", specs: Sequence[TableSpec] = (SUBSCRIBER,)) -> KeptTable:
    """The table as upkeep sees it."""
    (found,) = kept_tables(lake, specs, [name])
    return found


def folder(lake: Path) -> Path:
    """The folder of the table."""
    return table_folder(lake, "features", "subscriber")


def handle(lake: Path) -> DeltaTable:
    """A fresh handle of the table."""
    return DeltaTable(folder(lake))


def offsets(lake: Path) -> list[int]:
    """All offsets in the table, sorted."""
    query = "select _offset from raw.features_subscriber order by 1"
    return [at for (at,) in Lake(lake, [SUBSCRIBER]).sql(query).rows]


def instant(number: int) -> datetime:
    """Event time of the `number`-th row."""
    return datetime.fromtimestamp((START_MS + number) / 1_000, UTC)
