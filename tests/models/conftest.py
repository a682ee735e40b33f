"""Fixtures of the tests of models: one trained model, one MLflow store; both cost seconds and are shared."""

from pathlib import Path

import pytest
from headrace_models.declaration import LabelSource, ModelDeclaration
from headrace_models.fitting import TrainedModel, fit_model
from headrace_models.mlflow_store import MlflowStore
from headrace_models.training_set import TrainingSet, training_set
from small_lake import VIEW, lake_with_fraud

MODEL = ModelDeclaration.model_validate(
    {
        "name": "roaming_fraud",
        "view": "subscriber",
        "description": "finds fraud",
        "labels": {"event": "fraud_label", "match": "call_id", "value": "is_fraud", "assume_negative_after": "24h"},
        "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        "threshold": {"precision_at_least": 0.9},
        "gates": {"precision": 0.8, "recall": 0.8},
    }
)


@pytest.fixture(scope="session")
def model() -> ModelDeclaration:
    """Declaration of a labelled model over the small lake."""
    return MODEL


@pytest.fixture(scope="session")
def data() -> TrainingSet:
    """Training set of the model."""
    source = LabelSource(
        event="fraud_label",
        match="call_id",
        value="is_fraud",
        time="labelled_at",
        assume_negative_after=MODEL.labels.assume_negative_after if MODEL.labels else None,
    )
    return training_set(lake_with_fraud().sql, MODEL, VIEW, source)


@pytest.fixture(scope="session")
def trained(data: TrainingSet) -> TrainedModel:
    """The model, trained; its gates hold."""
    return fit_model(MODEL, data)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> MlflowStore:
    """A real MLflow store on SQLite, the same for the whole session: use model names of your own."""
    folder: Path = tmp_path_factory.mktemp("mlflow")
    return MlflowStore(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"))
