"""The one place that talks to MLflow's global state: which server, which experiment, which artifacts."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_GLOBAL_STATE = threading.RLock()
_URIS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # a platform that others run must not report home on their behalf
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # progress is ours to show
    "MLFLOW_UV_AUTO_DETECT": "false",  # a model's requirements are those it declares, not the folder's we run in
}
_LOG_LEVELS = {
    "alembic": logging.WARNING,  # hundreds of lines about migrations for each new SQLite file
    "mlflow": logging.WARNING,
    "mlflow.utils.environment": logging.ERROR,  # that pip is not installed here is no news
}


@dataclass(frozen=True, slots=True)
class MlflowStore:
    """Where runs and models stand.

    Attributes:
        tracking_uri: `sqlite:///…/mlflow.db` or the URL of a server.
        artifact_location: Folder or URL of the artifacts of new experiments; None leaves it to the server.
    """

    tracking_uri: str
    artifact_location: str | None = None

    def client(self) -> MlflowClient:
        """Return a client of the store; the tables of a new SQLite file are made on the first call."""
        client: MlflowClient = _mlflow().MlflowClient(self.tracking_uri, self.tracking_uri)
        return client

    def experiment_id(self, name: str) -> str:
        """Return the id of the experiment, which is made when it does not exist."""
        client = self.client()
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(name, artifact_location=self.artifact_location))

    @contextmanager
    def active(self) -> Iterator[Any]:
        """Point MLflow's module-level functions here for a while, and yield the module; one thread at a time."""
        mlflow = _mlflow()
        with _GLOBAL_STATE:
            # MLflow keeps both in the environment, for child processes; no value there means never set.
            tracking, registry = (os.environ.get(name) for name in _URIS)
            mlflow.set_tracking_uri(self.tracking_uri)
            mlflow.set_registry_uri(self.tracking_uri)
            try:
                with warnings.catch_warnings():
                    # MLflow asks for type hints, from which it would make a schema instead of the declared signature.
                    warnings.filterwarnings("ignore", message=".*type hint", category=UserWarning)
                    yield mlflow
            finally:
                mlflow.set_tracking_uri(tracking)
                mlflow.set_registry_uri(registry)
                if registry is None:
                    os.environ.pop("MLFLOW_REGISTRY_URI", None)


def _mlflow() -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    # After the import, which sets its own levels.
    for name, level in _LOG_LEVELS.items():
        logging.getLogger(name).setLevel(level)

    return mlflow
