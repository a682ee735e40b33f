"""Refused records → rows of `ops.dead_letters`, each once, however often its batch is tried."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import CommitFailedError, DeltaError
from headrace_ingestion.headers import event_headers, read_event_id

from headrace_lake.column_values import epoch_ms_column
from headrace_lake.commit import ATTEMPTS, append
from headrace_lake.decode import RefusedRecord, key_text
from headrace_lake.delta_table import open_for_append, write_error
from headrace_lake.errors import LakeWriteError
from headrace_lake.layout import table_folder
from headrace_lake.offsets import recorded_offsets, side_app_id
from headrace_lake.place import Place
from headrace_lake.schemas import arrow_schema
from headrace_lake.tables import dead_letters_table


def dead_letter_rows(refused: Sequence[RefusedRecord], now_ms: int) -> pa.Table:
    """Return the rows of refused records; `_partition` and `_offset` are null, since they stand on no topic.

    Args:
        refused: Records and why they were refused.
        now_ms: The time of day, in milliseconds since 1970.
    """
    records = [item.record for item in refused]
    schema = arrow_schema(dead_letters_table())
    nothing = pa.nulls(len(records))
    keys = [key_text(record.key) for record in records]
    now = epoch_ms_column([now_ms] * len(records))
    columns = {
        "reason": [item.reason for item in refused],
        "detail": [item.detail for item in refused],
        "event": [item.event for item in refused],
        "topic": [record.topic for record in records],
        "partition": [record.partition for record in records],
        "offset": [record.offset for record in records],
        "record_timestamp": epoch_ms_column(
            [record.timestamp if record.timestamp >= 0 else None for record in records]
        ),
        "event_id": [_event_id(item) for item in refused],
        "key": keys,
        "value": [base64.b64encode(record.value or b"").decode() for record in records],
        "recorded_at": now,
        "_partition": nothing.cast(pa.int32()),
        "_offset": nothing.cast(pa.int64()),
        "_key": keys,
        "_recorded_at": now,
    }
    return pa.table(columns, schema=schema)


def store_dead_letters(
    lake: Place,
    refused: Sequence[RefusedRecord],
    topic_id: str,
    next_offsets: Mapping[int, int],
    now_ms: int,
) -> int:
    """Add the records of one topic that the table does not hold yet; return how many were added.

    It is called before the commit of the rows of the same batch. The table records up to where each partition's refused
    records stand in it, so a batch that is tried again after a crash adds none twice.

    Args:
        lake: Folder of the lake.
        refused: Refused records of one topic.
        topic_id: UUID of that topic.
        next_offsets: Partition → the offset after the batch.
        now_ms: The time of day, in milliseconds since 1970.

    Raises:
        LakeWriteError: The rows could not be stored; the same call may succeed later.
    """
    spec = dead_letters_table()
    rows = dead_letter_rows(refused, now_ms)
    partitions = sorted({item.record.partition for item in refused})
    for _ in range(ATTEMPTS):
        handle = open_for_append(lake, spec)
        recorded = recorded_offsets(handle, [side_app_id(topic_id, partition) for partition in partitions])
        reached = {partition: recorded[side_app_id(topic_id, partition)] or 0 for partition in partitions}
        new = _from_offsets(rows, reached)
        if new.num_rows == 0:
            return 0
        moved = {
            side_app_id(topic_id, partition): max(next_offsets[partition], reached[partition])
            for partition in partitions
        }
        try:
            append(handle, new, moved)
        except CommitFailedError:
            continue
        except (DeltaError, OSError) as error:
            raise write_error(spec, table_folder(lake, spec.schema, spec.name), error) from error
        return len(new)
    raise LakeWriteError(
        f"table {spec.full_name} was changed by others during {ATTEMPTS} attempts to write it",
        {"folder": str(table_folder(lake, spec.schema, spec.name)), "expected": "one writer per lake"},
        "headrace status",
    )


def _from_offsets(rows: pa.Table, reached: Mapping[int, int]) -> pa.Table:
    limits = pa.array([reached[partition] for partition in rows.column("partition").to_pylist()], pa.int64())
    return rows.filter(pc.greater_equal(rows.column("offset"), limits))


def _event_id(item: RefusedRecord) -> str | None:
    header, _, _ = event_headers(item.record.headers)
    return None if header is None else read_event_id(header)
