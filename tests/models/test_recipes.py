"""Recipes: they learn, they repeat themselves by seed, they explain, they survive storage."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from headrace_models.recipes.fit import Recipe, Rows
from headrace_models.recipes.gradient_boosting import GradientBoostingRecipe
from headrace_models.recipes.isolation_forest import IsolationForestRecipe
from headrace_models.recipes.storage import load_detector, save_detector
from headrace_models.serving import ServedDetector
from sklearn.metrics import average_precision_score

FEATURES = ("amount", "abroad", "noise", "empty")
SMALL = GradientBoostingRecipe(iterations=60, folds=3)


def rows(count: int, seed: int, *, labelled: bool = True) -> Rows:
    """Positive: a high amount abroad; high amounts at home and low ones abroad are ordinary."""
    rng = np.random.default_rng(seed)
    y = rng.random(count) < 0.05
    abroad = y | (rng.random(count) < 0.2)
    high = y | ((rng.random(count) < 0.2) & ~abroad)
    amount = np.where(high, 8.0, 2.0) + rng.normal(size=count)
    amount[rng.random(count) < 0.02] = np.nan
    x = np.column_stack([amount, abroad.astype(float), rng.normal(size=count), np.full(count, np.nan)])
    keys = np.array([f"s-{number}" for number in rng.integers(0, 40, count)], dtype=object)
    return Rows(x, y if labelled else None, keys)


def outliers(count: int = 20) -> npt.NDArray[np.float64]:
    return np.column_stack([np.full(count, 30.0), np.ones(count), np.zeros(count), np.full(count, np.nan)])


def test_gradient_boosting_learns_what_no_single_feature_shows() -> None:
    fitted = SMALL.fit(FEATURES, rows(4_000, 1), rows(1_000, 2), seed=0)
    test = rows(2_000, 3)
    assert test.y is not None
    scores = fitted.detector.score(test.x)
    assert average_precision_score(test.y, scores) > 0.9
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_scores_of_gradient_boosting_are_probabilities() -> None:
    fitted = SMALL.fit(FEATURES, rows(6_000, 1), rows(2_000, 2), seed=0)
    test = rows(6_000, 4)
    assert test.y is not None
    assert fitted.detector.score(test.x).mean() == pytest.approx(test.y.mean(), abs=0.02)


def test_held_out_scores_cover_training_and_validation_rows() -> None:
    train, validation = rows(1_000, 1), rows(300, 2)
    fitted = SMALL.fit(FEATURES, train, validation, seed=0)
    assert fitted.held_out_labels is not None
    assert len(fitted.held_out_scores) == 1_300
    # Learned by heart, the training rows would look perfect.
    assert not np.array_equal(fitted.held_out_scores[:1_000], fitted.detector.score(train.x))


def test_an_isolation_forest_finds_what_is_rare_without_labels() -> None:
    fitted = IsolationForestRecipe().fit(FEATURES, rows(2_000, 1, labelled=False), rows(500, 2, labelled=False), seed=0)
    assert fitted.held_out_labels is None
    ordinary = fitted.detector.score(rows(1_000, 3).x)
    assert fitted.detector.score(outliers()).min() > np.quantile(ordinary, 0.99)


@pytest.mark.parametrize("recipe", [SMALL, IsolationForestRecipe()])
def test_the_same_seed_gives_the_same_scores(recipe: Recipe) -> None:
    test = rows(300, 3).x
    scores = [recipe.fit(FEATURES, rows(1_000, 1), rows(300, 2), seed=s).detector.score(test) for s in (5, 5, 6)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


@pytest.mark.parametrize("recipe", [SMALL, IsolationForestRecipe()])
def test_the_strongest_reason_is_the_feature_that_stands_out(recipe: Recipe) -> None:
    detector = recipe.fit(FEATURES, rows(3_000, 1), rows(500, 2), seed=0).detector
    for reasons in detector.reasons(outliers(3), k=2):
        assert {reason.feature for reason in reasons} <= {"amount", "abroad"}
        assert reasons[0].contribution >= reasons[-1].contribution
        assert 0 < sum(reason.contribution for reason in reasons) <= 1 + 1e-9
        assert next(reason.value for reason in reasons if reason.feature == "amount") == 30.0


def test_reasons_do_not_depend_on_the_batch() -> None:
    detector = SMALL.fit(FEATURES, rows(1_000, 1), rows(300, 2), seed=0).detector
    x = rows(600, 3).x
    assert detector.reasons(x)[517] == detector.reasons(x[517:518])[0]


@pytest.mark.parametrize("recipe", [SMALL, IsolationForestRecipe()])
def test_a_stored_detector_gives_the_same_scores_and_reasons(recipe: Recipe, tmp_path: Path) -> None:
    detector = recipe.fit(FEATURES, rows(1_000, 1), rows(300, 2), seed=0).detector
    save_detector(detector, tmp_path / "detector")
    stored = load_detector(tmp_path / "detector")
    x = rows(200, 3).x
    np.testing.assert_array_equal(stored.score(x), detector.score(x))
    assert stored.reasons(x[:5]) == detector.reasons(x[:5])
    assert stored.features == FEATURES


def test_a_detector_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    save_detector(SMALL.fit(FEATURES, rows(500, 1), rows(200, 2), seed=0).detector, tmp_path)
    text = (tmp_path / "detector.json").read_text().replace('"format": 1', '"format": 9')
    (tmp_path / "detector.json").write_text(text)
    with pytest.raises(ValueError, match="detector format 9; this version reads 1"):
        load_detector(tmp_path)


def test_trees_that_name_a_foreign_type_are_not_loaded(tmp_path: Path) -> None:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    save_detector(SMALL.fit(FEATURES, rows(500, 1), rows(200, 2), seed=0).detector, tmp_path)
    skops.io.dump(Path("elsewhere"), tmp_path / "trees.skops")
    with pytest.raises(UntrustedTypesFoundException, match="PosixPath"):
        load_detector(tmp_path)


def test_only_rows_that_alert_are_explained() -> None:
    detector = SMALL.fit(FEATURES, rows(3_000, 1), rows(500, 2), seed=0).detector
    predicted = ServedDetector(detector, threshold=0.5).predict(np.vstack([rows(50, 3).x, outliers(2)]))
    assert predicted.alerts[-2:].all()
    assert [bool(reasons) for reasons in predicted.reasons] == predicted.alerts.tolist()


def test_an_empty_batch_has_no_scores() -> None:
    detector = SMALL.fit(FEATURES, rows(500, 1), rows(200, 2), seed=0).detector
    predicted = ServedDetector(detector, threshold=0.5).predict(np.empty((0, 4)))
    assert len(predicted.scores) == 0
    assert predicted.reasons == ()


def test_gradient_boosting_without_labels_says_so() -> None:
    with pytest.raises(ValueError, match="gradient boosting needs labels in train and validation, got none"):
        SMALL.fit(FEATURES, rows(100, 1, labelled=False), rows(50, 2, labelled=False), seed=0)
