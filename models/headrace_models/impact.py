"""What a feature is worth to a model: the same recipe with and without it, on the same rows, side by side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt
from headrace_ingestion.errors import closest

from headrace_models.declaration import ModelDeclaration
from headrace_models.errors import TrainingDataError
from headrace_models.evaluate import Metrics, evaluate
from headrace_models.fitting import RECIPES, choose_recipe
from headrace_models.recipes.detector import Kind
from headrace_models.recipes.fit import Rows
from headrace_models.threshold import choose_threshold
from headrace_models.training_set import Part, TrainingSet

Floats = npt.NDArray[np.float64]
RESAMPLES = 400
_LOW, _HIGH = 2.5, 97.5


@dataclass(frozen=True)
class Impact:
    """A model with all of its features, and without some.

    The figures are those of the validation part: the test part stays unseen, for the gates of a version.

    Attributes:
        model: Name of the model.
        recipe: What both were trained with.
        without: The columns that were left out.
        features: Number of columns with them.
        rows: Rows of the validation part.
        seeds: How often each was trained; scores are the mean.
        all: Figures with all columns.
        less: Figures without them.
        pr_auc_gain: Average precision with them less that without; None without labels.
        pr_auc_gain_low: The lower end of its interval of 95 %, from entities drawn again with replacement.
        pr_auc_gain_high: The upper end.
        same_alerts: Of the rows that either alerts on, the share on which both do; None when there is none.
    """

    model: str
    recipe: str
    without: tuple[str, ...]
    features: int
    rows: int
    seeds: int
    all: Metrics
    less: Metrics
    pr_auc_gain: float | None
    pr_auc_gain_low: float | None
    pr_auc_gain_high: float | None
    same_alerts: float | None

    @property
    def verdict(self) -> str:
        """What follows, in a few words."""
        low, high = self.pr_auc_gain_low, self.pr_auc_gain_high
        if low is None or high is None:
            return "without labels nobody knows which is better"
        if low > 0:
            return "the model is better with them"
        return "the model is better without them" if high < 0 else "no difference that these rows could show"

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return {**asdict(self), "verdict": self.verdict}


def chosen_columns(patterns: Sequence[str], features: Sequence[str], model: str) -> tuple[str, ...]:
    """Return the columns that the patterns name, such as `amount_mean_24h` or `amount_*`, in their order.

    Raises:
        TrainingDataError: A pattern names none of the model's columns, or nothing is left.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in features):
            raise TrainingDataError(
                f"model {model!r} reads no column {pattern!r}",
                {"columns": ", ".join(features)},
                f"--without {closest(pattern, features) or features[0]}",
            )
    chosen = tuple(name for name in features if any(fnmatchcase(name, pattern) for pattern in patterns))
    if len(chosen) == len(features):
        raise TrainingDataError(
            f"model {model!r} would have no column left",
            {"columns": ", ".join(features)},
            "leave fewer of them out",
        )
    return chosen


def impact(
    model: ModelDeclaration,
    data: TrainingSet,
    without: Collection[str],
    *,
    seeds: int = 3,
    say: Callable[[str], None] = lambda line: None,
) -> Impact:
    """Train the model's recipe with and without some columns and compare.

    Args:
        model: The declaration.
        data: Its training set.
        without: Columns to leave out, some of `data.features`.
        seeds: How often to train each, with seeds that follow the model's own.
        say: Called with lines about the progress.

    Raises:
        TrainingDataError: The training part has only rows of one kind.
    """
    kind = choose_recipe(model, data.train)
    kept = [index for index, name in enumerate(data.features) if name not in without]
    say(f"training with all {len(data.features)} columns, seeds: {seeds}")
    whole = _trained(model, kind, data, seeds)
    say(f"training with {len(kept)} of them, seeds: {seeds}")
    less = _trained(model, kind, _narrowed(data, kept), seeds)
    gain = low = high = None
    if whole.metrics.pr_auc is not None and less.metrics.pr_auc is not None:
        gain = whole.metrics.pr_auc - less.metrics.pr_auc
        low, high = _interval(whole.scores, less.scores, data.validation, model.seed)
    either = int((whole.alerts | less.alerts).sum())
    return Impact(
        model=model.name,
        recipe=kind,
        without=tuple(name for name in data.features if name in without),
        features=len(data.features),
        rows=len(data.validation),
        seeds=seeds,
        all=whole.metrics,
        less=less.metrics,
        pr_auc_gain=gain,
        pr_auc_gain_low=low,
        pr_auc_gain_high=high,
        same_alerts=int((whole.alerts & less.alerts).sum()) / either if either else None,
    )


def _narrowed(data: TrainingSet, columns: list[int]) -> TrainingSet:
    def part(whole: Part) -> Part:
        return replace(whole, x=np.ascontiguousarray(whole.x[:, columns]))

    features = tuple(data.features[index] for index in columns)
    return replace(data, features=features, train=part(data.train), validation=part(data.validation))


@dataclass(frozen=True, eq=False)
class _Trained:
    """Scores of the validation part, which of its rows alert, and the figures."""

    scores: Floats
    alerts: npt.NDArray[np.bool_]
    metrics: Metrics


def _trained(model: ModelDeclaration, kind: Kind, data: TrainingSet, seeds: int) -> _Trained:
    """Train with some seeds; scores and threshold are the means."""
    train, validation = (Rows(part.x, part.y, part.keys) for part in (data.train, data.validation))
    scores, thresholds = np.zeros(len(data.validation)), []
    for seed in range(model.seed, model.seed + seeds):
        fitted = RECIPES[kind].fit(data.features, train, validation, seed)
        scores += fitted.detector.score(data.validation.x) / seeds
        thresholds.append(choose_threshold(model.threshold, fitted.held_out_scores, fitted.held_out_labels))
    threshold = float(np.mean(thresholds))
    part = data.validation
    return _Trained(scores, scores >= threshold, evaluate(scores, part.y, threshold, part.clock_ms))


def _interval(one: Floats, other: Floats, part: Part, seed: int) -> tuple[float, float]:
    """Return the interval of 95 % of the difference in average precision (percentile bootstrap over entities)."""
    from sklearn.metrics import average_precision_score

    assert part.y is not None, "without labels there is no average precision"
    _, entity = np.unique(part.keys.astype(str), return_inverse=True)
    entities = int(entity.max()) + 1
    random = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        # Rows of one entity are alike: whole entities are drawn.
        weight = np.bincount(random.integers(entities, size=entities), minlength=entities)[entity]
        if weight[part.y].sum() == 0:
            continue
        precise = [average_precision_score(part.y, scores, sample_weight=weight) for scores in (one, other)]
        found.append(precise[0] - precise[1])
    low, high = np.percentile(found, [_LOW, _HIGH]) if found else (np.nan, np.nan)
    return float(low), float(high)
