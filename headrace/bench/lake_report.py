"""What `headrace bench lake` shows of its figures: tables for people."""

from collections.abc import Mapping
from typing import Any

FIGURES = ("rows", "rows_per_second", "cpu_seconds_per_million", "bytes_per_row", "files")
DELAY_COLUMNS = ("milliseconds", "p50", "p90", "p99", "max")


def delay_rows(data: Mapping[str, Any]) -> list[list[object]]:
    """Return the rows under `DELAY_COLUMNS`, from what `LakeResult.as_data` returned."""
    return [
        [name, *(data[name].get(column) for column in DELAY_COLUMNS[1:])]
        for name in ("decode_ms", "commit_ms", "visible_ms")
    ]


def query_columns(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns of the queries: their time and what they read, before and after the compaction."""
    before, after = (data["compaction"][name] for name in ("files_before", "files_after"))
    return ("query, milliseconds", f"{before} files", "groups read", f"{after} files", "groups read")


def query_rows(data: Mapping[str, Any]) -> list[list[object]]:
    """Return the rows under `query_columns`."""
    return [
        [query, *(cell for when in ("before", "after") for cell in _cells(data, when, query))]
        for query in data["queries_before_ms"]
    ]


def compaction_line(data: Mapping[str, Any]) -> str:
    """Return what the compaction took."""
    done = data["compaction"]
    return f"compaction: {done['seconds']:g} s, {done['bytes_before']:,} to {done['bytes_after']:,} bytes"


def _cells(data: Mapping[str, Any], when: str, query: str) -> tuple[object, str]:
    groups = data[f"row_groups_{when}"][query]
    return data[f"queries_{when}_ms"][query], f"{groups['read']} of {groups['there']}"
