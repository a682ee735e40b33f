"""The registry on a real MLflow store: what a run holds, gates, aliases, promotion, rollback."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from headrace_models.declaration import ModelDeclaration
from headrace_models.errors import GatesError, RegistryError
from headrace_models.evaluate import GateResult
from headrace_models.fitting import TrainedModel
from headrace_models.mlflow_store import MlflowStore
from headrace_models.registry import ModelVersion, Registry
from headrace_models.run_log import SERVING_PACKAGES
from headrace_models.scoring.loading import load_version
from headrace_models.training_set import TrainingSet
from small_lake import VIEW

from headrace.stack.ports import free_ports


@pytest.fixture(scope="module")
def registry(store: MlflowStore) -> Registry:
    return Registry(store)


@pytest.fixture(scope="module")
def registered(registry: Registry, model: ModelDeclaration, data: TrainingSet, trained: TrainedModel) -> ModelVersion:
    return registry.register(model, VIEW, data, trained)


def with_failing_gates(trained: TrainedModel) -> TrainedModel:
    return dataclasses.replace(trained, gates=(GateResult("precision", 0.99, 0.5, False),))


def renamed(model: ModelDeclaration, name: str) -> ModelDeclaration:
    return model.model_copy(update={"name": name})


def test_a_version_whose_gates_hold_becomes_challenger_and_not_champion(registered: ModelVersion) -> None:
    assert registered.version == "1"
    assert registered.gates_hold
    assert registered.aliases == ("challenger",)


def test_a_run_holds_figures_hashes_versions_and_plots(
    registered: ModelVersion, store: MlflowStore, model: ModelDeclaration, data: TrainingSet, trained: TrainedModel
) -> None:
    run = store.client().get_run(registered.run_id)
    assert run.data.params["recipe"] == "gradient_boosting"
    assert run.data.params["test_positives"] == str(data.test.positives)
    assert run.data.metrics["test_precision"] == trained.metrics["test"].precision
    assert run.data.metrics["threshold"] == trained.threshold
    assert run.data.tags["dataset"] == data.digest
    assert run.data.tags["model_declaration"] == model.digest
    assert run.data.tags["view_declaration"] == VIEW.digest
    assert set(run.data.tags) >= {f"version.{name}" for name in ("headrace", *SERVING_PACKAGES)}
    artifacts = {file.path for file in store.client().list_artifacts(registered.run_id)}
    assert artifacts >= {"confusion_matrix.json", "declaration.json", "gates.json", "plots"}
    plots = {Path(file.path).name for file in store.client().list_artifacts(registered.run_id, "plots")}
    assert plots == {"confusion_matrix.png", "pr_curve.png", "scores.png"}


def test_a_model_has_a_signature_an_example_and_pinned_requirements(
    registered: ModelVersion, store: MlflowStore, data: TrainingSet, tmp_path: Path
) -> None:
    with store.active() as mlflow:
        uri = f"models:/{registered.name}/{registered.version}"
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(tmp_path)))
        info = mlflow.models.get_model_info(uri)
    assert info.signature.inputs.input_names() == list(data.features)
    assert {column.type.name for column in info.signature.inputs.inputs} == {"double"}
    assert info.signature.outputs.input_names() == ["score", "threshold", "alert", "reasons"]
    requirements = (folder / "requirements.txt").read_text().split()
    assert sorted(line.split("==")[0] for line in requirements) == sorted(SERVING_PACKAGES)
    assert all("==" in line for line in requirements)
    assert (folder / "input_example.json").is_file()
    assert not list(folder.rglob("*.pkl"))


def test_mlflow_and_the_scorer_give_the_same_scores(
    registered: ModelVersion, store: MlflowStore, data: TrainingSet
) -> None:
    with store.active() as mlflow:
        served = mlflow.pyfunc.load_model(f"models:/{registered.name}/{registered.version}")
    found = served.predict(pd.DataFrame(data.test.x, columns=list(data.features)))
    ours = load_version(store, registered.name, registered.version).scores.predict(data.test.x)
    np.testing.assert_array_equal(found["score"], ours.scores)
    np.testing.assert_array_equal(found["alert"], ours.alerts)
    first = int(np.flatnonzero(ours.alerts)[0])
    assert json.loads(found["reasons"][first]) == [reason.as_dict() for reason in ours.reasons[first]]


def test_a_missing_column_is_refused_by_the_signature(
    registered: ModelVersion, store: MlflowStore, data: TrainingSet
) -> None:
    from mlflow.exceptions import MlflowException

    with store.active() as mlflow:
        served = mlflow.pyfunc.load_model(f"models:/{registered.name}/{registered.version}")
    with pytest.raises(MlflowException, match=r"Model is missing inputs \['noise'\]"):
        served.predict(pd.DataFrame(data.test.x[:, :3], columns=list(data.features[:3])))


def test_promotion_moves_the_champion_and_rollback_moves_it_back(
    registry: Registry, model: ModelDeclaration, data: TrainingSet, trained: TrainedModel
) -> None:
    mine = renamed(model, "promotion")
    registry.register(mine, VIEW, data, trained)
    assert registry.promote("promotion").aliases == ("champion",)
    assert registry.alias_version("promotion", "challenger") is None
    registry.register(mine, VIEW, data, trained)
    assert [version.aliases for version in registry.versions("promotion")] == [("challenger",), ("champion",)]
    assert [version.version for version in registry.compare("promotion")] == ["2", "1"]
    assert registry.promote("promotion").version == "2"
    assert registry.rollback("promotion").version == "1"
    assert registry.rollback("promotion").version == "2"


def test_a_version_whose_gates_do_not_hold_is_promoted_by_force_only(
    registry: Registry, model: ModelDeclaration, data: TrainingSet, trained: TrainedModel
) -> None:
    weak = registry.register(renamed(model, "weak"), VIEW, data, with_failing_gates(trained))
    assert weak.aliases == ()
    with pytest.raises(GatesError) as caught:
        registry.promote("weak", "1")
    assert str(caught.value) == (
        "model 'weak' version 1: its gates do not hold on the test part\n"
        "  gates:  precision 0.500 (asked 0.99)\n"
        "  try:    headrace models promote weak --version 1 --force"
    )
    assert registry.promote("weak", "1", force=True).aliases == ("champion",)


def test_promotion_without_a_challenger_is_told_with_the_versions(
    registry: Registry, model: ModelDeclaration, data: TrainingSet, trained: TrainedModel
) -> None:
    registry.register(renamed(model, "no_challenger"), VIEW, data, with_failing_gates(trained))
    with pytest.raises(RegistryError) as caught:
        registry.promote("no_challenger")
    assert str(caught.value) == (
        "model 'no_challenger' has no challenger\n"
        "  versions:  1 (no alias)\n"
        "  try:       headrace models train no_challenger"
    )


def test_an_unknown_version_is_told_with_those_there_are(registry: Registry, registered: ModelVersion) -> None:
    with pytest.raises(RegistryError) as caught:
        registry.promote(registered.name, "7")
    assert str(caught.value) == (
        "model 'roaming_fraud' has no version '7'\n  versions:  1\n  try:       headrace models list roaming_fraud"
    )


def test_rollback_without_a_previous_champion_says_so(
    registry: Registry, model: ModelDeclaration, data: TrainingSet, trained: TrainedModel
) -> None:
    registry.register(renamed(model, "first_ever"), VIEW, data, trained)
    registry.promote("first_ever")
    with pytest.raises(RegistryError) as caught:
        registry.rollback("first_ever")
    assert str(caught.value) == (
        "model 'first_ever' had no other champion before\n  champion:  1\n  try:       headrace models list first_ever"
    )


def test_an_unknown_model_is_told_with_what_to_type(registry: Registry, registered: ModelVersion) -> None:
    with pytest.raises(RegistryError) as caught:
        registry.versions("roaming_frod")
    assert str(caught.value).splitlines()[0] == "there is no registered model 'roaming_frod'"
    assert str(caught.value).splitlines()[-1] == "  try:     headrace models list roaming_fraud"
    assert registry.alias_version("roaming_frod", "champion") is None


def test_a_training_leaves_mlflow_pointed_where_it_was(registered: ModelVersion) -> None:
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert "MLFLOW_REGISTRY_URI" not in os.environ


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mlflow_models_serve_runs_a_registered_model_unchanged(
    registered: ModelVersion, store: MlflowStore, data: TrainingSet, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{registered.name}/1"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store.tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    log = (tmp_path / "serve.log").open("wb")
    # Away from the project folder, as on another machine.
    server = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        answer = _invocation(port, data, server, tmp_path / "serve.log")
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
        log.close()
    ours = load_version(store, registered.name, "1").scores.predict(data.test.x[:20])
    assert [row["score"] for row in answer] == pytest.approx(ours.scores.tolist())
    assert [row["alert"] for row in answer] == ours.alerts.tolist()


def _invocation(port: int, data: TrainingSet, server: subprocess.Popen[bytes], log: Path) -> list[dict[str, object]]:
    rows = [[None if np.isnan(value) else float(value) for value in row] for row in data.test.x[:20]]
    body = json.dumps({"dataframe_split": {"columns": list(data.features), "data": rows}}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"})
    deadline = time.monotonic() + 240
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                predictions: list[dict[str, object]] = json.load(response)["predictions"]
                return predictions
        except (urllib.error.URLError, ConnectionError) as error:
            refused = isinstance(error, urllib.error.HTTPError) or server.poll() is not None
            if refused or time.monotonic() > deadline:
                raise AssertionError(f"{error}\n{log.read_text()[-3000:]}") from error
            time.sleep(0.3)
