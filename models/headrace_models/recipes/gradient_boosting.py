"""Gradient boosting of histogram trees: for rows with labels. Scores are probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from headrace_models.recipes.calibration import fit_logistic
from headrace_models.recipes.detector import Detector
from headrace_models.recipes.fit import Fitted, Rows, typical_values
from headrace_models.recipes.flat_trees import FlatTrees

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Below this many rows a fit is faster on one thread than on several that wait for each other.
_PARALLEL_FROM_ROWS = 100_000

# scikit-learn goes through one tree after another and lets other threads run between two: in a process that also talks
# to brokers each of those costs a turn. Beyond this many rows its loops over rows win all the same.
_FLAT_UP_TO_ROWS = 1024
# The arrays of a part stay in the processor's cache.
_FLAT_PART_ROWS = 128


@dataclass(frozen=True, slots=True, eq=False)
class BoostingEstimator:
    """The boosted trees; a null goes its own way in each split."""

    trees: HistGradientBoostingClassifier
    flat: FlatTrees

    @classmethod
    def of(cls, trees: HistGradientBoostingClassifier) -> BoostingEstimator:
        """Return the estimator of fitted trees."""
        return cls(trees, FlatTrees.of(trees))

    def margin(self, x: Floats) -> Floats:
        """Return the log-odds that the trees add up to for each row."""
        if len(x) > _FLAT_UP_TO_ROWS:
            return np.asarray(self.trees.decision_function(x), dtype=np.float64)
        parts = range(0, len(x), _FLAT_PART_ROWS)
        return np.concatenate([self.flat.margin(x[start : start + _FLAT_PART_ROWS]) for start in parts])


@dataclass(frozen=True, slots=True)
class GradientBoostingRecipe:
    """Small trees on random thirds of the features, cross-fitted by entity.

    The validation part alone often holds too few positive rows to calibrate and to choose a threshold by, so each
    training row is also scored by a twin that was fitted without the row's entity. Held out are those rows and the
    validation part together.
    """

    iterations: int = 200
    learning_rate: float = 0.06
    leaves: int = 8
    folds: int = 5

    def fit(self, features: tuple[str, ...], train: Rows, validation: Rows, seed: int) -> Fitted:
        """Fit on `train`, calibrate on the held-out rows.

        Raises:
            ValueError: A part has no labels, or `train` has only one kind of row.
        """
        if train.y is None or validation.y is None:
            raise ValueError("gradient boosting needs labels in train and validation, got none")
        positives = int(train.y.sum())
        if positives in (0, len(train.y)):
            raise ValueError(f"gradient boosting needs both kinds of rows, got {positives} positive of {len(train.y)}")
        estimator = self._estimator(train.x, train.y, seed)
        held_out, labels = self._cross_fitted(train.x, train.y, train.keys, seed)
        margin = np.concatenate([held_out, estimator.margin(validation.x)])
        labels = np.concatenate([labels, validation.y])
        calibration = fit_logistic(margin, labels)
        typical = typical_values(train.x[~train.y])
        detector = Detector("gradient_boosting", features, estimator, calibration, typical)
        return Fitted(detector, calibration.score(margin), labels)

    def _estimator(self, x: Floats, y: Bools, seed: int) -> BoostingEstimator:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits

        trees = HistGradientBoostingClassifier(
            max_iter=self.iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            max_features=0.3,
            min_samples_leaf=10,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=seed,
        )
        # scikit-learn cannot bin a column without any value; as a constant it is never split on.
        x = np.where(np.isnan(x).all(axis=0), 0.0, x)
        with threadpool_limits(None if len(x) >= _PARALLEL_FROM_ROWS else 1):
            trees.fit(x, y)
        return BoostingEstimator.of(trees)

    def _cross_fitted(self, x: Floats, y: Bools, keys: npt.NDArray[np.object_], seed: int) -> tuple[Floats, Bools]:
        """Return margins and labels of the training rows whose fold could be left out."""
        from sklearn.model_selection import GroupKFold

        folds = min(self.folds, len(set(keys)))
        margin = np.full(len(x), np.nan)
        if folds >= 2:
            for rest, fold in GroupKFold(folds).split(x, y, keys):
                if y[rest].any() and not y[rest].all():
                    margin[fold] = self._estimator(x[rest], y[rest], seed).margin(x[fold])
        scored = ~np.isnan(margin)
        return margin[scored], y[scored]
