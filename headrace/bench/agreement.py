"""Whether contestants computed the same: their rows are read back and compared with those of the feature job."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace_features.view import KernelFeature
from headrace_ingestion.feature_rows import read_feature_row
from headrace_ingestion.settings import KafkaConnection

from headrace.bench.errors import BenchError

Rows = Mapping[tuple[str, int], Mapping[str, Any]]
"""(key, event time in ms) → row. Event times of a workload all differ."""

_POLL_MS = 1000
_IDLE_POLLS = 5
_TOLERANCE = 1e-9
# Variance from sums of squares, as SQL engines do it, loses half of a double's digits; values here are around 60 s.
_STD_TOLERANCE_SECONDS = 1e-4
_NAN = "NaN"


@dataclass(frozen=True)
class Agreement:
    """How the rows of a contestant compare with those of the feature job.

    Attributes:
        rows: Events for which both have a row that was compared.
        differences: Values that differ.
        first: The first of them, for people; empty when there is none.
        not_numbers: Deviations of zero for which the contestant has NaN: the root of a residue below zero.
    """

    rows: int
    differences: int
    first: str = ""
    not_numbers: int = 0


@dataclass(frozen=True)
class Sample:
    """Rows that were read back.

    Attributes:
        rows: The rows.
        row_bytes: Mean size of a row's value.
    """

    rows: Rows
    row_bytes: int


def read_sample(connection: KafkaConnection, topic: str, key: str, before_ms: int) -> Sample:
    """Return the rows of events with an event time below `before_ms`, from the beginning of each partition.

    A partition is read up to its first row of a later event and a little further, since order holds only within a key.
    """
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(**connection.client_options(), enable_auto_commit=False, check_crcs=False)
    rows: dict[tuple[str, int], Mapping[str, Any]] = {}
    sizes: list[int] = []
    try:
        reading = {TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()}
        consumer.assign(reading)
        consumer.seek_to_beginning(*reading)
        idle = 0
        while reading and idle < _IDLE_POLLS:
            polled = consumer.poll(_POLL_MS)
            idle = 0 if polled else idle + 1
            for partition, records in polled.items():
                parsed = [read_feature_row(record.value) for record in records]
                sizes += [len(record.value) for record in records]
                wanted = [row for row in parsed if row["event_time_ms"] < before_ms]
                rows.update({(row[key], row["event_time_ms"]): row for row in wanted})
                if not wanted:
                    reading.discard(partition)
                    consumer.pause(partition)
    finally:
        consumer.close()
    return Sample(rows, round(sum(sizes) / max(1, len(sizes))))


def compare(ours: Rows, theirs: Rows, columns: Sequence[KernelFeature], least_rows: int) -> Agreement:
    """Compare the rows of the events that both have.

    Counts, lags and extremes must be equal, sums and means within 1e-9 of their value, deviations within 0.0001 s.

    Raises:
        BenchError: They have fewer than `least_rows` events in common.
    """
    common = ours.keys() & theirs.keys()
    if len(common) < least_rows:
        raise BenchError(
            f"only {len(common)} rows can be compared", {"expected": f"{least_rows} or more"}, "more --events"
        )
    differing: list[str] = []
    not_numbers = 0
    for place in sorted(common):
        for column in columns:
            one, other = ours[place].get(column.name), theirs[place].get(column.name)
            if other == _NAN and one is not None and one < _STD_TOLERANCE_SECONDS:
                not_numbers += 1
            elif not _agree(column, one, other):
                differing.append(f"{place[0]} at {place[1]}: {column.name} is {one} and {other}")
    return Agreement(len(common), len(differing), differing[0] if differing else "", not_numbers)


def _agree(column: KernelFeature, one: Any, other: Any) -> bool:
    if one is None or other is None or other == _NAN:
        return one is other
    if column.operation == "std":
        return math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_STD_TOLERANCE_SECONDS)
    if column.operation in ("sum", "mean"):
        return math.isclose(one, other, rel_tol=_TOLERANCE)
    return bool(one == other)
