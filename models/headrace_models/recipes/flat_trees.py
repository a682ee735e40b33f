"""Boosted trees as arrays: small batches through all trees at once, with the bits that scikit-learn gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class FlatTrees:
    """The nodes of all trees after one another. A leaf is its own child, so that every row takes as many steps.

    Attributes:
        roots: First node of each tree.
        feature: Column that a node looks at.
        threshold: A row goes left when its value is at most this.
        missing_left: Whether a null goes left.
        left: Node to the left.
        right: Node to the right.
        value: What a leaf adds.
        baseline: What every row begins with.
        depth: Most steps from a root to a leaf.
    """

    roots: Ints
    feature: Ints
    threshold: Floats
    missing_left: Bools
    left: Ints
    right: Ints
    value: Floats
    baseline: float
    depth: int

    @classmethod
    def of(cls, trees: HistGradientBoostingClassifier) -> FlatTrees:
        """Return the nodes of a fitted binary classifier without categorical features."""
        nodes = [predictor.nodes for (predictor,) in trees._predictors]
        sizes = np.array([len(tree) for tree in nodes])
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        every = np.concatenate(nodes)
        start = np.repeat(roots, sizes)
        own = np.arange(len(every))
        is_leaf = every["is_leaf"].astype(bool)
        return cls(
            roots=roots,
            feature=every["feature_idx"].astype(np.int64),
            threshold=every["num_threshold"].astype(np.float64),
            missing_left=every["missing_go_to_left"].astype(bool),
            left=np.where(is_leaf, own, every["left"] + start).astype(np.int64),
            right=np.where(is_leaf, own, every["right"] + start).astype(np.int64),
            value=every["value"].astype(np.float64),
            baseline=float(trees._baseline_prediction.item()),
            depth=int(every["depth"].max()),
        )

    def margin(self, x: Floats) -> Floats:
        """Return what the trees add up to for each row of `x` `[rows, features]`, NaN for null."""
        rows = np.arange(len(x))[:, None]
        node = np.broadcast_to(self.roots, (len(x), len(self.roots)))
        for _ in range(self.depth):
            found = x[rows, self.feature[node]]
            goes_left = (found <= self.threshold[node]) | (np.isnan(found) & self.missing_left[node])
            node = np.where(goes_left, self.left[node], self.right[node])
        # One after another, as the trees were grown: another order would round otherwise.
        terms = np.concatenate([np.full((len(x), 1), self.baseline), self.value[node]], axis=1)
        return np.asarray(np.cumsum(terms, axis=1)[:, -1])
