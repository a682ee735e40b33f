"""Declarations of models: what is accepted, and what each mistake is told."""

from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import DeclarationError
from headrace_models.declaration import LabelSource, ModelDeclaration, label_source
from small_lake import VIEW

WHOLE = """\
name: roaming_fraud
view: subscriber
recipe: auto
exclude: [noise]
labels: {event: fraud_label, match: call_id, value: is_fraud, assume_negative_after: 24h}
split: {train: 0.6, validation: 0.2, test: 0.2, gap: longest_window}
threshold: {precision_at_least: 0.9}
gates: {precision: 0.9, recall: 0.8}
"""
FRAUD_LABEL = Contract.model_validate(
    {
        "name": "fraud_label",
        "version": 1,
        "key": "subscriber_id",
        "time": "labelled_at",
        "fields": {
            "subscriber_id": {"type": "string"},
            "call_id": {"type": "string"},
            "is_fraud": {"type": "bool"},
            "labelled_at": {"type": "timestamp"},
        },
    }
)


def declared(folder: Path, text: str) -> ModelDeclaration:
    path = folder / "models" / "m.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return ModelDeclaration.load(path, root=folder)


def test_a_whole_declaration_is_read(tmp_path: Path) -> None:
    model = declared(tmp_path, WHOLE)
    assert model.labels is not None
    assert model.labels.assume_negative_after == timedelta(hours=24)
    assert model.gap(VIEW) == timedelta(hours=24)
    assert model.gates.precision == 0.9


def test_the_model_reads_the_numeric_and_bool_columns_that_are_not_excluded(tmp_path: Path) -> None:
    assert declared(tmp_path, WHOLE).feature_columns(VIEW) == ("amount", "count_1h", "abroad")


def test_named_features_are_read_in_their_order(tmp_path: Path) -> None:
    model = declared(tmp_path, "name: m\nview: subscriber\nfeatures: [noise, amount]\n")
    assert model.feature_columns(VIEW) == ("noise", "amount")


def test_the_digest_changes_with_the_demands_and_not_with_the_description(tmp_path: Path) -> None:
    model = declared(tmp_path, WHOLE)
    described = declared(tmp_path, WHOLE + "description: finds fraud\n")
    reseeded = declared(tmp_path, WHOLE + "seed: 1\n")
    assert model.digest == described.digest
    assert model.digest != reseeded.digest
    assert len(model.digest) == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("recipe: auto", "recipe: autoo"),
            "models/m.yaml line 3: 'recipe' is 'autoo'\n"
            "  allowed:  auto, isolation_forest, gradient_boosting\n"
            "  try:      auto",
        ),
        (
            ("train: 0.6", "train: 0.7"),
            "models/m.yaml line 6: the shares of 'split' add up to 1.1\n"
            "  given:     train 0.7, validation 0.2, test 0.2\n"
            "  expected:  1\n"
            "  try:       split: {train: 0.7, validation: 0.2, test: 0.1}",
        ),
        (
            ("threshold: {precision_at_least: 0.9}", "threshold: {precision_at_least: 0.9, alert_rate: 0.1}"),
            "models/m.yaml line 7: 'threshold' has precision_at_least and alert_rate\n"
            "  expected:  one of precision_at_least, alert_rate\n"
            "  try:       threshold: {precision_at_least: 0.9}",
        ),
        (
            ("labels: {event: fraud_label, match: call_id, value: is_fraud, assume_negative_after: 24h}\n", ""),
            "models/m.yaml line 7: 'gates' needs labels, and the model declares none\n"
            "  without labels:  gates: {alert_rate_max: 0.02}\n"
            "  try:             labels: {event: fraud_label, match: call_id, value: is_fraud}",
        ),
        (
            ("gap: longest_window", "gap: 5 m"),
            "models/m.yaml line 6: '5 m' is not a duration\n"
            "  units:  ms, s, m, h, d\n"
            "  try:    a whole number and a unit, such as 5m",
        ),
    ],
)
def test_a_wrong_declaration_is_told_by_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declared(tmp_path, WHOLE.replace(*change))
    assert str(caught.value) == message


def test_an_unknown_column_is_told_with_the_columns_there_are(tmp_path: Path) -> None:
    model = declared(tmp_path, "name: m\nview: subscriber\nfeatures: [amuont]\n")
    with pytest.raises(DeclarationError) as caught:
        model.feature_columns(VIEW)
    assert str(caught.value) == (
        "models/m.yaml: 'features' names the column 'amuont', which the view 'subscriber' does not have\n"
        "  columns:  amount, count_1h, abroad, noise\n"
        "  try:      amount"
    )


def test_a_column_of_text_is_no_feature(tmp_path: Path) -> None:
    model = declared(tmp_path, "name: m\nview: subscriber\nfeatures: [device_lag_1]\n")
    with pytest.raises(DeclarationError, match="names the column 'device_lag_1', which is of type string"):
        model.feature_columns(VIEW)


def test_a_gap_shorter_than_the_longest_window_is_refused(tmp_path: Path) -> None:
    model = declared(tmp_path, WHOLE.replace("longest_window", "1h"))
    with pytest.raises(DeclarationError) as caught:
        model.feature_columns(VIEW)
    assert str(caught.value) == (
        "models/roaming_fraud.yaml: 'gap' of 'split' is 1h: "
        "windows of the view 'subscriber' would reach from one part into the one before\n"
        "  longest window:  1d\n"
        "  try:             gap: longest_window"
    )


def test_labels_are_found_by_their_contract(tmp_path: Path) -> None:
    assert label_source(declared(tmp_path, WHOLE), {"fraud_label": FRAUD_LABEL}) == LabelSource(
        event="fraud_label",
        match="call_id",
        value="is_fraud",
        time="labelled_at",
        assume_negative_after=timedelta(hours=24),
    )


def test_an_event_may_label_itself(tmp_path: Path) -> None:
    source = label_source(declared(tmp_path, WHOLE.replace("match: call_id, ", "")), {"fraud_label": FRAUD_LABEL})
    assert source is not None
    assert source.match == "event_id"


def test_a_label_event_that_is_not_declared_is_told_with_the_events_there_are(tmp_path: Path) -> None:
    model = declared(tmp_path, WHOLE.replace("event: fraud_label", "event: fraud_lable"))
    with pytest.raises(DeclarationError) as caught:
        label_source(model, {"fraud_label": FRAUD_LABEL})
    assert str(caught.value) == (
        "models/roaming_fraud.yaml: 'labels' reads the event 'fraud_lable', which the project does not declare\n"
        "  events:  fraud_label\n"
        "  try:     event: fraud_label"
    )


def test_a_label_that_is_no_truth_value_is_refused(tmp_path: Path) -> None:
    model = declared(tmp_path, WHOLE.replace("value: is_fraud", "value: call_id"))
    with pytest.raises(DeclarationError) as caught:
        label_source(model, {"fraud_label": FRAUD_LABEL})
    assert str(caught.value) == (
        "models/roaming_fraud.yaml: 'value' of 'labels' is the field 'call_id' of type string\n"
        "  types:  bool, int, long\n"
        "  event:  contract fraud_label/1\n"
        "  try:    value: is_fraud"
    )
