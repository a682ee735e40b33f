"""Figures of a detector on rows it never saw, and whether they pass the declared gates."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from headrace_models.declaration import Gates

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a part shows at a threshold; figures that need labels are None without them.

    Attributes:
        rows, alerts: Counts.
        alert_rate: Alerts by rows.
        alerts_per_day: Alerts by the days from the first row to the last; None for no time at all.
        true_positives, false_positives, false_negatives, true_negatives: The confusion matrix.
        precision: Of the alerts, the share that is positive; 0 without alerts.
        recall: Of the positive rows, the share that alerts.
        f1: Harmonic mean of the two.
        roc_auc: Area under the ROC curve; None when only one kind of row occurs.
        pr_auc: Average precision: Σ (Rₙ − Rₙ₋₁) Pₙ.
        precision_at_100: Share of positives among the 100 highest scores (all rows when there are fewer).
    """

    rows: int
    alerts: int
    alert_rate: float
    alerts_per_day: float | None
    true_positives: int | None = None
    false_positives: int | None = None
    false_negatives: int | None = None
    true_negatives: int | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    roc_auc: float | None = None
    pr_auc: float | None = None
    precision_at_100: float | None = None

    def as_dict(self) -> dict[str, float]:
        """Return the figures that exist by name, as MLflow logs them."""
        return {name: float(value) for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate: what was asked, what the test part shows."""

    gate: str
    asked: float
    found: float | None
    holds: bool


def evaluate(scores: Floats, labels: Bools | None, threshold: float, clock_ms: npt.NDArray[np.int64]) -> Metrics:
    """Return the figures of scored rows.

    Args:
        scores: One score per row, at least one row.
        labels: Whether each row is positive; None without labels.
        threshold: A row alerts at a score of at least this.
        clock_ms: Time of each row in milliseconds, rising.

    Raises:
        ValueError: There are no rows.
    """
    if len(scores) == 0:
        raise ValueError("evaluation needs at least one row, got none")
    alert = scores >= threshold
    alerts, days = int(alert.sum()), float(clock_ms[-1] - clock_ms[0]) / DAY_MS
    volume = {
        "rows": len(scores),
        "alerts": alerts,
        "alert_rate": alerts / len(scores),
        "alerts_per_day": alerts / days if days > 0 else None,
    }
    return Metrics(**volume, **({} if labels is None else _against_labels(scores, labels, alert)))  # type: ignore[arg-type]  # two dicts of one frozen shape


def _against_labels(scores: Floats, labels: Bools, alert: Bools) -> dict[str, float | int | None]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    true_positives = int((alert & labels).sum())
    alerts, positives = int(alert.sum()), int(labels.sum())
    precision = true_positives / alerts if alerts else 0.0
    recall = true_positives / positives if positives else None
    both_kinds = 0 < positives < len(labels)
    highest = labels[np.argsort(-scores, kind="stable")[:100]]
    return {
        "true_positives": true_positives,
        "false_positives": alerts - true_positives,
        "false_negatives": positives - true_positives,
        "true_negatives": len(labels) - alerts - positives + true_positives,
        "precision": precision,
        "recall": recall,
        "f1": None if recall is None else 2 * true_positives / max(1, alerts + positives),
        "roc_auc": float(roc_auc_score(labels, scores)) if both_kinds else None,
        "pr_auc": float(average_precision_score(labels, scores)) if positives else None,
        "precision_at_100": float(highest.mean()),
    }


def check_gates(gates: Gates, metrics: Metrics) -> tuple[GateResult, ...]:
    """Return the result of each declared gate; one whose figure does not exist does not hold."""
    results = []
    for gate in ("precision", "recall", "pr_auc"):
        asked, found = getattr(gates, gate), getattr(metrics, gate)
        if asked is not None:
            results.append(GateResult(gate, asked, found, found is not None and found >= asked))
    if gates.alert_rate_max is not None:
        holds = metrics.alert_rate <= gates.alert_rate_max
        results.append(GateResult("alert_rate_max", gates.alert_rate_max, metrics.alert_rate, holds))
    return tuple(results)
