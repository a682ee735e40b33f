"""Boosted trees as arrays give the bits of scikit-learn."""

import numpy as np
import pytest
from headrace_models.recipes.flat_trees import FlatTrees
from headrace_models.recipes.gradient_boosting import BoostingEstimator
from sklearn.ensemble import HistGradientBoostingClassifier


def fitted(seed: int, leaves: int) -> tuple[HistGradientBoostingClassifier, np.ndarray]:
    """Return a classifier on rows with nulls, equal values and columns that say nothing, and other such rows."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(2_000, 7)).round(random.integers(0, 3))
    x[random.random(x.shape) < 0.1] = np.nan
    x[:, 3] = 1.0
    y = np.nan_to_num(x[:, 0]) + np.isnan(x[:, 1]) > random.normal(size=len(x))
    trees = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=leaves, random_state=seed)
    return trees.fit(x[:1_500], y[:1_500]), x[1_500:]


@pytest.mark.parametrize(("seed", "leaves"), [(1, 8), (2, 31), (3, 2)])
def test_every_row_gets_the_bits_of_scikit_learn(seed: int, leaves: int) -> None:
    trees, rows = fitted(seed, leaves)
    np.testing.assert_array_equal(FlatTrees.of(trees).margin(rows), trees.decision_function(rows))


def test_a_row_scores_the_same_alone_and_in_a_large_batch() -> None:
    trees, few = fitted(4, 8)
    rows = np.tile(few, (3, 1))  # more than go through the arrays
    estimator = BoostingEstimator.of(trees)
    alone = np.concatenate([estimator.margin(rows[i : i + 1]) for i in range(len(rows))])
    np.testing.assert_array_equal(alone, estimator.margin(rows))
