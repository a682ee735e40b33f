"""What a project does with its models: train, compare, promote. The command line and notebooks call this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from headrace_ingestion.errors import HeadraceError, closest
from headrace_models.declaration import ModelDeclaration
from headrace_models.lookups import ModelLookup, TrainingLookups, model_lookups
from headrace_models.view import FeatureView, feature_view

from headrace.tables import lake_path

if TYPE_CHECKING:
    import pyarrow as pa
    from headrace_models.impact import Impact
    from headrace_models.mlflow_store import MlflowStore
    from headrace_models.registry import ModelVersion, Registry

    from headrace.project import Project


class UnknownModelError(HeadraceError):
    """The project declares no model of that name."""


@dataclass(frozen=True)
class Models:
    """The models of one project."""

    project: Project

    def declaration(self, name: str) -> ModelDeclaration:
        """Return a declared model.

        Raises:
            UnknownModelError: There is none of that name.
            DeclarationError: A declaration is wrong.
        """
        declared = self.project.model_declarations
        if name not in declared:
            raise UnknownModelError(
                f"the project declares no model {name!r}",
                {"models": ", ".join(declared) or "none", "where": str(self.project.folder / "models")},
                closest(name, declared) or "headrace models list",
            )
        return declared[name]

    def view(self, name: str) -> FeatureView:
        """Return the view that a model reads.

        Raises:
            UnknownModelError: There is no such model.
        """
        view = feature_view(self.project.features.view(self.declaration(name).view))
        # The parts of a training set must not share what a lookup looks back on, either.
        return replace(view, longest_window=max([view.longest_window, *(each.reach for each in self.lookups(name))]))

    def lookups(self, name: str) -> tuple[ModelLookup, ...]:
        """Return what a model reads of views with other keys.

        Raises:
            UnknownModelError: There is no such model.
            DeclarationError: A lookup does not fit the views.
        """
        model = self.declaration(name)
        return model_lookups(model, feature_view(self.project.features.view(model.view)), self.project.views)

    @cached_property
    def store(self) -> MlflowStore:
        """Where runs and versions are, as the settings say."""
        from headrace_models.mlflow_store import MlflowStore

        mlflow = self.project.settings.mlflow
        if mlflow.tracking_uri:
            return MlflowStore(mlflow.tracking_uri, mlflow.artifact_location)
        folder = self.project.folders.mlflow
        folder.mkdir(parents=True, exist_ok=True)
        artifacts = mlflow.artifact_location or (folder / "artifacts").as_uri()
        return MlflowStore(f"sqlite:///{folder / 'mlflow.db'}", artifacts)

    @cached_property
    def registry(self) -> Registry:
        """The registered versions."""
        from headrace_models.registry import Registry

        return Registry(self.store)

    def train(self, name: str) -> ModelVersion:
        """Train on what the lake holds and register the version; it becomes challenger when its gates hold.

        Raises:
            UnknownModelError: There is no such model.
            TrainingDataError: The lake does not hold what the model needs.
        """
        from headrace_models.training import train

        model, view = self.declaration(name), self.view(name)
        return train(self._sql, self.registry, model, view, self.project.readable, lookups=self._training_lookups(name))

    def impact(
        self, name: str, without: Sequence[str], *, seeds: int = 3, say: Callable[[str], None] = lambda line: None
    ) -> Impact:
        """Train the model with and without some columns on what the lake holds, and compare; nothing is registered.

        Args:
            name: The model.
            without: Columns to leave out, or patterns such as `amount_*`.
            seeds: How often each is trained.
            say: Called with lines about the progress.

        Raises:
            UnknownModelError: There is no such model.
            TrainingDataError: The lake does not hold what the model needs, or the model does not read such columns.
        """
        from headrace_models.declaration import label_source
        from headrace_models.impact import chosen_columns, impact
        from headrace_models.training_set import training_set

        model = self.declaration(name)
        labels = label_source(model, dict(self.project.readable))
        data = training_set(self._sql, model, self.view(name), labels, lookups=self._training_lookups(name))
        return impact(model, data, chosen_columns(without, data.features, name), seeds=seeds, say=say)

    def _training_lookups(self, name: str) -> TrainingLookups | None:
        lookups = self.lookups(name)
        return TrainingLookups(lake_path(self.project), lookups) if lookups else None

    def list(self, name: str | None = None) -> list[ModelVersion]:
        """Return the registered versions of one model or of all declared ones, newest first.

        Raises:
            UnknownModelError: There is no such model.
        """
        if name is not None:
            self.declaration(name)
            return self.registry.versions(name)
        known = self.registry.names()
        return [
            version
            for each in self.project.model_declarations
            if each in known
            for version in self.registry.versions(each)
        ]

    def promote(self, name: str, version: str | None = None, *, force: bool = False) -> ModelVersion:
        """Make a version champion, by default the challenger.

        Raises:
            UnknownModelError: There is no such model.
            RegistryError: There is no such version, or no challenger.
            GatesError: The gates do not hold, and `force` is not set.
        """
        self.declaration(name)
        return self.registry.promote(name, version, force=force)

    def rollback(self, name: str) -> ModelVersion:
        """Make the champion before the present one champion again.

        Raises:
            UnknownModelError: There is no such model.
            RegistryError: There was no other champion.
        """
        self.declaration(name)
        return self.registry.rollback(name)

    def compare(self, name: str, *versions: str) -> Sequence[ModelVersion]:
        """Return versions side by side; by default champion and challenger.

        Raises:
            UnknownModelError: There is no such model.
            RegistryError: There is no such version.
        """
        self.declaration(name)
        return self.registry.compare(name, versions)

    def _sql(self, query: str, parameters: Any = None) -> pa.Table:
        from headrace_lake.query import Limits

        return self.project.lake.sql(query, parameters, Limits(seconds=600)).arrow()
