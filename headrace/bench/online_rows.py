"""The rows that the online benchmark writes: records as the job makes them, and what Feast takes of them."""

from collections.abc import Iterator
from typing import Any

from headrace_features.view import View

BATCH_ROWS = 5_000
"""Rows of one call, as many as the online writer polls at most; no key comes twice in a batch."""

_SEED = 20_260_102


def key_of(number: int) -> str:
    """Return the key of that number."""
    return f"c-{number}"


def batches(view: View, rows: int, keys: int, first_offset: int, now_ms: int) -> Iterator[list[bytes]]:
    """Yield the values of records of a round, a batch at a time, in turn over the keys, each newer than the one before.

    Args:
        view: A view of double columns.
        rows: How many.
        keys: Over how many keys.
        first_offset: Offset of the first row; clocks go on with it.
        now_ms: The clock at the offset 0, in milliseconds since 1970.
    """
    import numpy as np

    random = np.random.default_rng([_SEED, first_offset])
    for first in range(first_offset, first_offset + rows, min(BATCH_ROWS, keys)):
        count = min(BATCH_ROWS, keys, first_offset + rows - first)
        yield _batch(view, range(first, first + count), keys, now_ms, random.normal(size=(count, len(view.columns))))


def _batch(view: View, offsets: range, keys: int, now_ms: int, values: Any) -> list[bytes]:
    import orjson

    names = [column.name for column in view.columns]
    entities = [key_of(offset % keys) for offset in offsets]
    return [
        orjson.dumps(
            {
                "event_id": f"sale-0-{offset}", view.key: entity, "event_time_ms": now_ms + offset,
                "clock_ms": now_ms + offset, "generation": 0, "source_partition": 0, "source_offset": offset,
                "revision": 0, "declaration": view.digest, "ingested_at_ms": now_ms + offset,
                "emitted_at_ms": now_ms + offset + 5, **dict(zip(names, row, strict=True)),
            }
        )
        for offset, entity, row in zip(offsets, entities, values.tolist(), strict=True)
    ]  # fmt: skip


def frame_of(view: View, records: list[bytes]) -> Any:
    """Return the rows of records as Feast takes them: a frame of keys, clocks and columns."""
    import orjson
    import pandas as pd

    rows = pd.DataFrame([orjson.loads(record) for record in records])
    rows["clock"] = pd.to_datetime(rows["clock_ms"], unit="ms", utc=True)
    return rows[[view.key, "clock", *(column.name for column in view.columns)]]
