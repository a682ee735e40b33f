"""From a registered version to something that scores a batch."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from headrace_models.recipes.detector import Reason
from headrace_models.serving import DETECTOR_FOLDER, Prediction, ServedDetector

if TYPE_CHECKING:
    from headrace_models.mlflow_store import MlflowStore

Floats = npt.NDArray[np.float64]
_WARM_UP_ROWS = 64


class Scores(Protocol):
    """What scores rows: a detector, or any MLflow model with the same columns in and out."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns it reads, in order."""

    def predict(self, x: Floats) -> Prediction:
        """Score `x` `[rows, features]`, NaN for null."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A version in memory, warm."""

    name: str
    version: str
    scores: Scores


@dataclass(frozen=True, slots=True, eq=False)
class ForeignModel:
    """An MLflow pyfunc that others registered: float64 columns in; score, threshold, alert, reasons (JSON) out."""

    model: Any
    features: tuple[str, ...]

    def predict(self, x: Floats) -> Prediction:
        """Score `x` through the model's own `predict`."""
        import pandas as pd

        found = self.model.predict(pd.DataFrame(x, columns=list(self.features)))
        reasons = tuple(tuple(Reason(**reason) for reason in json.loads(text)) for text in found["reasons"])
        scores = found["score"].to_numpy(dtype=np.float64)
        threshold = float(found["threshold"].iloc[0]) if len(found) else 1.0
        return Prediction(scores, threshold, found["alert"].to_numpy(dtype=np.bool_), reasons)


def load_version(store: MlflowStore, name: str, version: str) -> LoadedModel:
    """Return the version, loaded and run once so that the first real batch does not wait.

    Our own detectors are read directly: the same numbers as through MLflow, without its schema checks (a millisecond
    a batch) and without its changes to the module path.

    Raises:
        Exception: Whatever the store, the file system or a foreign model raises.
    """
    with tempfile.TemporaryDirectory(prefix="headrace-model-") as folder, store.active() as mlflow:
        source = store.client().get_model_version_download_uri(name, version)
        local = Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=folder))
        detector = local / "artifacts" / DETECTOR_FOLDER
        scores: Scores = ServedDetector.load(detector) if detector.is_dir() else _foreign(mlflow, local)
    scores.predict(np.zeros((_WARM_UP_ROWS, len(scores.features))))
    return LoadedModel(name, version, scores)


def _foreign(mlflow: Any, local: Path) -> ForeignModel:
    model = mlflow.pyfunc.load_model(str(local))
    schema = model.metadata.get_input_schema()
    return ForeignModel(model, tuple(schema.input_names() if schema else ()))
