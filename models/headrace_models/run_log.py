"""One training as one MLflow run: parameters, figures, plots, hashes, and the model itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import headrace_models
from headrace_models.declaration import ModelDeclaration
from headrace_models.fitting import TrainedModel
from headrace_models.mlflow_store import MlflowStore
from headrace_models.plots import save_plots
from headrace_models.serving import DETECTOR_FOLDER, ServedDetector
from headrace_models.training_set import TrainingSet
from headrace_models.view import FeatureView

PACKAGE = Path(headrace_models.__file__).parent
# What the served model imports, and nothing else: these are pinned in its requirements.
SERVING_PACKAGES = ("mlflow", "numpy", "pandas", "scikit-learn", "skops")
CODE_PACKAGES = ("headrace", "headrace-ingestion", *SERVING_PACKAGES)


def log_run(
    store: MlflowStore,
    model: ModelDeclaration,
    view: FeatureView,
    data: TrainingSet,
    trained: TrainedModel,
    scratch: Path,
) -> tuple[str, str]:
    """Log the training as a run of the experiment `model.name` and return (run id, URI of the logged model).

    Args:
        store: Where to log.
        model: The declaration.
        view: The view it reads.
        data: The training set.
        trained: What came out.
        scratch: An empty folder for files on their way.
    """
    experiment_id = store.experiment_id(model.name)
    with store.active() as mlflow, mlflow.start_run(experiment_id=experiment_id) as run:
        mlflow.log_params(_parameters(model, view, data, trained))
        mlflow.set_tags(_tags(model, view, data, trained))
        mlflow.log_metrics(dict(_figures(trained)))
        mlflow.log_dict(model.model_dump(mode="json", exclude_defaults=True), "declaration.json")
        mlflow.log_dict([asdict(gate) for gate in trained.gates], "gates.json")
        mlflow.log_dict(_confusion(trained), "confusion_matrix.json")
        save_plots(trained, data.test, scratch / "plots")
        mlflow.log_artifacts(str(scratch / "plots"), "plots")
        logged = _log_model(mlflow, data, trained, scratch)
        return str(run.info.run_id), str(logged.model_uri)


def _log_model(mlflow: Any, data: TrainingSet, trained: TrainedModel, scratch: Path) -> Any:
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    served = ServedDetector(trained.detector, trained.threshold)
    served.save(scratch / DETECTOR_FOLDER)
    inputs = Schema([ColSpec(DataType.double, name) for name in data.features])
    outputs = Schema(
        [
            ColSpec(DataType.double, "score"),
            ColSpec(DataType.double, "threshold"),
            ColSpec(DataType.boolean, "alert"),
            ColSpec(DataType.string, "reasons"),
        ]
    )
    example = pd.DataFrame(data.test.x[-3:], columns=list(data.features))
    return mlflow.pyfunc.log_model(
        name="model",
        python_model=str(PACKAGE / "pyfunc.py"),
        artifacts={DETECTOR_FOLDER: str(scratch / DETECTOR_FOLDER)},
        code_paths=[str(PACKAGE)],
        signature=ModelSignature(inputs=inputs, outputs=outputs),
        input_example=example,
        pip_requirements=[f"{name}=={version(name)}" for name in SERVING_PACKAGES],
    )


def _parameters(
    model: ModelDeclaration, view: FeatureView, data: TrainingSet, trained: TrainedModel
) -> dict[str, object]:
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    return {
        "recipe": trained.detector.kind,
        "recipe_declared": model.recipe,
        "seed": model.seed,
        "features": len(data.features),
        "view": view.name,
        "as_of": data.as_of.isoformat(),
        "gap_seconds": model.gap(view).total_seconds(),
        "threshold_rule": json.dumps(model.threshold.model_dump(exclude_none=True)),
        "unlabelled_rows": data.unlabelled,
        "rows_in_gaps": data.in_gaps,
        **{f"{name}_rows": len(part) for name, part in parts.items()},
        **{f"{name}_positives": part.positives for name, part in parts.items() if part.y is not None},
    }


def _tags(model: ModelDeclaration, view: FeatureView, data: TrainingSet, trained: TrainedModel) -> dict[str, str]:
    results = ", ".join(
        f"{gate.gate} {'—' if gate.found is None else format(gate.found, '.3f')} (asked {gate.asked:g})"
        for gate in trained.gates
    )
    return {
        "model_declaration": model.digest,
        "view_declaration": view.digest,
        "dataset": data.digest,
        "gates": "hold" if trained.gates_hold else "do not hold",
        "gate_results": results or "none declared",
        **({"lookup_declarations": ", ".join(f"{n} {d}" for n, d in data.lookups.items())} if data.lookups else {}),
        **{f"version.{name}": found for name, found in _installed()},
    }


def _installed() -> Iterator[tuple[str, str]]:
    for name in CODE_PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:  # run from a source tree that is not installed
            yield name, "not installed"


def _figures(trained: TrainedModel) -> Iterator[tuple[str, float]]:
    yield "threshold", trained.threshold
    for part, metrics in trained.metrics.items():
        for name, value in metrics.as_dict().items():
            yield f"{part}_{name}", value


def _confusion(trained: TrainedModel) -> dict[str, dict[str, int | None]]:
    names = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    return {part: {name: getattr(metrics, name) for name in names} for part, metrics in trained.metrics.items()}
