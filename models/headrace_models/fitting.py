"""From a training set to a detector with a threshold, its figures and its gates. Knows no registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace_models.declaration import ModelDeclaration
from headrace_models.errors import TrainingDataError
from headrace_models.evaluate import GateResult, Metrics, check_gates, evaluate
from headrace_models.recipes.detector import Detector, Kind
from headrace_models.recipes.fit import Recipe, Rows
from headrace_models.recipes.gradient_boosting import GradientBoostingRecipe
from headrace_models.recipes.isolation_forest import IsolationForestRecipe
from headrace_models.threshold import choose_threshold
from headrace_models.training_set import Part, TrainingSet

RECIPES: Mapping[Kind, Recipe] = {
    "gradient_boosting": GradientBoostingRecipe(),
    "isolation_forest": IsolationForestRecipe(),
}
AUTO_NEEDS_POSITIVES = 50
"""Positive training rows from which `auto` takes gradient boosting: fewer are learned by heart."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A detector and what it shows.

    Attributes:
        threshold: A row alerts at a score of at least this, in [0, 1].
        metrics: Figures by part: `validation` and `test`.
        gates: Results on the test part; empty when none is declared.
    """

    detector: Detector
    threshold: float
    metrics: Mapping[str, Metrics]
    gates: tuple[GateResult, ...]

    @property
    def gates_hold(self) -> bool:
        """Whether every declared gate holds."""
        return all(gate.holds for gate in self.gates)


def choose_recipe(model: ModelDeclaration, train: Part) -> Kind:
    """Return the recipe that the declaration names, or that `auto` takes for these rows.

    Raises:
        TrainingDataError: It learns from labels, and all rows are of one kind.
    """
    kind: Kind = "gradient_boosting" if train.positives >= AUTO_NEEDS_POSITIVES else "isolation_forest"
    if model.recipe != "auto":
        kind = model.recipe
    if kind == "gradient_boosting" and train.positives in (0, len(train)):
        raise TrainingDataError(
            f"model {model.name!r}: all {len(train)} rows of the training part are of one kind",
            {"expected": "positive and negative rows"},
            "set 'assume_negative_after' in 'labels' of the model",
        )
    return kind


def fit_model(model: ModelDeclaration, data: TrainingSet) -> TrainedModel:
    """Fit, calibrate, choose the threshold, and look at the test part once.

    Raises:
        TrainingDataError: The training part has only positive rows.
    """
    kind = choose_recipe(model, data.train)
    fitted = RECIPES[kind].fit(data.features, _rows(data.train), _rows(data.validation), model.seed)
    threshold = choose_threshold(model.threshold, fitted.held_out_scores, fitted.held_out_labels)
    metrics = {
        name: evaluate(fitted.detector.score(part.x), part.y, threshold, part.clock_ms)
        for name, part in (("validation", data.validation), ("test", data.test))
    }
    return TrainedModel(fitted.detector, threshold, metrics, check_gates(model.gates, metrics["test"]))


def _rows(part: Part) -> Rows:
    return Rows(part.x, part.y, part.keys)
