"""A detector with its threshold, as it is shipped: scores, alerts and reasons. Needs no project files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace_models.recipes.detector import Detector, Reason
from headrace_models.recipes.storage import load_detector, save_detector

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
DETECTOR_FOLDER = "detector"
REASONS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a model says of a batch; all of the length of the batch.

    Attributes:
        scores: In [0, 1].
        threshold: A row alerts at a score of at least this.
        alerts: Which rows alert.
        reasons: Strongest first; empty for rows that do not alert.
    """

    scores: Floats
    threshold: float
    alerts: Bools
    reasons: tuple[tuple[Reason, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ServedDetector:
    """A detector that decides.

    Attributes:
        detector: Rows to scores and reasons.
        threshold: A row alerts at a score of at least this, in [0, 1].
    """

    detector: Detector
    threshold: float

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns it reads, in order."""
        return self.detector.features

    def predict(self, x: Floats) -> Prediction:
        """Return scores for `x` `[rows, features]` (NaN for null), and reasons for the rows that alert."""
        scores = self.detector.score(x)
        alerts = np.asarray(scores >= self.threshold, dtype=np.bool_)
        explained = iter(self.detector.reasons(x[alerts], REASONS))
        reasons = tuple(next(explained) if alert else () for alert in alerts)
        return Prediction(scores, self.threshold, alerts, reasons)

    def save(self, folder: Path) -> None:
        """Write the detector and its threshold into `folder`."""
        save_detector(self.detector, folder)
        (folder / "decision.json").write_text(json.dumps({"threshold": self.threshold}), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> ServedDetector:
        """Return what `save` wrote.

        Raises:
            OSError: A file is missing or cannot be read.
            ValueError: The format is unknown.
        """
        decision = json.loads((folder / "decision.json").read_text(encoding="utf-8"))
        return cls(load_detector(folder), float(decision["threshold"]))
