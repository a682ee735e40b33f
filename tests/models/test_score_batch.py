"""One batch: rows to scores as the wire format says; what cannot be scored is data, not an exception."""

import logging

import numpy as np
import pytest
from feature_records import AmountModel, BrokenModel, Record, feature_value
from headrace_models.scoring.batch import score_batch
from headrace_models.scoring.loading import LoadedModel
from headrace_models.scoring.rows import FeatureRow, RecentIds, Unscored, matrix, read_row
from packed_rows import packed

NOW_MS = 1_772_409_600_035
CHAMPION = LoadedModel("m", "3", AmountModel())


def row(event_id: str, **values: object) -> FeatureRow:
    found = read_row(Record(value=feature_value(event_id, **values)), "subscriber_id")
    assert isinstance(found, FeatureRow)
    return found


def test_a_score_says_what_made_it() -> None:
    result = score_batch([row("e-1")], {"champion": CHAMPION}, view="subscriber", now_ms=lambda: NOW_MS)
    ((_, score),) = result.scores
    assert score == {
        "event_id": "e-1",
        "key": "s-1",
        "model": "m",
        "version": "3",
        "variant": "champion",
        "score": 1.0,
        "threshold": 0.5,
        "alert": True,
        "reasons": [{"feature": "amount", "value": 1.0, "contribution": 1.0}],
        "view": "subscriber",
        "declaration": "abcdef012345",
        "event_time_ms": 1_772_409_600_000,
        "clock_ms": 1_772_409_600_001,
        "source_partition": 2,
        "source_offset": 41,
        "ingested_at_ms": 1_772_409_600_010,
        "emitted_at_ms": 1_772_409_600_020,
        "scored_at_ms": NOW_MS,
    }


def test_only_the_champion_alerts() -> None:
    live = {"champion": CHAMPION, "challenger": LoadedModel("m", "4", AmountModel())}
    rows = [row("e-1", amount=0.9), row("e-2", amount=0.1)]
    result = score_batch(rows, live, view="subscriber", now_ms=lambda: NOW_MS)  # type: ignore[arg-type]  # the keys are variants
    assert [(s["event_id"], s["variant"]) for _, s in result.scores] == [
        ("e-1", "champion"),
        ("e-2", "champion"),
        ("e-1", "challenger"),
        ("e-2", "challenger"),
    ]
    assert [(s["event_id"], s["version"]) for _, s in result.alerts] == [("e-1", "3")]


def test_a_row_that_the_champion_fails_on_is_unscored_and_the_others_are_scored() -> None:
    rows = [row("e-1", amount=0.2), row("e-2", amount=-1), row("e-3", amount=0.7)]
    result = score_batch(rows, {"champion": CHAMPION}, view="subscriber", now_ms=lambda: NOW_MS)
    assert [(s["event_id"], s["score"]) for _, s in result.scores] == [("e-1", 0.2), ("e-3", 0.7)]
    assert [s["event_id"] for _, s in result.alerts] == ["e-3"]
    (unscored,) = result.unscored
    assert (unscored.reason, unscored.event_id) == ("model_failed", "e-2")
    assert unscored.detail == "model m version 3: ArithmeticError: negative amount"


def test_a_challenger_that_fails_costs_no_score_of_the_champion(caplog: pytest.LogCaptureFixture) -> None:
    live = {"champion": CHAMPION, "challenger": LoadedModel("m", "4", BrokenModel())}
    with caplog.at_level(logging.WARNING):
        result = score_batch([row("e-1")], live, view="subscriber", now_ms=lambda: NOW_MS)  # type: ignore[arg-type]
    assert [s["variant"] for _, s in result.scores] == ["champion"]
    assert result.unscored == []
    assert caplog.messages == ["model m challenger 4: model m version 4: RuntimeError: out of order"]


def test_a_row_without_a_feature_of_the_model_is_unscored() -> None:
    value = feature_value("e-1").replace(b'"noise"', b'"loudness"')
    found = read_row(Record(value=value), "subscriber_id")
    assert isinstance(found, FeatureRow)
    result = score_batch([found], {"champion": CHAMPION}, view="subscriber", now_ms=lambda: NOW_MS)
    assert [(u.reason, u.detail) for u in result.unscored] == [("missing_field", "feature row has no 'noise'")]


def test_a_feature_row_in_binary_is_read_as_one_in_json() -> None:
    fields = row("e-1", amount=1.5, abroad=True).fields
    nulls = {name: "d" for name, value in fields.items() if value is None}
    found = read_row(Record(value=packed({"revision": 0, **fields}, **nulls)), "subscriber_id")
    assert isinstance(found, FeatureRow)
    assert found.fields == {"revision": 0, **fields}


def test_nulls_are_nan_and_bools_are_numbers() -> None:
    rows = [row("e-1", amount=None, abroad=True), row("e-2", amount=2, abroad=False, noise=0.5)]
    np.testing.assert_array_equal(matrix(rows, ("amount", "abroad", "noise")), [[np.nan, 1, np.nan], [2, 0, 0.5]])
    np.testing.assert_array_equal(matrix(rows, ("amount",)), [[np.nan], [2]])
    assert matrix([], ("amount", "abroad")).shape == (0, 2)


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (b"{", "not_json", "no feature row: the value is not JSON"),
        (b"[1]", "not_json", "no feature row: the value is not a JSON object"),
        (None, "not_json", "no feature row: the record has no value"),
        (b'{"event_id": "e-1"}', "missing_field", "feature row has no 'declaration'"),
    ],
)
def test_a_record_that_is_no_feature_row_is_told_apart(value: bytes | None, reason: str, detail: str) -> None:
    found = read_row(Record(value=value), "subscriber_id")
    assert isinstance(found, Unscored)
    assert found.reason == reason
    assert found.detail.startswith(detail)


def test_a_key_of_numbers_becomes_text() -> None:
    assert row("e-1", subscriber_id=17).key == "17"


def test_repeats_are_known_while_they_are_recent() -> None:
    recent = RecentIds(limit=2)
    assert [recent.is_new(event_id) for event_id in ("a", "a", "b", "c", "a")] == [True, False, True, True, True]
    recent.forget(["c"])
    assert recent.is_new("c")
