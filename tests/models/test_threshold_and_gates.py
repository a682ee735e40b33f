"""Thresholds, figures and gates on small examples that a reader can check."""

import numpy as np
import pytest
from headrace_models.declaration import Gates, Threshold
from headrace_models.evaluate import GateResult, check_gates, evaluate
from headrace_models.threshold import choose_threshold

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
LABELS = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0], dtype=np.bool_)
CLOCK_MS = np.arange(10, dtype=np.int64) * 43_200_000  # a row every half day


def test_the_threshold_has_the_best_f1_among_those_precise_enough() -> None:
    assert choose_threshold(Threshold(precision_at_least=0.75), SCORES, LABELS) == 0.5
    assert choose_threshold(Threshold(precision_at_least=0.9), SCORES, LABELS) == 0.7


def test_a_precision_out_of_reach_gives_the_most_precise_threshold() -> None:
    labels = np.array([0, 1, 1, 0, 0, 0, 0, 0, 0, 0], dtype=np.bool_)
    assert choose_threshold(Threshold(precision_at_least=0.99), SCORES, labels) == 0.7


def test_rows_of_equal_score_alert_together() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.5])
    labels = np.array([1, 1, 0, 0], dtype=np.bool_)
    assert choose_threshold(Threshold(precision_at_least=0.6), scores, labels) == 0.9


def test_no_larger_share_alerts_than_the_rate_allows() -> None:
    threshold = choose_threshold(Threshold(alert_rate=0.2), SCORES, None)
    assert (threshold <= SCORES).sum() == 2
    tied = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    assert (tied >= choose_threshold(Threshold(alert_rate=0.4), tied, None)).sum() == 1


def test_a_threshold_by_precision_needs_positive_rows() -> None:
    with pytest.raises(ValueError, match="needs positive labels among the held-out rows, got none"):
        choose_threshold(Threshold(precision_at_least=0.9), SCORES, np.zeros(10, dtype=np.bool_))


def test_figures_against_labels() -> None:
    metrics = evaluate(SCORES, LABELS, 0.6, CLOCK_MS)
    assert (metrics.true_positives, metrics.false_positives) == (3, 1)
    assert (metrics.false_negatives, metrics.true_negatives) == (1, 5)
    assert metrics.precision == 0.75
    assert metrics.recall == 0.75
    assert metrics.f1 == 0.75
    assert metrics.roc_auc == pytest.approx(23 / 24)
    assert metrics.pr_auc == pytest.approx((1 + 1 + 1 + 4 / 5) / 4)
    assert metrics.precision_at_100 == 0.4
    assert metrics.alerts_per_day == pytest.approx(4 / 4.5)


def test_figures_without_labels_are_about_volume_only() -> None:
    metrics = evaluate(SCORES, None, 0.8, CLOCK_MS)
    assert metrics.as_dict() == {"rows": 10, "alerts": 2, "alert_rate": 0.2, "alerts_per_day": pytest.approx(2 / 4.5)}


def test_no_alert_at_all_is_a_precision_of_zero() -> None:
    metrics = evaluate(SCORES, LABELS, 0.95, CLOCK_MS)
    assert metrics.precision == 0
    assert metrics.recall == 0


def test_gates_hold_at_exactly_what_they_ask() -> None:
    gates = Gates(precision=0.75, recall=0.8, alert_rate_max=0.4)
    assert check_gates(gates, evaluate(SCORES, LABELS, 0.6, CLOCK_MS)) == (
        GateResult("precision", 0.75, 0.75, True),
        GateResult("recall", 0.8, 0.75, False),
        GateResult("alert_rate_max", 0.4, 0.4, True),
    )


def test_a_gate_whose_figure_does_not_exist_does_not_hold() -> None:
    (result,) = check_gates(Gates(precision=0.5), evaluate(SCORES, None, 0.6, CLOCK_MS))
    assert not result.holds
