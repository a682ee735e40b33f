"""Feature rows from records, score records from predictions. Pure: knows no Kafka client."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
from headrace_ingestion.feature_rows import FeatureRowError, read_feature_row
from headrace_ingestion.records import Record

from headrace_models.scoring.loading import LoadedModel
from headrace_models.serving import Prediction

Floats = npt.NDArray[np.float64]

PASSED_ON = (
    "event_id", "declaration", "event_time_ms", "clock_ms", "source_partition", "source_offset", "ingested_at_ms",
    "emitted_at_ms",
)  # fmt: skip
"""What a score takes over from its feature row."""

_passed_on: Callable[[Mapping[str, Any]], tuple[Any, ...]] = itemgetter(*PASSED_ON)


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """A readable feature row and the record it came in."""

    record: Record
    fields: Mapping[str, Any]
    key: str


@dataclass(frozen=True, slots=True)
class Unscored:
    """A record that gets no score, and why: becomes a dead letter."""

    record: Record
    reason: str
    detail: str
    event_id: str | None


class RecentIds:
    """The event ids seen last, up to `limit`; what is older is forgotten first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ids: OrderedDict[str, None] = OrderedDict()

    def is_new(self, event_id: str) -> bool:
        """Tell whether the id was not among the recent ones, and remember it."""
        if event_id in self._ids:
            return False
        self._ids[event_id] = None
        if len(self._ids) > self._limit:
            self._ids.popitem(last=False)
        return True

    def forget(self, event_ids: Iterable[str]) -> None:
        """Forget ids whose scores were not acknowledged: they come again."""
        for event_id in event_ids:
            self._ids.pop(event_id, None)


def read_row(record: Record, key_field: str) -> FeatureRow | Unscored:
    """Return the feature row that a record holds, or why it holds none."""
    try:
        fields = read_feature_row(record.value)
    except FeatureRowError as error:
        return Unscored(record, "not_json", f"no feature row: {error}", None)
    missing = next((name for name in (*PASSED_ON, key_field) if name not in fields), None)
    if missing is not None:
        event_id = fields.get("event_id")
        detail = f"feature row has no {missing!r}"
        return Unscored(record, "missing_field", detail, event_id if isinstance(event_id, str) else None)
    key = fields[key_field]
    return FeatureRow(record, fields, key if isinstance(key, str) else str(key))


def matrix(rows: Sequence[FeatureRow], features: Sequence[str]) -> Floats:
    """Return `[rows, features]` as float64, NaN for null and 0 or 1 for a bool.

    Raises:
        KeyError: A row lacks a feature.
        ValueError: A value is not a number.
        TypeError: A value is a list or an object.
    """
    if not rows:
        return np.empty((0, len(features)))
    take: Callable[[Mapping[str, Any]], Any] = itemgetter(*features)
    values = [take(row.fields) for row in rows]
    # NumPy reads None as NaN when float64 is asked for.
    return np.array(values, dtype=np.float64).reshape(len(rows), len(features))


def score_records(
    rows: Sequence[FeatureRow], prediction: Prediction, model: LoadedModel, variant: str, view: str, now_ms: int
) -> list[dict[str, Any]]:
    """Return one score record per row, as `docs/wire-format.md` says."""
    constant = {
        "model": model.name,
        "version": model.version,
        "variant": variant,
        "threshold": prediction.threshold,
        "view": view,
        "scored_at_ms": now_ms,
    }
    scores, alerts = prediction.scores.tolist(), prediction.alerts.tolist()
    return [
        {
            **constant,
            **dict(zip(PASSED_ON, _passed_on(row.fields), strict=True)),
            "key": row.key,
            "score": scores[index],
            "alert": alerts[index],
            "reasons": [reason.as_dict() for reason in prediction.reasons[index]],
        }
        for index, row in enumerate(rows)
    ]
