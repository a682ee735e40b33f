"""What every recipe takes and gives: rows in, a detector and its held-out scores out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from headrace_models.recipes.detector import Detector

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows to fit on.

    Attributes:
        x: Features, `[rows, features]`, NaN for null.
        y: Whether each row is positive; None without labels.
        keys: The entity of each row; rows of one entity stay together in cross-fitting.
    """

    x: Floats
    y: Bools | None
    keys: npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A detector, and scores of rows that it (or its fold's twin) was not fitted on: what a threshold is chosen by."""

    detector: Detector
    held_out_scores: Floats
    held_out_labels: Bools | None


class Recipe(Protocol):
    """A way to train; the same arguments give the same detector."""

    def fit(self, features: tuple[str, ...], train: Rows, validation: Rows, seed: int) -> Fitted:
        """Fit on `train`, calibrate on rows held out from the fit."""


def typical_values(x: Floats) -> Floats:
    """Return the median of each column of `x`, NaN where a column has no value at all."""
    typical = np.full(x.shape[1], np.nan)
    for index in range(x.shape[1]):
        column = x[:, index]
        present = column[~np.isnan(column)]
        if len(present):
            typical[index] = np.median(present)
    return typical
