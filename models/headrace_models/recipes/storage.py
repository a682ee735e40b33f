"""Detectors on disk: numbers as JSON, trees in skops' format. Nothing that is read can run code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from headrace_models.recipes.calibration import calibration_from
from headrace_models.recipes.detector import Detector, Estimator

FORMAT = 1

# All that the two recipes write beyond what skops trusts by itself; a file that names another type is refused.
TRUSTED_TYPES = [
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
]


def save_detector(detector: Detector, folder: Path) -> None:
    """Write `detector.json` and `trees.skops` into `folder`, which is made when it does not exist."""
    import skops.io

    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "format": FORMAT,
        "kind": detector.kind,
        "features": list(detector.features),
        "typical": [None if np.isnan(value) else float(value) for value in detector.typical],
        "calibration": detector.calibration.parameters(),
    }
    (folder / "detector.json").write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8")
    skops.io.dump(detector.estimator.trees, folder / "trees.skops")


def load_detector(folder: Path) -> Detector:
    """Return the detector that `save_detector` wrote.

    Raises:
        OSError: A file is missing or cannot be read.
        ValueError: The format is unknown.
        skops.io.exceptions.UntrustedTypesFoundException: The trees name a type that a detector has no use for.
    """
    import skops.io

    document: dict[str, Any] = json.loads((folder / "detector.json").read_text(encoding="utf-8"))
    if document.get("format") != FORMAT:
        raise ValueError(f"detector format {document.get('format')!r}; this version reads {FORMAT}")
    trees = skops.io.load(folder / "trees.skops", trusted=TRUSTED_TYPES)
    typical = np.array([np.nan if value is None else value for value in document["typical"]], dtype=np.float64)
    return Detector(
        kind=document["kind"],
        features=tuple(document["features"]),
        estimator=_estimator(document["kind"], trees, typical),
        calibration=calibration_from(document["calibration"]),
        typical=typical,
    )


def _estimator(kind: str, trees: Any, typical: np.ndarray[Any, np.dtype[np.float64]]) -> Estimator:
    if kind == "gradient_boosting":
        from headrace_models.recipes.gradient_boosting import BoostingEstimator

        return BoostingEstimator.of(trees)
    if kind == "isolation_forest":
        from headrace_models.recipes.isolation_forest import IsolationEstimator

        return IsolationEstimator(trees, np.nan_to_num(typical, nan=0.0))
    raise ValueError(f"unknown recipe {kind!r}; known: gradient_boosting, isolation_forest")
