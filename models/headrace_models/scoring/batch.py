"""One micro-batch: rows in, scores, alerts and dead letters out. Knows models, not Kafka."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headrace_models.scoring.live import Variant
from headrace_models.scoring.loading import LoadedModel
from headrace_models.scoring.rows import FeatureRow, Unscored, matrix, score_records
from headrace_models.serving import Prediction

log = logging.getLogger(__name__)


@dataclass(slots=True)
class BatchResult:
    """What a batch gives.

    Attributes:
        scores: (row, score record), champion's and challenger's.
        alerts: (row, score record) of the champion's alerts.
        unscored: Rows that the champion cannot score.
    """

    scores: list[tuple[FeatureRow, dict[str, Any]]] = field(default_factory=list)
    alerts: list[tuple[FeatureRow, dict[str, Any]]] = field(default_factory=list)
    unscored: list[Unscored] = field(default_factory=list)


def score_batch(
    rows: Sequence[FeatureRow], live: Mapping[Variant, LoadedModel], *, view: str, now_ms: Callable[[], int]
) -> BatchResult:
    """Return the scores of the rows by each live model.

    A row that the champion fails on becomes unscored; the others are scored. A challenger's failures are logged only:
    the row has its score.
    """
    result = BatchResult()
    for variant, model in live.items():
        scored, prediction, failed = _predict(rows, model)
        records = [] if prediction is None else score_records(scored, prediction, model, variant, view, now_ms())
        pairs = list(zip(scored, records, strict=True))
        result.scores.extend(pairs)
        if variant == "champion":
            result.alerts.extend(pair for pair in pairs if pair[1]["alert"])
            result.unscored.extend(failed)
        elif failed:
            log.warning("model %s %s %s: %s", model.name, variant, model.version, failed[0].detail)
    return result


def _predict(
    rows: Sequence[FeatureRow], model: LoadedModel
) -> tuple[Sequence[FeatureRow], Prediction | None, list[Unscored]]:
    """Return (the rows that could be scored, their prediction, the others)."""
    try:
        return rows, _checked(model.scores.predict(matrix(rows, model.scores.features)), len(rows)), []
    except Exception as error:  # noqa: BLE001  # the border to a model: one row may make it raise anything
        if len(rows) == 1:
            return [], None, [_failed(rows[0], model, error)]
    return _predict_one_by_one(rows, model)


def _predict_one_by_one(
    rows: Sequence[FeatureRow], model: LoadedModel
) -> tuple[Sequence[FeatureRow], Prediction | None, list[Unscored]]:
    good: list[FeatureRow] = []
    predictions: list[Prediction] = []
    bad: list[Unscored] = []
    for row in rows:
        _, prediction, failed = _predict([row], model)
        bad.extend(failed)
        if prediction is not None:
            good.append(row)
            predictions.append(prediction)
    if not good:
        return [], None, bad
    joined = Prediction(
        scores=np.concatenate([one.scores for one in predictions]),
        threshold=predictions[0].threshold,
        alerts=np.concatenate([one.alerts for one in predictions]),
        reasons=tuple(reasons for one in predictions for reasons in one.reasons),
    )
    return good, joined, bad


def _checked(prediction: Prediction, rows: int) -> Prediction:
    if len(prediction.scores) != rows or not ((prediction.scores >= 0) & (prediction.scores <= 1)).all():
        raise ValueError(f"the model gave {len(prediction.scores)} scores for {rows} rows, or scores outside [0, 1]")
    return prediction


def _failed(row: FeatureRow, model: LoadedModel, error: Exception) -> Unscored:
    detail = f"model {model.name} version {model.version}: {type(error).__name__}: {error}"
    if isinstance(error, KeyError):
        return Unscored(row.record, "missing_field", f"feature row has no {error}", row.fields["event_id"])
    return Unscored(row.record, "model_failed", detail[:200], row.fields["event_id"])
