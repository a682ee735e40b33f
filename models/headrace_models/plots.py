"""Plots of a trained model on its test part, as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_models.fitting import TrainedModel
from headrace_models.training_set import Part


def save_plots(trained: TrainedModel, test: Part, folder: Path) -> None:
    """Write the plots into `folder`: scores always; PR curve and confusion matrix when there are labels."""
    folder.mkdir(parents=True, exist_ok=True)
    scores = trained.detector.score(test.x)
    _save(_score_plot(scores, test.y, trained.threshold), folder / "scores.png")
    if test.y is not None and test.y.any():
        _save(_pr_plot(scores, test.y, trained), folder / "pr_curve.png")
        _save(_confusion_plot(scores >= trained.threshold, test.y), folder / "confusion_matrix.png")


def _figure(title: str) -> tuple[Any, Any]:
    # Without pyplot: no display, no global state, safe beside other users of matplotlib.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110)


def _score_plot(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_] | None, threshold: float) -> Any:
    figure, axes = _figure("Scores of the test part")
    bins = np.linspace(0, 1, 41)
    if labels is None:
        axes.hist(scores, bins=bins, label="all rows")
    else:
        axes.hist([scores[~labels], scores[labels]], bins=bins, stacked=True, label=["negative", "positive"])
    axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.3f}")
    axes.set_yscale("log")
    axes.set_xlabel("score")
    axes.set_ylabel("rows")
    axes.legend()
    return figure


def _pr_plot(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_], trained: TrainedModel) -> Any:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(labels, scores)
    metrics = trained.metrics["test"]
    figure, axes = _figure(f"Precision and recall, test part (PR AUC {metrics.pr_auc or 0:.3f})")
    axes.step(recall, precision, where="post")
    axes.plot([metrics.recall], [metrics.precision], "o", label=f"threshold {trained.threshold:.3f}")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    axes.legend()
    return figure


def _confusion_plot(alerts: npt.NDArray[np.bool_], labels: npt.NDArray[np.bool_]) -> Any:
    counts = np.array([[np.sum(side & ~alerts), np.sum(side & alerts)] for side in (~labels, labels)])
    figure, axes = _figure("Confusion matrix, test part")
    axes.imshow(np.log1p(counts), cmap="Blues")
    for row in range(2):
        for column in range(2):
            axes.text(column, row, str(counts[row, column]), ha="center", va="center")
    axes.set_xticks([0, 1], ["silent", "alert"])
    axes.set_yticks([0, 1], ["negative", "positive"])
    return figure
