"""The demonstration shows what it promises; then its stack lives on, with a history.

The notebook, kill -9 under load, late events, silence, repair, a changed view: nothing delivered is lost, nothing
counts twice, parity holds. All tests share one project, which costs a minute and a half; so they stand in one file.
"""

import random
import shutil
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import nbformat
import pytest
from e2e_types import Demo, kill, restarts, until
from headrace_ingestion import Delivery, DeliveryError
from kafka import KafkaAdminClient
from nbclient import NotebookClient

import headrace
from headrace.features.backfill import BackfillError
from headrace.features.online import open_online_store
from headrace.pii import stored_key
from headrace.project import Project
from headrace.shadow.namespace import namespaces_folder
from headrace.stack.state import running_state

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "tour.ipynb"
RATE = 200
SUBSCRIBERS = 40
PROCESSES = (("job-call.subscriber_id",), ("lake-writer", "online-writer", "scorer-roaming_fraud"), ("kafka",))
"""Those that are killed under the same load, two seconds after one another, while those before them start again."""


class Load:
    """Sends calls at a steady rate from a thread of its own and remembers what became of each."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._deliveries: dict[str, Delivery] = {}
        self.delivered: set[str] = set()
        self.uncertain: set[str] = set()

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        producer = self._project.events.producer()
        with producer:
            number = 0
            while not self._stop.wait(1 / RATE):
                number += 1
                delivery = producer.send("call", self._call(number), event_id=str(uuid.uuid4()))
                self._deliveries[delivery.event_id] = delivery
        for event_id, delivery in self._deliveries.items():
            try:
                delivery.result(60)
            except DeliveryError:
                self.uncertain.add(event_id)
            else:
                self.delivered.add(event_id)

    @staticmethod
    def _call(number: int) -> dict[str, object]:
        return {
            "subscriber_id": f"crash-{number % SUBSCRIBERS}",
            "started_at": datetime.now(UTC),
            "duration_s": float(number % 97),
            "home_country": "DE",
            "country": "FR" if number % 5 else "DE",
            "callee_country": "DE",
            "device": f"d{number % 3}",
        }


def test_every_call_becomes_one_feature_row_and_one_score(demo: Demo) -> None:
    assert demo.report["events"] == demo.report["feature_rows"] == demo.report["scores"] == 20_000


def test_every_feature_row_equals_what_the_lake_recomputes(demo: Demo) -> None:
    assert demo.report["parity"] == {"rows": 20_000, "mismatches": 0}


def test_the_model_finds_the_fraud_after_its_training(demo: Demo) -> None:
    assert demo.report["scored_after_training"] == 6_000
    assert demo.report["precision"] >= 0.9
    assert demo.report["recall"] >= 0.8


def test_records_that_break_the_contract_are_dead_letters_and_stop_nothing(demo: Demo) -> None:
    assert demo.report["dead_letters"] == 3
    letters = headrace.open(demo.folder).lake.sql("SELECT reason FROM ops.dead_letters ORDER BY ALL").rows
    assert letters == [("missing_field",), ("not_json",), ("wrong_type",)]


def test_latencies_and_alerts_with_reasons_are_shown(demo: Demo) -> None:
    for hop in ("event_to_feature", "event_to_score"):
        assert 0 < demo.report["latency_ms"][hop]["p50"] <= demo.report["latency_ms"][hop]["p99"]
    assert demo.report["alerts"] > 0
    for alert in demo.report["top_alerts"]:
        assert alert["reasons"]
        assert {"feature", "value", "contribution"} <= alert["reasons"][0].keys()


def test_nothing_of_the_stack_is_left_running(demo: Demo) -> None:
    assert demo.left == []
    assert "taking everything down" in demo.progress


def test_the_tour_runs_on_the_project_of_a_demonstration(demo: Demo, running: Project) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]  # the library has no types here
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(demo.folder.parent)}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error"]


@pytest.mark.parametrize("processes", PROCESSES, ids=", ".join)
def test_a_killed_process_loses_nothing_and_doubles_nothing(running: Project, processes: tuple[str, ...]) -> None:
    with Load(running) as load:
        for process in processes:
            time.sleep(2)
            kill(running, process)
        for process in processes:
            until(partial(_healthy_after_restart, running, process), "the stack is healthy again")
        time.sleep(2)
    assert load.delivered
    until(lambda: _settled(running), "every event has its row and its score")
    _assert_events_are_there_once(running, load)
    _assert_rows_and_scores_are_there_once(running)
    report = running.features.verify("subscriber")
    assert report.passed, report.text()
    _assert_the_online_store_has_the_newest(running)


def _healthy_after_restart(project: Project, name: str) -> bool:
    state = running_state(project.folders)
    return state is not None and state.phase == "healthy" and restarts(project, name) > 0


def _count(project: Project, query: str) -> int:
    return int(project.lake.sql(query).rows[0][0])


def _settled(project: Project) -> bool:
    events = _count(project, "SELECT count(*) FROM events.call")
    counts = (
        "SELECT count(*) FROM features.subscriber",
        "SELECT count(*) FROM scores.roaming_fraud WHERE variant = 'champion'",
    )
    return all(_count(project, query) == events for query in counts)


def _stored_keys(project: Project) -> list[str]:
    """The keys of the load as they stand behind the producer: hashed."""
    contract = project.contracts["call"]
    return [stored_key(project, contract, contract.key, f"crash-{number}") for number in range(SUBSCRIBERS)]


def _assert_events_are_there_once(project: Project, load: Load) -> None:
    query = "SELECT event_id, count(*) FROM raw.events_call WHERE list_contains(?, subscriber_id) GROUP BY 1"
    found = project.lake.sql(query, [_stored_keys(project)]).rows
    stored = dict(found)
    assert load.delivered <= stored.keys()
    assert {event_id for event_id, times in stored.items() if times > 1} == set()


def _assert_rows_and_scores_are_there_once(project: Project) -> None:
    twice = "SELECT count(*) FROM (SELECT 1 FROM {} GROUP BY {} HAVING count(*) > 1)"
    assert _count(project, twice.format("raw.events_call", "_partition, _offset")) == 0
    assert _count(project, twice.format("raw.features_subscriber", "source_partition, source_offset")) == 0
    assert _count(project, twice.format("raw.scores_roaming_fraud", "model, variant, event_id")) == 0


def _assert_the_online_store_has_the_newest(project: Project) -> None:
    newest = project.lake.sql(
        """
        SELECT subscriber_id, max_by(source_offset, (generation, clock, source_offset)) FROM features.subscriber
        WHERE list_contains(?, subscriber_id) GROUP BY 1
        """,
        [_stored_keys(project)],
    ).rows
    assert newest
    with open_online_store(project) as store:

        def stored() -> dict[str, int]:
            rows = store.read("subscriber", [key for key, _ in newest])
            return {key: row.order.source_offset for (key, _), row in zip(newest, rows, strict=True) if row}

        until(lambda: stored() == dict(newest), "the online store holds the newest row of every key", 30)


@pytest.mark.full
def test_a_shadow_run_gives_production_s_rows_again_and_leaves_nothing(running: Project) -> None:
    newest = "SELECT source_partition, max(source_offset) FROM raw.features_subscriber GROUP BY 1"
    begin = {partition: offset - 200 for partition, offset in running.lake.sql(newest).rows}
    topics, before = _topics(running), running.lake.sql("SELECT count(*) FROM raw.features_subscriber").rows
    report = running.features.shadow("subscriber", begin=begin)
    assert report.passed, report.text()
    assert report.equal == sum(report.ends[partition] - offset for partition, offset in report.begins.items())
    assert report.seeded > 0
    assert _topics(running) == topics
    assert running.lake.sql("SELECT count(*) FROM raw.features_subscriber").rows == before
    assert [path for path in namespaces_folder(running).iterdir() if path.is_dir()] == []


def _topics(project: Project) -> set[str]:
    admin = KafkaAdminClient(**project.connection().client_options())
    try:
        return set(admin.list_topics())
    finally:
        admin.close()


JOB = "job-ping.device"


def test_rows_late_events_and_repairs_survive_a_kill(running: Project) -> None:
    stop, sent = threading.Event(), []
    thread = threading.Thread(target=lambda: sent.append(_send_pings(running, stop)))
    thread.start()
    try:
        time.sleep(3)
        kill(running, JOB)
        # The event has another key than its view: this writes it by that one.
        kill(running, "rekey")
        time.sleep(3)
    finally:
        stop.set()
        thread.join()
    by_device = "SELECT count(*), count(DISTINCT event_id) FROM raw.events_ping_by_device"
    until(lambda: running.lake.sql(by_device).rows == [(sent[0], sent[0])], "each ping is there once by its other key")
    # The last ones have nothing behind them but silence.
    until(lambda: _rows(running) + _late(running) == sent[0], "each ping has a row or is noted as late")
    assert _late(running) > 0
    report = running.features.verify("pings")
    assert report.passed, report.text()

    repaired = running.features.repair("pings")
    assert repaired.late_events == _late(running)
    until(lambda: _rows(running) == sent[0], "late pings have their rows, too")
    report = running.features.verify("pings")
    assert report.passed, report.text()
    assert running.features.repair("pings").changed == 0
    reconciled = running.features.reconcile("pings", patience_seconds=20)
    assert reconciled.passed, reconciled.text()


@pytest.mark.full
def test_a_changed_view_goes_on_behind_its_past(running: Project) -> None:
    file = running.folder / "features" / "pings.yaml"
    file.write_text(f"{file.read_text()}description: also the largest\n".replace("sum, last]", "sum, last, max]"))
    changed = headrace.open(running.folder)
    events = _count(changed, "SELECT count(*) FROM events.ping")
    report = changed.features.backfill("pings")
    assert report.views["pings"].rows == events
    stop = threading.Event()
    threading.Timer(1, stop.set).start()
    sent = _send_pings(changed, stop)
    declared = f"declaration = '{changed.views['pings'].digest}'"
    rows = f"SELECT count(*) FROM raw.features_pings WHERE {declared}"
    late = f"SELECT count(*) FROM ops.late_events WHERE {declared}"
    until(lambda: _count(changed, rows) + _count(changed, late) == events + sent, "each new ping has its row")
    verified = changed.features.verify("pings")
    assert verified.passed, verified.text()
    assert verified.rows == _count(changed, rows) > events
    reconciled = changed.features.reconcile("pings", patience_seconds=20)
    assert reconciled.passed, reconciled.text()
    with pytest.raises(BackfillError, match="has state of this declaration: its past is complete"):
        changed.features.backfill("pings")

    # Without state nothing is read or written twice.
    changed.features.hold_jobs("ping.device", held=True)
    state = changed.folders.flink / "ping.device"
    shutil.rmtree(state)
    changed.features.hold_jobs("ping.device", held=False)
    until(lambda: any(state.glob("*/checkpoints/*/chk-*/_metadata")), "the job has state again")
    assert _count(changed, rows) + _count(changed, late) == events + sent
    verified = changed.features.verify("pings")
    assert verified.passed, verified.text()


@pytest.mark.full
def test_flink_computes_the_past_of_a_changed_view_too(running: Project) -> None:
    file = running.folder / "features" / "subscriber.yaml"
    declared = file.read_text()
    file.write_text(declared.replace("take: [count, sum, mean", "take: [min, count, sum, mean"))
    try:
        changed = headrace.open(running.folder)
        assert changed.features.backfill("subscriber", engine="flink").views["subscriber"].rows >= 20_000
        verified = changed.features.verify("subscriber")
        assert verified.passed, verified.text()
    finally:
        file.write_text(declared)


def _send_pings(project: Project, stop: threading.Event) -> int:
    """Send pings, some of which come up to three seconds late, until told to stop; return how many."""
    chance = random.Random(1)
    number = 0
    with project.events.producer() as producer:
        while not stop.wait(0.005):
            number += 1
            behind = timedelta(seconds=chance.choice([0, 0, 0, 0.2, 0.9, 1.1, 3]))
            at = datetime.now(UTC) - behind
            fields = {"site": f"s{number % 3}", "device": f"d{number % 40}", "at": at, "load": float(number % 97)}
            producer.send("ping", fields, event_id=str(uuid.uuid4()))
    return number


def _rows(project: Project) -> int:
    return _count(project, "SELECT count(DISTINCT (source_partition, source_offset)) FROM raw.features_pings")


def _late(project: Project) -> int:
    return _count(project, "SELECT count(*) FROM ops.late_events WHERE view = 'pings'")
