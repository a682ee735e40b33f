"""Calibrations: what a score means, and that it survives storage."""

import numpy as np
import pytest
from headrace_models.recipes.calibration import calibration_from, fit_logistic, fit_tail


def test_a_logistic_score_is_the_probability_of_being_positive() -> None:
    rng = np.random.default_rng(1)
    margin = rng.normal(size=40_000)
    positive = rng.random(len(margin)) < 1 / (1 + np.exp(-(2 * margin - 1)))
    calibration = fit_logistic(margin, positive)
    assert calibration.slope == pytest.approx(2, abs=0.1)
    assert calibration.offset == pytest.approx(-1, abs=0.1)
    scores = calibration.score(margin)
    high = scores > 0.7
    assert positive[high].mean() == pytest.approx(scores[high].mean(), abs=0.02)


def test_margins_that_separate_the_kinds_still_give_finite_and_graded_scores() -> None:
    margin = np.concatenate([np.linspace(-3, -1, 500), np.linspace(1, 3, 20)])
    calibration = fit_logistic(margin, np.arange(len(margin)) >= 500)
    scores = calibration.score(margin)
    assert np.all(np.diff(scores) > 0)
    assert 0 < scores[0] < 0.1
    assert 0.9 < scores[-1] < 1


def test_margins_that_speak_against_their_labels_keep_their_order() -> None:
    margin = np.linspace(-1, 1, 100)
    assert np.all(np.diff(fit_logistic(margin, margin < 0).score(margin)) >= 0)


def test_one_kind_of_row_is_not_enough_to_calibrate() -> None:
    with pytest.raises(ValueError, match="calibration needs both kinds of rows, got 0 positive and 3 negative"):
        fit_logistic(np.arange(3.0), np.zeros(3, dtype=np.bool_))


def test_a_tail_score_counts_how_rare_a_margin_is() -> None:
    margin = np.random.default_rng(2).normal(size=20_000)
    calibration = fit_tail(margin)
    for share, score in ((0.1, 0.1), (0.01, 0.2), (0.001, 0.3)):
        assert calibration.score(np.quantile(margin, [1 - share]))[0] == pytest.approx(score, abs=0.03)


def test_margins_beyond_all_training_rows_still_differ() -> None:
    margin = np.random.default_rng(3).exponential(size=5_000)
    calibration = fit_tail(margin)
    beyond = calibration.score(margin.max() + np.array([1.0, 2.0, 3.0]))
    assert np.all(np.diff(beyond) > 0)
    assert beyond[-1] < 1
    assert calibration.score(np.array([1e6]))[0] == 1


def test_a_tail_score_never_falls() -> None:
    margin = np.round(np.random.default_rng(4).normal(size=3_000), 1)
    grid = np.linspace(margin.min() - 1, margin.max() + 1, 2_000)
    scores = fit_tail(margin).score(grid)
    assert np.all(np.diff(scores) >= 0)
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_equal_margins_calibrate_without_a_division_by_zero() -> None:
    calibration = fit_tail(np.full(50, 0.4))
    assert calibration.score(np.array([0.3, 0.5])).tolist() == [0, 1]


@pytest.mark.parametrize(
    "calibration",
    [
        fit_logistic(np.arange(10.0), np.arange(10) > 6),
        fit_tail(np.random.default_rng(5).normal(size=500)),
    ],
)
def test_a_stored_calibration_gives_the_same_scores(calibration: object) -> None:
    margin = np.linspace(-5, 15, 300)
    stored = calibration_from(calibration.parameters())  # type: ignore[attr-defined]  # one of the two kinds
    np.testing.assert_array_equal(stored.score(margin), calibration.score(margin))  # type: ignore[attr-defined]


def test_an_unknown_kind_of_calibration_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind of calibration 'isotonic'; known: logistic, tail"):
        calibration_from({"kind": "isotonic"})
