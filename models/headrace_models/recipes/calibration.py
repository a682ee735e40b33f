"""Calibration: from a raw margin to a score in [0, 1] that means something. Plain arrays, no pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEAST_PROBABILITY = 1e-10
"""Tail probability that gives the score 1."""

_REFERENCE_POINTS = 2_000
_EXCESS_FROM = 0.98  # where the fitted tail takes over from the counted one


@dataclass(frozen=True, slots=True)
class LogisticCalibration:
    """Probability of being positive: `1 / (1 + exp(-(slope · margin + offset)))`.

    Fitted with smoothed targets, (N₊ + 1)/(N₊ + 2) and 1/(N₋ + 2), so that separable data keep finite parameters:
    J. Platt, Probabilistic outputs for support vector machines (1999).
    """

    slope: float
    offset: float

    def score(self, margin: Floats) -> Floats:
        """Return the probability at each margin."""
        logit = np.clip(self.slope * margin + self.offset, -700.0, 700.0)
        return np.asarray(1.0 / (1.0 + np.exp(-logit)), dtype=np.float64)

    def parameters(self) -> dict[str, object]:
        """Return what `calibration_from` reads back."""
        return {"kind": "logistic", "slope": self.slope, "offset": self.offset}


@dataclass(frozen=True, slots=True, eq=False)
class TailCalibration:
    """How rare a margin is among those of the training rows, on a logarithmic scale.

    `score = min(1, log10(P(M ≥ margin)) / -10)`: 0.1 is one row in ten, 0.3 one in a thousand, 1 one in 10¹⁰; the scale
    of S. Ahmad et al., Unsupervised real-time anomaly detection for streaming data (2017). P is counted up to the
    98th percentile u, and beyond it `P(u) · exp(-(margin - u) / mean excess)`, an exponential tail over a threshold as
    in A. Siffer et al., Anomaly detection in streams with extreme value theory (2017), with shape 0: rows rarer than
    all of the training rows still differ.

    Attributes:
        reference: Quantiles of the training margins below u, rising.
        tail_from: u.
        mean_excess: Mean of margin − u over the training margins above u; positive.
    """

    reference: Floats
    tail_from: float
    mean_excess: float

    def score(self, margin: Floats) -> Floats:
        """Return the score of each margin."""
        levels = np.linspace(1.0, 1.0 - _EXCESS_FROM, len(self.reference))
        counted = np.interp(margin, self.reference, levels)
        tail = (1.0 - _EXCESS_FROM) * np.exp(-np.maximum(margin - self.tail_from, 0.0) / self.mean_excess)
        probability = np.where(margin > self.tail_from, tail, counted)
        logarithm = np.log10(np.maximum(probability, LEAST_PROBABILITY))
        return np.asarray(np.clip(logarithm / np.log10(LEAST_PROBABILITY), 0.0, 1.0), dtype=np.float64)

    def parameters(self) -> dict[str, object]:
        """Return what `calibration_from` reads back."""
        return {
            "kind": "tail",
            "reference": [float(value) for value in self.reference],
            "tail_from": self.tail_from,
            "mean_excess": self.mean_excess,
        }


def fit_logistic(margin: Floats, positive: Bools) -> LogisticCalibration:
    """Return the logistic calibration of held-out margins by Newton's method.

    Args:
        margin: Raw margins of rows that the estimator was not fitted on.
        positive: Whether each row is positive; both kinds must occur.

    Raises:
        ValueError: Only one kind of row occurs.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if positives == 0 or negatives == 0:
        raise ValueError(f"calibration needs both kinds of rows, got {positives} positive and {negatives} negative")
    target = np.where(positive, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    centre, spread = float(margin.mean()), float(margin.std()) or 1.0
    design = np.column_stack([(margin - centre) / spread, np.ones_like(margin)])
    weights = np.array([1.0, np.log((positives + 1) / (negatives + 1))])
    for _ in range(100):
        probability = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -700.0, 700.0)))
        curvature = np.maximum(probability * (1.0 - probability), 1e-9)
        # A small ridge keeps the step finite where the margins separate the kinds completely.
        gradient = design.T @ (probability - target) + 1e-6 * weights
        hessian = (design * curvature[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.clip(np.linalg.solve(hessian, gradient), -2.0, 2.0)
        weights = weights - step
        if np.abs(step).max() < 1e-10:
            break
    # A margin that speaks against its own labels is no detector; keep the order of the scores all the same.
    slope = max(float(weights[0]) / spread, 1e-6)
    return LogisticCalibration(slope=slope, offset=float(weights[1]) - slope * centre)


def fit_tail(margin: Floats) -> TailCalibration:
    """Return the tail calibration of training margins.

    Raises:
        ValueError: There are no margins.
    """
    if len(margin) == 0:
        raise ValueError("calibration needs at least one margin, got none")
    tail_from = float(np.quantile(margin, _EXCESS_FROM))
    excess = margin[margin > tail_from] - tail_from
    scale = float(np.abs(margin).max()) or 1.0
    mean_excess = max(float(excess.mean()) if len(excess) else 0.0, 1e-9 * scale)
    points = min(_REFERENCE_POINTS, max(2, len(margin)))
    reference = np.quantile(margin, np.linspace(0.0, _EXCESS_FROM, points))
    return TailCalibration(reference, tail_from, mean_excess)


def calibration_from(parameters: dict[str, Any]) -> LogisticCalibration | TailCalibration:
    """Return the calibration that these stored parameters describe.

    Raises:
        ValueError: They are of an unknown kind.
    """
    kind = parameters.get("kind")
    if kind == "logistic":
        return LogisticCalibration(float(parameters["slope"]), float(parameters["offset"]))
    if kind == "tail":
        reference = np.asarray(parameters["reference"], dtype=np.float64)
        return TailCalibration(reference, float(parameters["tail_from"]), float(parameters["mean_excess"]))
    raise ValueError(f"unknown kind of calibration {kind!r}; known: logistic, tail")
