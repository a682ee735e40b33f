"""The events of a benchmark: repeatable, accepted by their contract, one a topic."""

from itertools import islice
from pathlib import Path

import pytest
from headrace_ingestion.codec import compile_parser
from headrace_ingestion.contract import Contract
from headrace_ingestion.records import Parsed, StoredRecord

from headrace.bench.features import STACKED_SQL_EVENTS, FeaturesBench
from headrace.bench.project import FEATURES, RunTopics, contract_of, make_project, plan_of
from headrace.bench.workload import STEP_MS, Workload, messages
from headrace.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The project that is measured."""
    return make_project(tmp_path, 4)


@pytest.fixture
def contract(project: Project) -> Contract:
    """The contract of its event."""
    return contract_of(project)


def test_the_same_arguments_give_the_same_events(contract: Contract) -> None:
    workload = Workload("spread", 50, 7)
    assert list(messages(workload, contract)) == list(messages(workload, contract))


def test_fewer_events_are_the_beginning_of_more(contract: Contract) -> None:
    fewer, more = Workload("fewer", 20, 7), Workload("spread", 50, 7)
    assert list(messages(fewer, contract)) == list(islice(messages(more, contract), 20))


def test_every_event_is_accepted_and_has_its_own_time(contract: Contract) -> None:
    parse = compile_parser(contract)
    times = []
    for offset, message in enumerate(messages(Workload("spread", 200, 5), contract)):
        record = StoredRecord("t", 0, offset, message.timestamp_ms, message.key, message.value, tuple(message.headers))
        parsed = parse(record)
        assert isinstance(parsed, Parsed)
        assert parsed.event_id == message.headers[0][1].decode()
        times.append(parsed.event_time_ms)
    assert times == list(range(times[0], times[0] + 200 * STEP_MS, STEP_MS))


def test_the_view_has_as_many_features_as_the_reports_say(project: Project) -> None:
    assert len(project.views["subscriber"].columns) == FEATURES


def test_a_run_reads_the_shared_topic_and_writes_its_own(project: Project) -> None:
    plan = plan_of(project, RunTopics("run-1.", source="spread.events.call"))
    assert plan.topics.of_event(plan.views[0].contract) == "spread.events.call"
    assert plan.topics.of_view(plan.views[0]) == "run-1.features.subscriber"
    assert plan.topics.dead_letters == "run-1.dead_letters"


def test_stacked_sql_gets_the_beginning_of_what_the_others_get(contract: Contract) -> None:
    bench = FeaturesBench(events=STACKED_SQL_EVENTS + 10, keys=7)
    short, whole = bench.workload("stacked_sql"), bench.workload("headrace")
    assert short.topic(contract) != whole.topic(contract)
    assert (short.events, whole.events) == (STACKED_SQL_EVENTS, STACKED_SQL_EVENTS + 10)
    assert list(islice(messages(short, contract), 50)) == list(islice(messages(whole, contract), 50))
    assert FeaturesBench(events=STACKED_SQL_EVENTS).workload("stacked_sql").name == "spread"
