"""Lookups of a model: joined in training as they stood, read online when a row is scored, the same values in both."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feature_records import Record, feature_value
from headrace_features.online import GuardedSqlite
from headrace_features.view import View
from headrace_ingestion.errors import DeclarationError
from headrace_models.declaration import ModelDeclaration
from headrace_models.lookups import TrainingLookups, model_lookups
from headrace_models.scoring.lookups import OnlineLookups
from headrace_models.scoring.rows import FeatureRow, matrix, read_row
from headrace_models.training_set import training_set
from headrace_models.view import feature_view
from lake_cases import write_rows
from small_lake import START, VIEW, SmallLake
from store_cases import load_project
from store_cases import row as online_row

SALE = """\
name: sale
version: 1
key: device
time: at
fields:
  device: {type: string}
  at: {type: timestamp}
  paid: {type: double}
"""
DEVICE = """\
name: device
source: sale
key: device
features:
  - lag: {of: paid, steps: [1]}
  - lag: {of: device, steps: [1]}
  - expression: {name: is_big, sql: paid > 10}
ttl: 1h
"""
LOOKUP = {"view": "device", "key": "device_lag_1", "after": "2s"}
NAMES = ("device__paid_lag_1", "device__is_big")


def model(**changes: Any) -> ModelDeclaration:
    given = {"name": "fraud", "view": "subscriber", "features": ["amount"], "lookups": [LOOKUP], **changes}
    return ModelDeclaration.model_validate(given)


@pytest.fixture
def device(tmp_path: Path) -> View:
    """A view by device: numbers and bools, and a text that no model reads."""
    return load_project(tmp_path / "project", {"sale": SALE}, {"device": DEVICE})["device"]


def looked_up(tmp_path: Path, device: View, *, known_at: datetime | None = None) -> list[list[float]]:
    """Return what a training set has of the device, beside rows of the subscriber ten seconds apart."""
    lake = SmallLake()
    for number in range(60):
        lake.add_row(START + timedelta(seconds=10 * number), device_lag_1="d" if number != 1 else None)
    lookups = model_lookups(model(), VIEW, {"device": device})
    declared = model(split={"train": 0.6, "validation": 0.2, "test": 0.2, "gap": "0s"})
    data = training_set(
        lake.sql, declared, replace(VIEW, longest_window=timedelta(0)), None, known_at=known_at,
        lookups=TrainingLookups(tmp_path / "lake", lookups),
    )  # fmt: skip
    assert data.features == ("amount", *NAMES)
    assert data.lookups == {"device": device.digest}
    found: list[list[float]] = np.concatenate([data.train.x, data.validation.x, data.test.x])[:, 1:].tolist()
    return found


def test_a_row_counts_from_some_time_after_its_clock_until_its_ttl(tmp_path: Path, device: View) -> None:
    long_ago = START - timedelta(hours=1) + timedelta(seconds=10)
    write_rows(tmp_path / "lake", device, [
        {"device": "d", "clock": long_ago, "paid_lag_1": 1.5, "is_big": True},
        {"device": "d", "clock": START + timedelta(seconds=28), "paid_lag_1": None, "is_big": False},
        {"device": "d", "clock": START + timedelta(seconds=38.001), "paid_lag_1": 4.0, "is_big": True},
    ])  # fmt: skip
    nan = np.nan
    # No key, past the ttl, two seconds after the clock, not quite two seconds after it.
    expected = [[1.5, 1], [nan, nan], [nan, nan], [nan, 0], [nan, 0], [4.0, 1]]
    np.testing.assert_array_equal(looked_up(tmp_path, device)[:6], expected)


def test_what_was_made_after_the_cut_is_not_looked_up(tmp_path: Path, device: View) -> None:
    made = START + timedelta(days=1)
    write_rows(tmp_path / "lake", device, [
        {"device": "d", "clock": START - timedelta(minutes=2), "paid_lag_1": 1.0},
        {"device": "d", "clock": START - timedelta(minutes=1), "paid_lag_1": 2.0, "emitted_at": made},
    ])  # fmt: skip
    assert looked_up(tmp_path, device, known_at=made - timedelta(seconds=1))[0][0] == 1.0
    assert looked_up(tmp_path, device)[0][0] == 2.0


def scored_row(at: datetime, **values: object) -> FeatureRow:
    found = read_row(Record(value=feature_value("e", clock_ms=int(at.timestamp() * 1_000), **values)), "subscriber_id")
    assert isinstance(found, FeatureRow)
    return found


def test_the_scorer_sees_what_the_training_set_has(tmp_path: Path, device: View) -> None:
    store = GuardedSqlite(tmp_path / "online.db")
    lookups = OnlineLookups(store, model_lookups(model(), VIEW, {"device": device}))
    clock = START - timedelta(minutes=5)
    values = {"paid_lag_1": 0.1 + 0.2, "device_lag_1": "c", "is_big": True}
    write_rows(tmp_path / "lake", device, [{"device": "d", "clock": clock, **values}])
    clock_ms = int(clock.timestamp() * 1_000)
    store.write("device", [online_row("d", clock_ms, declaration=device.digest, features=values)])
    store.write("device", [online_row("old", clock_ms, declaration="another", features=values)])
    rows = [
        scored_row(START, device_lag_1="d"),
        scored_row(START, device_lag_1=None),
        scored_row(START, device_lag_1="unknown"),
        scored_row(START, device_lag_1="old"),
        scored_row(clock + timedelta(hours=1), device_lag_1="d"),
        scored_row(clock + timedelta(hours=1, milliseconds=1), device_lag_1="d"),
    ]
    nothing = [np.nan, np.nan]
    expected = [[0.1 + 0.2, 1], nothing, nothing, nothing, [0.1 + 0.2, 1], nothing]
    np.testing.assert_array_equal(matrix(lookups.complete(rows), NAMES), expected)
    np.testing.assert_array_equal(looked_up(tmp_path, device)[0], expected[0])
    assert lookups.complete([]) == []
    store.close()


def test_a_row_without_the_column_of_the_key_cannot_be_scored_by_such_a_model(tmp_path: Path, device: View) -> None:
    store = GuardedSqlite(tmp_path / "online.db")
    row = scored_row(START)
    other = replace(row, fields={name: value for name, value in row.fields.items() if name != "device_lag_1"})
    (completed,) = OnlineLookups(store, model_lookups(model(), VIEW, {"device": device})).complete([other])
    with pytest.raises(KeyError, match="device__paid_lag_1"):
        matrix([completed], NAMES)
    store.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"view": "devices"},
            "models/fraud.yaml: 'lookups' reads the view 'devices', which the project does not declare\n"
            "  views:  device\n"
            "  try:    view: device",
        ),
        (
            {"key": "device"},
            "models/fraud.yaml: the lookup of 'device' takes its key from the column 'device', "
            "which the rows of 'subscriber' do not have\n"
            "  columns that hold a key:  subscriber_id, device_lag_1\n"
            "  key of the view:          device (string)\n"
            "  try:                      features/subscriber.yaml: - expression: {name: device, sql: …}, "
            "which puts the field into the rows",
        ),
        (
            {"key": "count_1h"},
            "models/fraud.yaml: the lookup of 'device' takes its key from the column 'count_1h', "
            "which is of type long\n"
            "  columns that hold a key:  subscriber_id, device_lag_1\n"
            "  key of the view:          device (string)\n"
            "  try:                      features/subscriber.yaml: - expression: {name: device, sql: …}, "
            "which puts the field into the rows",
        ),
        (
            {"features": ["is_bigg"]},
            "models/fraud.yaml: the lookup of 'device' names 'is_bigg', which is no numeric column\n"
            "  numeric columns:  paid_lag_1, is_big\n"
            "  try:              is_big",
        ),
        (
            {"after": "1h"},
            "models/fraud.yaml: 'after' of the lookup of 'device' is 1h: its values have expired by then\n"
            "  ttl of the view:  1h\n"
            "  try:              after: 1s",
        ),
    ],
    ids=["view", "no such key", "type of the key", "column", "after"],
)
def test_a_lookup_that_does_not_fit_says_how(device: View, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        model_lookups(model(lookups=[{**LOOKUP, **changes}]), VIEW, {"device": device})
    assert str(caught.value) == message


def test_the_gap_of_a_model_covers_what_its_lookups_look_back_on(tmp_path: Path) -> None:
    import headrace

    call = (
        SALE.replace("name: sale", "name: call").replace("key: device", "key: phone").replace("  device:", "  phone:")
    )
    caller = DEVICE.replace("name: device\nsource: sale\nkey: device", "name: caller\nsource: call\nkey: phone")
    caller = caller.replace("of: device", "of: phone")
    load_project(tmp_path, {"sale": SALE, "call": call}, {"device": DEVICE, "caller": caller})
    (tmp_path / "headrace.yaml").write_text("name: trial\n")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "fraud.yaml").write_text(
        "{name: fraud, view: caller, lookups: [{view: device, key: phone_lag_1}]}\n"
    )
    project = headrace.open(tmp_path, environ={})
    assert feature_view(project.views["caller"]).longest_window == timedelta(0)
    assert project.models.view("fraud").longest_window == timedelta(hours=1)
    assert [lookup.names for lookup in project.models.lookups("fraud")] == [NAMES]
