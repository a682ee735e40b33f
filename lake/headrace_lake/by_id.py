"""Events of the lake by their ids."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from headrace_ingestion.contract import Contract

from headrace_lake.catalog import Lake
from headrace_lake.views import quoted


def events_by_id(lake: Lake, contract: Contract, ids: Collection[str]) -> dict[str, tuple[dict[str, Any], int]]:
    """Return event id → fields as the SDK takes them and record timestamp, of those that are in the lake.

    It goes through the ids of the whole table, so ask for many at once. Of an id that stands there several times the
    first event counts.

    Args:
        lake: The lake; the event's table is declared there.
        contract: The event.
        ids: The ids.
    """
    columns = ", ".join(quoted(name) for name in contract.fields)
    query = f"""
        SELECT event_id AS "event id", epoch_ms("_recorded_at") AS "recorded at", {columns}
        FROM {quoted("events")}.{quoted(contract.table)} WHERE event_id IN (SELECT unnest($ids))
        QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY "_partition", "_offset") = 1"""
    with lake.connect() as connection:
        rows = connection.sql(query, params={"ids": list(ids)}).to_arrow_table().to_pylist(maps_as_pydicts="strict")
    found = {}
    for row in rows:
        event_id, recorded_at_ms = row.pop("event id"), row.pop("recorded at")
        # An absent value is left out: the SDK takes it for one that is not there.
        found[event_id] = ({name: value for name, value in row.items() if value is not None}, recorded_at_ms or -1)
    return found
