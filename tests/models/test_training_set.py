"""Training sets: only what was known, parts that do not see each other, one digest for the same rows."""

import dataclasses
import random
from datetime import datetime, timedelta

import numpy as np
import pytest
from headrace_models.declaration import LabelSource, ModelDeclaration
from headrace_models.errors import TrainingDataError
from headrace_models.training_set import TrainingSet, training_set
from small_lake import START, VIEW, SmallLake

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LABELS = LabelSource(
    event="fraud_label", match="call_id", value="is_fraud", time="labelled_at", assume_negative_after=DAY
)
MODEL = ModelDeclaration.model_validate(
    {
        "name": "m",
        "view": "subscriber",
        "labels": {"event": "fraud_label", "match": "call_id", "value": "is_fraud"},
        "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
    }
)
UNLABELLED = ModelDeclaration.model_validate({"name": "m", "view": "subscriber", "split": MODEL.split.model_dump()})


def hourly_lake(hours: int = 400) -> SmallLake:
    """One row an hour; every fifth is fraud, and that is known an hour later."""
    lake = SmallLake()
    for hour in range(hours):
        at = START + hour * HOUR
        event_id = lake.add_row(at, amount=float(hour))
        if hour % 5 == 0:
            lake.add_label(event_id, True, at + HOUR)
    return lake


def rows_of(data: TrainingSet) -> dict[str, bool]:
    return {
        event_id: bool(label)
        for part in (data.train, data.validation, data.test)
        for event_id, label in zip(part.event_ids, part.y if part.y is not None else [], strict=True)
    }


def test_no_row_of_a_later_part_looks_back_into_an_earlier_one() -> None:
    data = training_set(hourly_lake().sql, MODEL, VIEW, LABELS)
    gap_ms = VIEW.longest_window // timedelta(milliseconds=1)
    assert data.validation.clock_ms[0] - data.train.clock_ms[-1] >= gap_ms
    assert data.test.clock_ms[0] - data.validation.clock_ms[-1] >= gap_ms
    assert data.in_gaps == 48
    assert list(data.train.clock_ms) == sorted(data.train.clock_ms)


def test_nothing_after_the_cut_changes_the_training_set() -> None:
    cut = START + 300 * HOUR
    past, whole = hourly_lake(301), hourly_lake(400)
    past.labels = [label for label in past.labels if _time(label["labelled_at"]) <= cut]
    # The future tries hard: verdicts on old rows, revised verdicts, rows made over.
    whole.add_label("e-7", True, cut + HOUR)
    whole.add_label("e-5", False, cut + HOUR)
    known = training_set(past.sql, MODEL, VIEW, LABELS, as_of=cut)
    then = training_set(whole.sql, MODEL, VIEW, LABELS, as_of=cut)
    assert then.digest == known.digest


def test_a_verdict_that_reached_the_platform_later_is_not_known() -> None:
    lake = hourly_lake()
    lake.add_label("e-7", True, START + 8 * HOUR, recorded_at=START + 390 * HOUR)
    data = training_set(lake.sql, MODEL, VIEW, LABELS, known_at=START + 389 * HOUR)
    later = training_set(lake.sql, MODEL, VIEW, LABELS)
    assert rows_of(data)["e-7"] is False
    assert rows_of(later)["e-7"] is True


def test_a_feature_row_made_after_the_known_instant_is_left_out() -> None:
    lake = hourly_lake()
    lake.features[9]["emitted_at"] = START + 500 * HOUR
    assert "e-9" not in rows_of(training_set(lake.sql, MODEL, VIEW, LABELS, known_at=START + 499 * HOUR))


def test_an_old_row_without_a_verdict_is_negative_and_a_young_one_is_left_out() -> None:
    lake = hourly_lake()
    data = training_set(lake.sql, MODEL, VIEW, LABELS)
    newest = START + 399 * HOUR
    known = rows_of(data)
    assert known["e-1"] is False
    assert data.as_of == newest
    # Hours 376 to 399 are younger than a day; those of them with a verdict (380, 385, 390, 395) are used.
    assert data.unlabelled == 24 - 4
    assert "e-399" not in known
    assert known["e-395"] is True


def test_without_an_assumption_only_verdicts_count() -> None:
    source = LABELS.model_copy(update={"assume_negative_after": None})
    lake = hourly_lake()
    for hour in range(1, 400, 5):
        lake.add_label(f"e-{hour}", False, START + (hour + 2) * HOUR)
    data = training_set(lake.sql, MODEL, VIEW, source)
    assert data.unlabelled == 400 - 80 - 80


def test_the_newest_verdict_counts() -> None:
    lake = hourly_lake()
    lake.add_label("e-10", False, START + 30 * HOUR)
    lake.add_label("e-11", True, START + 30 * HOUR)
    lake.add_label("e-11", False, START + 31 * HOUR)
    known = rows_of(training_set(lake.sql, MODEL, VIEW, LABELS))
    assert known["e-10"] is False
    assert known["e-11"] is False


def test_rows_of_another_declaration_are_left_out() -> None:
    lake = hourly_lake()
    lake.features[9]["declaration"] = "000000000000"
    assert "e-9" not in rows_of(training_set(lake.sql, MODEL, VIEW, LABELS))


def test_nulls_are_nan_and_bools_are_numbers() -> None:
    lake = hourly_lake()
    lake.features[0].update(amount=None, abroad=True)
    data = training_set(lake.sql, MODEL, VIEW, LABELS)
    assert data.features == ("amount", "count_1h", "abroad", "noise")
    np.testing.assert_array_equal(data.train.x[0], [np.nan, 1.0, 1.0, 0.0])


def test_the_digest_does_not_depend_on_the_order_of_reading() -> None:
    lake, shuffled = hourly_lake(), hourly_lake()
    random.Random(3).shuffle(shuffled.features)
    random.Random(4).shuffle(shuffled.labels)
    first = training_set(lake.sql, MODEL, VIEW, LABELS)
    assert training_set(shuffled.sql, MODEL, VIEW, LABELS).digest == first.digest
    shuffled.features[5]["amount"] = 1e9
    assert training_set(shuffled.sql, MODEL, VIEW, LABELS).digest != first.digest


def test_without_labels_every_row_counts() -> None:
    data = training_set(hourly_lake().sql, UNLABELLED, VIEW, None)
    assert data.train.y is None
    assert data.unlabelled == 0
    assert len(data.train) == 240


def test_no_rows_at_all_are_told_with_the_declaration() -> None:
    with pytest.raises(TrainingDataError) as caught:
        training_set(SmallLake().sql, MODEL, VIEW, LABELS)
    assert str(caught.value) == (
        "model 'm': the view 'subscriber' has no rows in the lake\n"
        "  expected:  rows of the declaration abcdef012345 in features.subscriber\n"
        "  try:       headrace lake sql 'select declaration, count(*) from features.subscriber group by 1'"
    )


def test_too_short_a_history_is_told_with_its_length_and_the_gap() -> None:
    with pytest.raises(TrainingDataError) as caught:
        training_set(hourly_lake(60).sql, UNLABELLED, VIEW, None)
    assert str(caught.value) == (
        "model 'm': the part 'validation' of the training set has no rows\n"
        "  rows:     train 36, validation 0, test 0\n"
        "  history:  2 days, 11:00:00\n"
        "  gap:      1d, twice\n"
        "  try:      wait for more events, or change 'split' of the model"
    )


def test_a_part_without_positive_rows_is_told_with_the_counts() -> None:
    lake = hourly_lake()
    lake.labels = lake.labels[:40]
    with pytest.raises(TrainingDataError) as caught:
        training_set(lake.sql, MODEL, VIEW, LABELS)
    assert str(caught.value).startswith(
        "model 'm': the part 'validation' of the training set has no positive label\n"
        "  positives:  train 40, validation 0, test 0\n"
    )


def test_no_known_label_at_all_is_told_with_where_labels_come_from() -> None:
    lake = hourly_lake(20)
    lake.labels = []
    with pytest.raises(TrainingDataError) as caught:
        training_set(lake.sql, MODEL, VIEW, LABELS)
    assert str(caught.value) == (
        "model 'm': no row of the view 'subscriber' has a label that is known\n"
        "  expected:  labels in events.fraud_label, or rows older than 'assume_negative_after'\n"
        "  try:       headrace lake sql 'select count(*) from events.fraud_label'"
    )


def test_a_part_keeps_its_rows_together() -> None:
    data = training_set(hourly_lake().sql, MODEL, VIEW, LABELS)
    picked = data.train.rows(data.train.x[:, 0] < 3)
    assert picked.event_ids == ("e-0", "e-1", "e-2")
    assert picked.positives == 1
    assert dataclasses.is_dataclass(picked)


def _time(value: object) -> datetime:
    assert isinstance(value, datetime)
    return value
