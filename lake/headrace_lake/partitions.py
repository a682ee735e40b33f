"""Partitions of a table: which columns its files stand in folders by, and what those columns hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from headrace_ingestion.access_card import PERIODS, Period

from headrace_lake.delta_table import stored_schema
from headrace_lake.tables import Partition, TableSpec
from headrace_lake.views import quoted, sql_type

_FORMS: Final[Mapping[Period, str]] = {"month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}
_PERIOD_COLUMNS: Final = {f"_{period}": period for period in PERIODS}


def partition_columns(handle: DeltaTable) -> list[str]:
    """Return the columns by which the files of the handle's version stand in folders."""
    return list(handle.metadata().partition_columns)


def partition_types(handle: DeltaTable) -> dict[str, str]:
    """Return column → SQL type of the columns that stand in the paths of files, and not in the files."""
    names = partition_columns(handle)
    if not names:
        return {}
    stored = stored_schema(handle)
    return {name: sql_type(stored.field(name).type) for name in names}


def stored_partition(handle: DeltaTable) -> Partition | None:
    """Return by what the table is partitioned; None: by nothing, or by several columns, which is none of our forms."""
    names = partition_columns(handle)
    return Partition(names[0], _PERIOD_COLUMNS.get(names[0])) if len(names) == 1 else None


def period_sql(period: Period, time_column: str) -> str:
    """Return the SQL of what the column of a period holds, in a session whose zone is UTC."""
    return f"strftime({quoted(time_column)}, '{_FORMS[period]}')"


def with_period(rows: pa.Table, spec: TableSpec, names: list[str]) -> pa.Table:
    """Return rows with the column of their period, where the table is partitioned by one.

    Args:
        rows: Rows with the event time.
        spec: Their table, which may be declared otherwise than it was made.
        names: Partition columns of the table as it stands.
    """
    for name in names:
        period = _PERIOD_COLUMNS.get(name)
        if period is not None and name not in rows.column_names:
            times = pc.floor_temporal(rows.column(spec.time_column), unit=period)
            # A batch has few periods: each is written as text once.
            encoded = times.combine_chunks().dictionary_encode()
            texts = pc.strftime(encoded.dictionary, format=_FORMS[period])
            rows = rows.append_column(pa.field(name, pa.string()), texts.take(encoded.indices))
    return rows
