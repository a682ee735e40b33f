"""`models train`: from the lake to a registered version in one call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from headrace_ingestion.contract import Contract

from headrace_models.declaration import ModelDeclaration, label_source
from headrace_models.fitting import fit_model
from headrace_models.lookups import TrainingLookups
from headrace_models.registry import ModelVersion, Registry
from headrace_models.training_set import Sql, training_set
from headrace_models.view import FeatureView


def train(
    sql: Sql,
    registry: Registry,
    model: ModelDeclaration,
    view: FeatureView,
    contracts: Mapping[str, Contract],
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    lookups: TrainingLookups | None = None,
) -> ModelVersion:
    """Train the model on what the lake holds, log the run, and register it; challenger when its gates hold.

    Args:
        sql: Runs SQL over the lake.
        registry: Where the version goes.
        model: The declaration.
        view: The view it reads.
        contracts: The project's events by name.
        as_of: Event time that cuts rows and labels; by default the newest clock of the view.
        known_at: Time of records that cuts what was known; by default everything in the lake.
        lookups: Views with other keys that the model reads.

    Raises:
        DeclarationError: The declaration does not fit the view or the contracts.
        TrainingDataError: The lake does not hold what the model needs.
    """
    labels = label_source(model, dict(contracts))
    data = training_set(sql, model, view, labels, as_of=as_of, known_at=known_at, lookups=lookups)
    return registry.register(model, view, data, fit_model(model, data))
