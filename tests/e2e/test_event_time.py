"""A view in the order of event times on a running stack: kill -9, late events, silence, repair, another declaration."""

import random
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from e2e_types import kill, until
from headrace_ingestion import Producer

import headrace
from headrace.backfill import BackfillError
from headrace.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

JOB = "job-ping.device"


def test_rows_late_events_and_repairs_survive_a_kill(running: Project) -> None:
    stop, sent = threading.Event(), []
    thread = threading.Thread(target=lambda: sent.append(_send_pings(running, stop)))
    thread.start()
    try:
        time.sleep(3)
        kill(running, JOB)
        time.sleep(3)
    finally:
        stop.set()
        thread.join()
    # The last ones have nothing behind them but silence.
    until(lambda: _rows(running) + _late(running) == sent[0], "each ping has a row or is noted as late")
    assert _late(running) > 0
    report = running.features.verify("pings")
    assert report.passed, report.text()

    repaired = running.features.repair("pings")
    assert repaired.late_events == _late(running)
    _until_rows(running, lambda: _rows(running), sent[0])
    report = running.features.verify("pings")
    assert report.passed, report.text()
    assert running.features.repair("pings").changed == 0
    reconciled = running.features.reconcile("pings", patience_seconds=20)
    assert reconciled.passed, reconciled.text()


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
    shutil.rmtree(changed.folders.flink / "ping.device")
    changed.features.hold_jobs("ping.device", held=False)
    stop.clear()
    threading.Timer(1, stop.set).start()
    sent += _send_pings(changed, stop)
    until(lambda: _count(changed, rows) + _count(changed, late) == events + sent, "each new ping has its row")
    verified = changed.features.verify("pings")
    assert verified.passed, verified.text()


def _send_pings(project: Project, stop: threading.Event) -> int:
    """Send pings, some of which come up to three seconds late, until told to stop; return how many."""
    chance = random.Random(1)
    number = 0
    with Producer(list(project.contracts.values()), project.connection()) as producer:
        while not stop.wait(0.005):
            number += 1
            behind = timedelta(seconds=chance.choice([0, 0, 0, 0.2, 0.9, 1.1, 3]))
            fields = {"device": f"d{number % 40}", "at": datetime.now(UTC) - behind, "load": float(number % 97)}
            producer.send("ping", fields, event_id=str(uuid.uuid4()))
    return number


def _count(project: Project, query: str) -> int:
    return int(project.lake.sql(query).rows[0][0])


def _rows(project: Project) -> int:
    return _count(project, "SELECT count(DISTINCT (source_partition, source_offset)) FROM raw.features_pings")


def _late(project: Project) -> int:
    return _count(project, "SELECT count(*) FROM ops.late_events WHERE view = 'pings'")


def _until_rows(project: Project, count: Callable[[], int], wanted: int) -> None:
    until(lambda: count() == wanted, f"{wanted} rows, late ones included")
