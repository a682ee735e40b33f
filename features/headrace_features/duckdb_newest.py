"""The SQL of the newest row of each key of a view in the lake, by the order that the online stores guard."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from headrace_features.duckdb_events import rows_of
from headrace_features.duckdb_text import lines, quoted
from headrace_features.view import View

HEAD = (
    "key", "generation", "clock_ms", "source_offset", "revision", "emitted_at_ms", "event_time_ms", "declaration",
)  # fmt: skip
"""First columns of `newest_sql`; the feature columns follow, under the names `f0`, `f1`, …"""

_ORDER = ("generation", "clock_ms", "source_offset", "revision", "emitted_at_ms")
_NOT_NEGATIVE = tuple(name for name in _ORDER if name != "source_offset")
_PLACE = ("key", *_ORDER, "topic_partition", "topic_offset")


def newest_sql(view: View, features: Sequence[str], stored: Collection[str]) -> str:
    """Return the SELECT of the newest row of each key, over all declarations.

    The order is that of `online.row.Order`. Of rows that are equal in it, which only an outside hand writes, the first
    of the topic counts, as it does for the online writer. Rows with a part below zero, such as a clock before 1970, are
    left out: no online store takes them. Only the offset may be: that of an imported event is.

    Args:
        view: The view.
        features: Names of the feature columns.
        stored: Columns that the table in the lake has; a feature that it does not have is null.
    """
    order = ", ".join(f"{name} DESC" for name in _ORDER)
    values = [f"{quoted(name) if name in stored else 'NULL'} AS f{index}" for index, name in enumerate(features)]
    # The newest places are found in narrow rows; only those rows are then fetched with all their columns.
    return f"""
WITH placed AS NOT MATERIALIZED (
  SELECT
  {lines([*_places(view), *values])}
  FROM {rows_of(view)}
),
newest AS (
  SELECT {", ".join(_PLACE)}
  FROM placed
  WHERE key IS NOT NULL AND least({", ".join((*_NOT_NEGATIVE, "event_time_ms"))}) >= 0
  QUALIFY row_number() OVER (PARTITION BY key ORDER BY {order}, topic_partition, topic_offset) = 1
)
SELECT {", ".join((*HEAD, *(f"f{index}" for index in range(len(features)))))}
FROM placed JOIN newest USING ({", ".join(("key", *_ORDER))})
WHERE placed.topic_partition IS NOT DISTINCT FROM newest.topic_partition
  AND placed.topic_offset IS NOT DISTINCT FROM newest.topic_offset
QUALIFY row_number() OVER (PARTITION BY key) = 1"""


def newest_made_sql(view: View) -> str:
    """Return the SELECT of when the youngest row of the view was made, in milliseconds since 1970; null without one."""
    return f'SELECT max(epoch_ms("emitted_at")) FROM {rows_of(view)}'


def _places(view: View) -> list[str]:
    return [
        f"CAST({quoted(view.key)} AS VARCHAR) AS key",
        'CAST("generation" AS BIGINT) AS generation',
        'epoch_ms("clock") AS clock_ms',
        'CAST("source_offset" AS BIGINT) AS source_offset',
        'CAST("revision" AS BIGINT) AS revision',
        'epoch_ms("emitted_at") AS emitted_at_ms',
        'epoch_ms("event_time") AS event_time_ms',
        '"declaration" AS declaration',
        '"_partition" AS topic_partition',
        '"_offset" AS topic_offset',
    ]
