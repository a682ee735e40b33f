"""The registry: versions of a model, their gates, and which of them is champion and challenger."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from headrace_ingestion.errors import closest

from headrace_models.declaration import ModelDeclaration
from headrace_models.errors import GatesError, RegistryError
from headrace_models.fitting import TrainedModel
from headrace_models.mlflow_store import MlflowStore
from headrace_models.run_log import log_run
from headrace_models.training_set import TrainingSet
from headrace_models.view import FeatureView

Alias = Literal["champion", "challenger"]
GATES_TAG = "gates"
PREVIOUS_CHAMPION_TAG = "previous_champion"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered version.

    Attributes:
        name, version: What identifies it; `version` counts up from "1".
        run_id: The MLflow run that made it.
        created: When it was registered.
        aliases: `champion`, `challenger`.
        gates_hold: Whether the declared gates held on the untouched test part.
        metrics: Figures of the run: `test_precision`, `validation_pr_auc`, `threshold` and so on.
        tags: Recipe, hashes of declarations and data set, gates in words.
    """

    name: str
    version: str
    run_id: str
    created: datetime
    aliases: tuple[str, ...]
    gates_hold: bool
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


class Registry:
    """Registered models of one MLflow store."""

    def __init__(self, store: MlflowStore) -> None:
        self._store = store
        self._client = store.client()

    def register(
        self, model: ModelDeclaration, view: FeatureView, data: TrainingSet, trained: TrainedModel
    ) -> ModelVersion:
        """Log the training as a run and register its model; it becomes challenger when its gates hold.

        Side effects: a run in the experiment of the model's name, a new version, the alias.
        """
        with tempfile.TemporaryDirectory(prefix="headrace-model-") as folder:
            run_id, model_uri = log_run(self._store, model, view, data, trained, Path(folder))
        if not self._client.search_registered_models(f"name = '{model.name}'"):
            self._client.create_registered_model(model.name, description=model.description)
        tags = {
            GATES_TAG: "hold" if trained.gates_hold else "do not hold",
            "recipe": trained.detector.kind,
            "model_declaration": model.digest,
            "view": view.name,
            "view_declaration": view.digest,
            "dataset": data.digest,
        }
        with self._store.active():  # this call alone looks the logged model up by MLflow's global state
            created = self._client.create_model_version(
                model.name,
                source=model_uri,
                run_id=run_id,
                tags=tags,
                # A server, unlike SQLite, refuses a logged model as the source unless its id is given.
                model_id=model_uri.removeprefix("models:/"),
            )
        if trained.gates_hold:
            self._client.set_registered_model_alias(model.name, "challenger", created.version)
        return self.version(model.name, str(created.version))

    def names(self) -> list[str]:
        """Return the names of all registered models."""
        return [found.name for found in self._client.search_registered_models()]

    def versions(self, name: str) -> list[ModelVersion]:
        """Return all versions of a model, newest first.

        Raises:
            RegistryError: There is no such model.
        """
        aliases = self._aliases(name)
        found = self._client.search_model_versions(f"name = '{name}'")
        return [self._described(version, aliases) for version in sorted(found, key=lambda v: -int(v.version))]

    def version(self, name: str, version: str) -> ModelVersion:
        """Return one version.

        Raises:
            RegistryError: There is no such model or version.
        """
        known = self.versions(name)
        for candidate in known:
            if candidate.version == version:
                return candidate
        raise RegistryError(
            f"model {name!r} has no version {version!r}",
            {"versions": ", ".join(one.version for one in known) or "none"},
            f"headrace models list {name}",
        )

    def alias_version(self, name: str, alias: Alias) -> str | None:
        """Return the version that an alias points to; None when the model or the alias does not exist."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def promote(self, name: str, version: str | None = None, *, force: bool = False) -> ModelVersion:
        """Make a version champion and remember the one before.

        Args:
            name: The model.
            version: The version; by default the challenger.
            force: Whether to promote although its gates do not hold.

        Raises:
            RegistryError: There is no such model or version, or no challenger.
            GatesError: The gates do not hold, and `force` is not set.
        """
        chosen = self.version(name, version or self._challenger(name))
        if not chosen.gates_hold and not force:
            raise GatesError(
                f"model {name!r} version {chosen.version}: its gates do not hold on the test part",
                {"gates": chosen.tags.get("gate_results", "")},
                f"headrace models promote {name} --version {chosen.version} --force",
            )
        before = self.alias_version(name, "champion")
        self._client.set_registered_model_alias(name, "champion", chosen.version)
        if before is not None and before != chosen.version:
            self._client.set_registered_model_tag(name, PREVIOUS_CHAMPION_TAG, before)
        if "challenger" in chosen.aliases:
            self._client.delete_registered_model_alias(name, "challenger")
        return self.version(name, chosen.version)

    def rollback(self, name: str) -> ModelVersion:
        """Make the champion before the present one champion again.

        Raises:
            RegistryError: There is no such model, or it never had another champion.
        """
        self._aliases(name)
        previous = self._client.get_registered_model(name).tags.get(PREVIOUS_CHAMPION_TAG)
        if previous is None:
            raise RegistryError(
                f"model {name!r} had no other champion before",
                {"champion": self.alias_version(name, "champion") or "none"},
                f"headrace models list {name}",
            )
        return self.promote(name, previous, force=True)

    def compare(self, name: str, versions: Sequence[str] = ()) -> list[ModelVersion]:
        """Return the given versions side by side; by default champion and challenger, or the newest two.

        Raises:
            RegistryError: There is no such model or version.
        """
        if versions:
            return [self.version(name, version) for version in versions]
        known = self.versions(name)
        return [version for version in known if version.aliases] or known[:2]

    def _challenger(self, name: str) -> str:
        known = self.versions(name)
        version = next((one.version for one in known if "challenger" in one.aliases), None)
        if version is None:
            raise RegistryError(
                f"model {name!r} has no challenger",
                {"versions": ", ".join(f"{v.version} ({', '.join(v.aliases) or 'no alias'})" for v in known) or "none"},
                f"headrace models train {name}",
            )
        return version

    def _aliases(self, name: str) -> Mapping[str, str]:
        """Return alias → version.

        Raises:
            RegistryError: There is no such model.
        """
        from mlflow.exceptions import MlflowException

        try:
            aliases = self._client.get_registered_model(name).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise _unknown_model(name, self.names()) from error
        return {alias: str(version) for alias, version in aliases.items()}

    def _described(self, version: Any, aliases: Mapping[str, str]) -> ModelVersion:
        run = self._client.get_run(version.run_id)
        return ModelVersion(
            name=version.name,
            version=str(version.version),
            run_id=version.run_id,
            created=datetime.fromtimestamp(version.creation_timestamp / 1000, tz=UTC),
            aliases=tuple(sorted(alias for alias, target in aliases.items() if target == str(version.version))),
            gates_hold=version.tags.get(GATES_TAG) == "hold",
            metrics=dict(run.data.metrics),
            tags={**{k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.")}, **version.tags},
        )


def _unknown_model(name: str, names: Sequence[str]) -> RegistryError:
    near = closest(name, names)
    return RegistryError(
        f"there is no registered model {name!r}",
        {"models": ", ".join(names) or "none"},
        f"headrace models list {near}" if near else f"headrace models train {name}",
    )
