"""Flink SQL over topics that were declared; by a real Flink over a real broker."""

import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from headrace_ingestion.contract import Contract
from headrace_lake.tables import events_table, scores_table
from kafka import KafkaProducer

import headrace
from headrace.cli.root import root
from headrace.flink_sql.tables import Reading, declare
from headrace.project import Project
from headrace.topics import make_topics

CONTRACT = """\
name: purchase
version: 1
key: customer
time: bought_at
topic: {compression: gzip}
fields:
  customer:  {type: string}
  bought_at: {type: timestamp}
  total:     {type: decimal, precision: 12, scale: 2}
  born:      {type: date, required: false}
  state:     {type: enum, values: [new, paid], default: new}
  lines:
    type: list
    items:
      type: object
      fields:
        article: {type: string}
        count:   {type: int}
  counters: {type: map, values: {type: long}, required: false}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with one event of all kinds of types."""
    (tmp_path / "events").mkdir()
    (tmp_path / "headrace.yaml").write_text("name: trial\n")
    (tmp_path / "events" / "purchase.yaml").write_text(CONTRACT)
    return tmp_path


def purchase(number: int) -> dict[str, Any]:
    """The `number`-th purchase."""
    return {
        "customer": f"c{number % 2}",
        "bought_at": f"2026-01-31T12:00:0{number}.500Z",
        "total": f"{number}.25",
        "born": "2000-02-03",
        "lines": [{"article": "a", "count": number}],
        "counters": {"x": number},
    }


def asked(project: Project, *requests: dict[str, Any]) -> list[Any]:
    """What a process answers to these."""
    script = Path(__file__).with_name("run_statements.py")
    kafka = project.settings.kafka
    command = [sys.executable, str(script), str(project.folder), kafka.bootstrap_servers or "", kafka.topic_prefix]
    lines = "\n".join(json.dumps(request) for request in requests)
    answer = subprocess.run(command, input=lines, capture_output=True, text=True, check=False, timeout=200)
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_a_session_reads_declared_topics_and_nothing_else(broker: Any, folder: Path) -> None:
    prefix = f"t{uuid.uuid4().hex[:10]}."
    flags = {"kafka.bootstrap_servers": broker.bootstrap_servers, "kafka.topic_prefix": prefix, "kafka.partitions": "2"}
    project = headrace.open(folder, flags=flags)
    make_topics(project)
    lines = [json.dumps({**purchase(n), "event_id": f"p{n}"}).encode() for n in range(4)]
    assert len(list(project.events.send_lines("purchase", lines))) == 4
    # What is no event of the contract is no row, and does not end the query.
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, compression_type="zstd")
    producer.send(f"{prefix}events.purchase", key=b"c9", value=b"not JSON").get(30)
    producer.close()
    own = "customer, bought_at, total, born, state, lines, counters, event_id, _key"
    rows, sums, dropped, unknown, hinted, followed = asked(
        project,
        {"sql": f"SELECT {own} FROM events.purchase WHERE total > 3"},
        {"sql": "SELECT customer, count(*) AS n, sum(total) AS s FROM events.purchase GROUP BY customer"},
        {"sql": "DROP TABLE events.purchase"},
        {"sql": "SELECT nothing FROM events.purchase"},
        {"sql": "SELECT * FROM events.purchase /*+ OPTIONS('topic' = 'other') */"},
        {"sql": "SELECT customer FROM events.purchase WHERE total > 1", "follow": True, "limit": 2},
    )
    assert rows["rows"] == [
        [
            "c1",
            "2026-01-31T12:00:03.500Z",
            "3.25",
            "2000-02-03",
            "new",
            [{"article": "a", "count": 3}],
            {"x": 3},
            "p3",
            "c1",
        ]
    ]
    assert sorted(row for row in sums["rows"] if row[0]) == [["c0", 2, "2.50"], ["c1", 2, "4.50"]]
    assert dropped["error"] == (
        "the statement is no reading one: DropTableOperation\n"
        "  expected:  one of SELECT, EXPLAIN, DESCRIBE, SHOW\n"
        "  try:       SELECT * FROM events.… LIMIT 10"
    )
    assert unknown["error"].splitlines()[0] == ("Flink refuses the statement: Column 'nothing' not found in any table")
    assert "OPTIONS" in hinted["error"] or "hint" in hinted["error"]
    assert followed["columns"] == ["op", "customer"]
    assert [row[0] for row in followed["rows"]] == ["+I", "+I"]


def test_a_topic_is_declared_with_the_types_of_its_table() -> None:
    contract = Contract.model_validate(
        {
            "name": "odd",
            "version": 1,
            "key": "id",
            "time": "at",
            "fields": {"id": {"type": "long"}, "at": {"type": "timestamp"}},
        }
    )
    text = declare(events_table(contract, "p."), Reading("h:1", {"sasl.jaas.config": "x 'y';"}))
    assert text.splitlines()[:3] == ["CREATE TABLE `events`.`odd` (", "  `id` BIGINT,", "  `at` TIMESTAMP_LTZ(3),"]
    assert "'properties.sasl.jaas.config' = 'x ''y'';'" in text
    assert "'scan.bounded.mode' = 'latest-offset'" in text
    since = Reading("h:1", {}, datetime(2026, 1, 31, tzinfo=UTC), follow=True)
    scores = declare(scores_table("fraud", "p."), since)
    assert "  `event_time_ms` BIGINT,\n  `event_time` AS TO_TIMESTAMP_LTZ(`event_time_ms`, 3),\n" in scores
    assert "'scan.startup.timestamp-millis' = '1769817600000'" in scores
    assert "bounded" not in scores


def test_a_wrong_start_is_a_usage_error_and_a_stack_that_is_down_is_said(folder: Path) -> None:
    command = ["events", "sql", "SELECT 1", "--project", str(folder)]
    answer = CliRunner().invoke(root, [*command, "--from", "never"])
    assert (answer.exit_code, "'never' is not a time" in answer.stderr) == (2, True)
    answer = CliRunner().invoke(root, command)
    assert answer.exit_code == 1
    assert answer.stderr.startswith("NotRunningError: the stack of this project is not running\n")
