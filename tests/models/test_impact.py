"""What a column is worth to a model: found where it matters, and not where it does not."""

from dataclasses import replace

import pytest
from headrace_models.declaration import ModelDeclaration
from headrace_models.errors import TrainingDataError
from headrace_models.impact import chosen_columns, impact
from headrace_models.training_set import TrainingSet


def test_a_column_that_tells_fraud_apart_is_missed(model: ModelDeclaration, data: TrainingSet) -> None:
    said: list[str] = []
    found = impact(model, data, ["amount"], seeds=1, say=said.append)
    assert found.recipe == "gradient_boosting"
    assert (found.without, found.features, found.rows) == (("amount",), 4, len(data.validation))
    assert found.pr_auc_gain is not None
    assert found.pr_auc_gain_low is not None
    assert found.pr_auc_gain_high is not None
    assert 0 < found.pr_auc_gain_low < found.pr_auc_gain < found.pr_auc_gain_high
    assert found.verdict == "the model is better with them"
    assert said == ["training with all 4 columns, seeds: 1", "training with 3 of them, seeds: 1"]


def test_noise_is_not_missed_and_the_alerts_stay(model: ModelDeclaration, data: TrainingSet) -> None:
    found = impact(model, data, ["noise"], seeds=1)
    assert found.pr_auc_gain_low is not None
    assert found.pr_auc_gain_low <= 0
    assert found.verdict != "the model is better with them"
    assert found.same_alerts is not None
    assert found.same_alerts > 0.7


def test_the_test_part_is_not_looked_at(model: ModelDeclaration, data: TrainingSet) -> None:
    unseen = replace(data, test=data.test.rows(data.test.clock_ms < 0))
    assert impact(model, unseen, ["noise"], seeds=1) == impact(model, data, ["noise"], seeds=1)


def test_without_labels_the_alerts_are_compared(model: ModelDeclaration, data: TrainingSet) -> None:
    unlabelled = model.model_copy(
        update={"threshold": model.threshold.model_copy(update={"precision_at_least": None, "alert_rate": 0.02})}
    )
    parts = {name: replace(getattr(data, name), y=None) for name in ("train", "validation", "test")}
    found = impact(unlabelled, replace(data, **parts), ["amount"], seeds=1)
    assert (found.recipe, found.pr_auc_gain) == ("isolation_forest", None)
    assert found.same_alerts is not None
    assert found.verdict == "without labels nobody knows which is better"


def test_patterns_choose_columns_and_a_wrong_one_says_what_there_is() -> None:
    features = ("amount", "amount_lag_1", "abroad")
    assert chosen_columns(["amount*"], features, "m") == ("amount", "amount_lag_1")
    with pytest.raises(TrainingDataError) as refused:
        chosen_columns(["amuont"], features, "m")
    assert str(refused.value) == (
        "model 'm' reads no column 'amuont'\n  columns:  amount, amount_lag_1, abroad\n  try:      --without amount"
    )
    with pytest.raises(TrainingDataError, match="model 'm' would have no column left"):
        chosen_columns(["a*"], features, "m")
