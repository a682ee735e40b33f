"""The MLflow flavour of a detector: MLflow runs this file itself (models from code), so nothing is pickled."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from headrace_models.serving import DETECTOR_FOLDER, ServedDetector


class DetectorModel(PythonModel):
    """One float64 column per feature in, null for unknown; `score`, `threshold`, `alert`, `reasons` (JSON) out."""

    def load_context(self, context: Any) -> None:
        """Load the detector from the model's artifacts."""
        self.served = ServedDetector.load(Path(context.artifacts[DETECTOR_FOLDER]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return one row per row of `model_input`."""
        columns = list(self.served.features)
        predicted = self.served.predict(model_input[columns].to_numpy(dtype=np.float64, na_value=np.nan))
        return pd.DataFrame(
            {
                "score": predicted.scores,
                "threshold": np.full(len(predicted.scores), predicted.threshold),
                "alert": predicted.alerts,
                "reasons": [json.dumps([reason.as_dict() for reason in row]) for row in predicted.reasons],
            }
        )


set_model(DetectorModel())
