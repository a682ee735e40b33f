"""The threshold: above which score a row alerts, chosen on rows that the detector was not fitted on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace_models.declaration import Threshold

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def choose_threshold(rule: Threshold, scores: Floats, labels: Bools | None) -> float:
    """Return the threshold, in [0, 1]; a row alerts at a score of at least the threshold.

    Args:
        rule: The declared rule.
        scores: Held-out scores, not empty.
        labels: Whether each is positive; needed by `precision_at_least`.

    Raises:
        ValueError: There are no scores, or the rule needs labels and there are none.
    """
    if len(scores) == 0:
        raise ValueError("a threshold needs held-out scores, got none")
    if rule.precision_at_least is None:
        return _at_alert_rate(scores, rule.alert_rate or 0.0)
    if labels is None or not labels.any():
        raise ValueError("a threshold by precision needs positive labels among the held-out rows, got none")
    return _at_precision(scores, labels, rule.precision_at_least)


def _at_alert_rate(scores: Floats, alert_rate: float) -> float:
    """Return the lowest threshold at which no larger share than `alert_rate` alerts."""
    ranked = np.sort(scores)[::-1]
    allowed = int(alert_rate * len(ranked))
    # Above the first score that must stay silent, so that ties with it stay silent too.
    return min(1.0, float(np.nextafter(ranked[min(allowed, len(ranked) - 1)], 2.0)))


def _at_precision(scores: Floats, labels: Bools, precision_at_least: float) -> float:
    """Return the threshold of the best F1 among those precise enough; the most precise one when none is."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order])
    last_of_ties = np.append(ranked[1:] != ranked[:-1], True)
    candidates = np.flatnonzero(last_of_ties)
    precision = hits[candidates] / (candidates + 1)
    recall = hits[candidates] / labels.sum()
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    precise = precision >= precision_at_least
    best = int(np.argmax(np.where(precise, f1, -1.0) if precise.any() else precision))
    return float(ranked[candidates[best]])
