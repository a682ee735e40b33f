"""What every recipe makes: a detector with calibrated scores and reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Kind = Literal["isolation_forest", "gradient_boosting"]

REASON_CHUNK_ROWS = 256
"""Alerts explained per call: bounds the memory of the ablation to chunk × features² numbers."""


class Calibration(Protocol):
    """A strictly rising map from a raw margin to a score in [0, 1]."""

    def score(self, margin: Floats) -> Floats:
        """Return the score of each margin."""

    def parameters(self) -> dict[str, object]:
        """Return what `calibration_from` reads back."""


class Estimator(Protocol):
    """The fitted scikit-learn part: a larger margin is more suspicious."""

    @property
    def trees(self) -> object:
        """The scikit-learn estimator, to be stored."""

    def margin(self, x: Floats) -> Floats:
        """Return the raw margin of each row of `x` `[rows, features]`, NaN for null."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row stands out.

    Attributes:
        feature: The column.
        value: Its value in the row; None for null.
        contribution: Its share, 0 to 1, of what all features together add to the margin.
    """

    feature: str
    value: float | None
    contribution: float

    def as_dict(self) -> dict[str, object]:
        """Return the reason as it stands in a score record."""
        return {"feature": self.feature, "value": self.value, "contribution": self.contribution}


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """A fitted, calibrated model.

    Attributes:
        kind: The recipe that made it.
        features: Names of the columns of `x`, in order.
        estimator: Rows to margins.
        calibration: Margins to scores.
        typical: The median of each feature among ordinary training rows; what an ablated feature is set to.
    """

    kind: Kind
    features: tuple[str, ...]
    estimator: Estimator
    calibration: Calibration
    typical: Floats

    def score(self, x: Floats) -> Floats:
        """Return a score in [0, 1] for each row of `x` `[rows, features]`, NaN for null."""
        if len(x) == 0:
            return np.empty(0)
        return self.calibration.score(self.estimator.margin(x))

    def reasons(self, x: Floats, k: int = 3) -> list[tuple[Reason, ...]]:
        """Return up to `k` reasons for each row of `x`, strongest first.

        A feature's contribution is how far the margin falls when that one feature is set to its typical value, as a
        share of all such falls. Costs rows × features predictions in one call per 256 rows: meant for alerts.
        """
        found: list[tuple[Reason, ...]] = []
        for start in range(0, len(x), REASON_CHUNK_ROWS):
            found.extend(self._reasons_of_chunk(x[start : start + REASON_CHUNK_ROWS], k))
        return found

    def _reasons_of_chunk(self, x: Floats, k: int) -> list[tuple[Reason, ...]]:
        rows, width = x.shape
        ablated = np.repeat(x[:, None, :], width + 1, axis=1)  # the last copy of each row stays whole
        diagonal = np.arange(width)
        ablated[:, diagonal, diagonal] = self.typical
        margins = self.estimator.margin(ablated.reshape(rows * (width + 1), width)).reshape(rows, width + 1)
        falls = np.maximum(margins[:, -1:] - margins[:, :-1], 0.0)
        shares = falls / np.maximum(falls.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        order = np.argsort(-shares, axis=1, kind="stable")[:, :k]
        return [
            tuple(
                Reason(self.features[i], None if np.isnan(x[row, i]) else float(x[row, i]), float(shares[row, i]))
                for i in order[row]
                if shares[row, i] > 0
            )
            for row in range(rows)
        ]
