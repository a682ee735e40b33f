"""The roaming example: the same calls for the same seed, labels that come later, fraud that takes a model to find."""

import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from headrace_features.backfill import backfill
from headrace_features.resolve import load_views
from headrace_ingestion.contract import Contract, load_contracts
from headrace_models.declaration import ModelDeclaration, label_source
from headrace_models.evaluate import evaluate
from headrace_models.fitting import TrainedModel, fit_model
from headrace_models.training_set import training_set
from headrace_models.view import FeatureView, feature_view
from sklearn.metrics import precision_recall_curve

ROAMING = Path(__file__).parents[2] / "examples" / "roaming"
EVENTS, SEED = 20_000, 1
TRAINED_SHARE = 0.7


def _simulator() -> Any:
    spec = spec_from_file_location("roaming_simulate", ROAMING / "simulate.py")
    if spec is None or spec.loader is None:
        raise ImportError(str(ROAMING / "simulate.py"))
    module = module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules["roaming_simulate"] = module
    spec.loader.exec_module(module)
    return module


simulator = _simulator()


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    return load_contracts(ROAMING / "events", root=ROAMING)


@pytest.fixture(scope="module")
def calls() -> list[Any]:
    return list(simulator.simulate(EVENTS, SEED))


def test_the_same_seed_gives_the_same_calls_and_another_seed_gives_others() -> None:
    first, again, other = (list(simulator.simulate(500, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_longer_simulation_of_the_same_people_begins_with_the_shorter_one() -> None:
    short = list(simulator.simulate(300, 1, subscribers=50))
    long = list(itertools.islice(simulator.simulate(900, 1, subscribers=50), 300))
    assert short == long


def test_calls_come_in_the_order_of_their_start_with_ids_of_their_own(calls: list[Any]) -> None:
    assert len(calls) == EVENTS
    assert all(a.started_at <= b.started_at for a, b in itertools.pairwise(calls))
    assert len({call.event_id for call in calls}) == EVENTS
    assert all(call.event_id[14] == "7" for call in calls)


def test_four_weeks_of_several_hundred_subscribers_with_three_to_four_percent_fraud(calls: list[Any]) -> None:
    span = calls[-1].started_at - calls[0].started_at
    assert timedelta(days=21) < span < timedelta(days=35)
    assert len({call.fields["subscriber_id"] for call in calls}) > 250
    assert 0.02 < sum(call.is_fraud for call in calls) / EVENTS < 0.045
    kinds = Counter(call.kind for call in calls)
    assert set(kinds) == {"genuine", "cloned_sim", "revenue_share", "short_call_burst", "takeover"}
    assert min(kinds.values()) > 60


def test_every_event_keeps_its_contract(calls: list[Any], contracts: dict[str, Contract]) -> None:
    from headrace_ingestion.codec import compile_encoder
    from headrace_ingestion.pii import PiiSecret

    secret = PiiSecret("any secret of this test")
    encode = {name: compile_encoder(contract, secret) for name, contract in contracts.items()}
    for event in simulator.with_labels(iter(calls[:3_000])):
        assert encode[event.event](event.fields)


def test_labels_come_hours_after_their_call_and_in_the_order_of_time(calls: list[Any]) -> None:
    events = list(simulator.with_labels(iter(calls)))
    assert all(a.time <= b.time for a, b in itertools.pairwise(events))
    labels = [event for event in events if event.event == "fraud_label"]
    delays = [label.time - label.call.started_at for label in labels]
    assert min(delays) >= timedelta(minutes=30)
    assert max(delays) <= timedelta(hours=20)
    assert sum(label.fields["is_fraud"] for label in labels) == sum(call.is_fraud for call in calls)
    reviewed = [label for label in labels if not label.fields["is_fraud"]]
    assert 0.08 < len(reviewed) / EVENTS < 0.12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"events": -1, "seed": 1}, "events must be zero or more, got -1"),
        ({"events": 1, "seed": 1, "subscribers": 0}, "subscribers must be one or more, got 0"),
        (
            {"events": 1, "seed": 1, "start": datetime(2026, 1, 1)},  # noqa: DTZ001  # that it is naive is the point
            "start must have a timezone, got 2026-01-01T00:00:00",
        ),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulator.simulate(**arguments)


class RoamingLake:
    """The views that models read, as they stand when the first calls have been streamed."""

    def __init__(self, calls: list[Any], view: FeatureView, rows: pa.Table, streamed_until: datetime) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("set timezone = 'UTC'; create schema features; create schema events")
        self._connection.register("incoming", rows)
        self._connection.execute(
            f"""create table features.subscriber as
                select *, to_timestamp(event_time_ms / 1000) as event_time, to_timestamp(clock_ms / 1000) as clock,
                       to_timestamp(clock_ms / 1000) as emitted_at, '{view.digest}' as declaration
                from incoming where clock_ms <= {round(streamed_until.timestamp() * 1000)}"""
        )
        labels = [
            {**event.fields, "_recorded_at": event.time, "_partition": 0, "_offset": offset}
            for offset, event in enumerate(simulator.with_labels(iter(calls)))
            if event.event == "fraud_label" and event.time <= streamed_until
        ]
        self._connection.register("labels", pa.Table.from_pylist(labels))
        self._connection.execute("create table events.fraud_label as from labels")

    def sql(self, query: str, parameters: Any) -> pa.Table:
        return self._connection.sql(query, params=dict(parameters)).to_arrow_table()


@pytest.fixture(scope="module")
def view(contracts: dict[str, Contract]) -> FeatureView:
    return feature_view(load_views(ROAMING / "features", contracts, root=ROAMING)["subscriber"])


@pytest.fixture(scope="module")
def rows(calls: list[Any], contracts: dict[str, Contract], tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Features of all calls, computed by the same compiler that proves the streamed ones."""
    file = tmp_path_factory.mktemp("calls") / "calls.parquet"
    pq.write_table(pa.Table.from_pylist([{**call.fields, "event_id": call.event_id} for call in calls]), file)
    return backfill(file, load_views(ROAMING / "features", contracts, root=ROAMING)["subscriber"])


@pytest.fixture(scope="module")
def trained(calls: list[Any], view: FeatureView, rows: pa.Table, contracts: dict[str, Contract]) -> TrainedModel:
    until = calls[round(TRAINED_SHARE * EVENTS)].started_at
    model = ModelDeclaration.load(ROAMING / "models" / "roaming_fraud.yaml", root=ROAMING)
    lake = RoamingLake(calls, view, rows, until)
    data = training_set(lake.sql, model, view, label_source(model, contracts))
    assert data.as_of <= until
    return fit_model(model, data)


def _columns(rows: pa.Table, names: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.column_stack([np.array(rows.column(name).to_pylist(), dtype=np.float64) for name in names])


def _truth(calls: list[Any], rows: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
    fraud = {call.event_id for call in calls if call.is_fraud}
    return np.array([event_id in fraud for event_id in rows.column("event_id").to_pylist()])


def _single_feature_f1(
    values: np.ndarray[Any, np.dtype[np.float64]], truth: np.ndarray[Any, np.dtype[np.bool_]]
) -> Iterator[float]:
    for sign in (1, -1):
        precision, recall, _ = precision_recall_curve(truth, sign * np.nan_to_num(values, nan=-1.0))
        yield float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-9)))


def test_no_threshold_on_a_single_feature_finds_the_fraud(calls: list[Any], view: FeatureView, rows: pa.Table) -> None:
    truth = _truth(calls, rows)
    x = _columns(rows, view.numeric_columns)
    best = {name: max(_single_feature_f1(x[:, index], truth)) for index, name in enumerate(view.numeric_columns)}
    assert max(best.values()) < 0.75, max(best, key=lambda name: best[name])


def test_the_declared_model_passes_its_gates_on_what_was_streamed_by_then(trained: TrainedModel) -> None:
    assert trained.detector.kind == "gradient_boosting"
    assert trained.gates_hold, trained.gates


def test_the_model_finds_the_fraud_of_the_calls_after_its_training(
    trained: TrainedModel, calls: list[Any], rows: pa.Table
) -> None:
    until_ms = round(calls[round(TRAINED_SHARE * EVENTS)].started_at.astimezone(UTC).timestamp() * 1000)
    later = rows.filter(pa.compute.greater(rows.column("clock_ms"), until_ms)).sort_by("clock_ms")
    scores = trained.detector.score(_columns(later, trained.detector.features))
    clock_ms = np.array(later.column("clock_ms").to_pylist(), dtype=np.int64)
    metrics = evaluate(scores, _truth(calls, later), trained.threshold, clock_ms)
    assert (metrics.precision or 0) >= 0.9
    assert (metrics.recall or 0) >= 0.8
