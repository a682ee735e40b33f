"""Isolation forest: for rows without labels. Scores say how rare a row is among the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from headrace_models.recipes.calibration import fit_tail
from headrace_models.recipes.detector import Detector
from headrace_models.recipes.fit import Fitted, Rows, typical_values

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class IsolationEstimator:
    """The forest; a null is read as the typical value, since a split on "is missing" would isolate warm-up rows.

    Attributes:
        trees: The fitted forest.
        fill: What stands in for a null, `[features]`, without NaN.
    """

    trees: IsolationForest
    fill: Floats

    def margin(self, x: Floats) -> Floats:
        """Return the anomaly score of the isolation forest paper (Liu et al. 2008), 0 to 1, for each row."""
        return np.asarray(-self.trees.score_samples(np.where(np.isnan(x), self.fill, x)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class IsolationForestRecipe:
    """100 trees over 256 rows each; labels are not used to fit."""

    trees: int = 100

    def fit(self, features: tuple[str, ...], train: Rows, validation: Rows, seed: int) -> Fitted:
        """Fit and calibrate on `train`; the scores of `validation` are the held-out ones."""
        from sklearn.ensemble import IsolationForest

        typical = typical_values(train.x)
        fill = np.nan_to_num(typical, nan=0.0)
        forest = IsolationForest(n_estimators=self.trees, random_state=seed)
        forest.fit(np.where(np.isnan(train.x), fill, train.x))
        estimator = IsolationEstimator(forest, fill)
        calibration = fit_tail(estimator.margin(train.x))
        detector = Detector("isolation_forest", features, estimator, calibration, fill)
        return Fitted(detector, detector.score(validation.x), validation.y)
