"""The process that writes what is made of events, killed while it does: with a real broker, lake and lake writer."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion import Producer

import headrace
from headrace.project import Project
from headrace.topics import make_topics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PAYMENTS = 600
LABELS = 200
FILES = {
    "events/payment.yaml": "name: payment\nversion: 1\nkey: card\ntime: at\n"
    "fields: {card: {type: string}, shop: {type: long}, at: {type: timestamp}}\n",
    "events/report.yaml": "name: report\nversion: 1\nkey: payment_id\ntime: at\n"
    "fields: {payment_id: {type: string}, fraud: {type: bool}, at: {type: timestamp}}\n",
    "events/outcome.yaml": "name: outcome\nversion: 1\nkey: shop\n"
    "join: {label: report, to: payment, by: payment_id, delay: 7d, wait: 8s}\n",
    "events/at_shop.yaml": "name: at_shop\nversion: 1\nkey: shop\nmerge: [payment, outcome]\n",
}


@pytest.fixture
def project(tmp_path: Path, broker: Any) -> Project:
    """A project with a join and a merge, on the broker of the session."""
    kafka = f"{{bootstrap_servers: '{broker.bootstrap_servers}', topic_prefix: 'w{time.time_ns()}.', partitions: 2}}"
    (tmp_path / "events").mkdir()
    (tmp_path / "headrace.yaml").write_text(f"name: trial\nkafka: {kafka}\n")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    found = headrace.open(tmp_path)
    make_topics(found)
    return found


@contextmanager
def worker(project: Project, module: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker; it is killed in the end."""
    command = [sys.executable, "-m", f"headrace.workers.{module}", "--project", str(project.folder), "--name", module]
    log = (project.folder / f"{module}.log").open("ab")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


def until(project: Project, what: str, enough: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 100
    while not enough():
        logs = [log.read_text()[-1500:] for log in project.folder.glob("*.log")]
        assert time.monotonic() < deadline, (what, logs)
        time.sleep(1.5)


def count(project: Project, table: str) -> int:
    return int(project.lake.sql(f"SELECT count(*) FROM {table}").rows[0][0])


@pytest.mark.full
def test_what_is_made_of_events_is_there_once_after_a_kill(project: Project) -> None:
    began = datetime.now(UTC)
    with worker(project, "lake_writer"), Producer(project.contracts.values(), project.connection()) as producer:
        with worker(project, "rekey") as killed:
            for number in range(PAYMENTS):
                fields = {"card": f"c{number % 7}", "shop": number % 5, "at": began + timedelta(milliseconds=number)}
                producer.send("payment", fields, event_id=f"p{number}")
            until(project, "the merge has begun", lambda: count(project, "events.at_shop") > 0)
            # Some labels come before their payment is in the lake, and one whose payment never comes.
            for number in range(LABELS):
                label = {"payment_id": f"p{number}", "fraud": number % 3 == 0, "at": began + timedelta(seconds=9)}
                producer.send("report", label, event_id=f"l{number}")
            lost = producer.send("report", {"payment_id": "none", "fraud": True, "at": began}, event_id="lost")
            lost.result(30)
            killed.kill()
        with worker(project, "rekey"):
            until(project, "all labels are joined", lambda: count(project, "events.outcome") >= LABELS)
            until(project, "all is merged", lambda: count(project, "events.at_shop") >= PAYMENTS + LABELS)
            letters = "SELECT event, event_id FROM ops.dead_letters WHERE reason = 'unmatched'"
            until(project, "the last label is a dead letter", lambda: len(project.lake.sql(letters).rows) > 0)
    assert project.lake.sql(letters).rows == [("report", "lost")]
    ids = "SELECT count(*), count(DISTINCT event_id) FROM raw."
    assert project.lake.sql(f"{ids}events_outcome").rows == [(LABELS, LABELS)]
    assert project.lake.sql(f"{ids}events_at_shop").rows == [(PAYMENTS + LABELS, PAYMENTS + LABELS)]
    wrong = """
        SELECT count(*) FROM events.outcome o JOIN events.payment p ON p.event_id = o.payment_id
        WHERE o.shop <> p.shop OR o.visible_at <> p.at + INTERVAL 7 DAY OR o.told_at <> o.report_at
    """
    assert project.lake.sql(wrong).rows == [(0,)]
