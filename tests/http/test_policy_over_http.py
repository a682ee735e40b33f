"""The policy file rules HTTP beside the scopes of the keys, and every request is written down."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from headrace_features.online.row import OnlineRow, Order
from served_project import written_project
from serving import Client, serving

from headrace.features.online import open_online_store
from headrace.http.keys import project_keys
from headrace.project import Project

POLICY = """\
rules:
  - name: senders
    principals: [sender]
    actions: [events:write]
    resources: [reading]
  - name: readers
    principals: [reader]
    actions: [sql:read]
    resources: [ops.audit]
    where: principal <> 'reader'
    mask: [why]
  - name: feature readers
    principals: [reader]
    actions: [features:read]
    resources: [series]
    mask: [Value_Sum_1h]
"""


@pytest.fixture
def ruled(broker: Any, tmp_path: Path) -> tuple[Project, dict[str, str]]:
    """A project with a policy and two keys with every scope."""
    prefix = broker.fresh_topic().partition(".")[2] + "."
    broker.create_topic(f"{prefix}events.reading")
    flags = {"kafka__bootstrap_servers": broker.bootstrap_servers, "kafka__topic_prefix": prefix}
    project = written_project(tmp_path, **flags)
    (project.folder / "policy.yaml").write_text(POLICY)
    keys = project_keys(project)
    scopes = ("events:write", "sql:read", "features:read")
    return project, {name: keys.add(name, scopes, datetime.now(UTC)) for name in ("sender", "reader")}


def test_a_key_does_what_both_its_scopes_and_the_policy_allow(ruled: tuple[Project, dict[str, str]]) -> None:
    project, keys = ruled
    event = {"series": "s", "at": "2026-01-31T12:00:00Z", "value": 1}
    with serving(project) as port:
        sender, reader, nobody = Client(port, keys["sender"]), Client(port, keys["reader"]), Client(port)
        assert [sender.post("/events/reading", event).status for _ in range(3)] == [200] * 3
        denied = reader.post("/events/reading", event)
        assert (denied.status, denied.data["error"]) == (403, "PolicyError")
        assert sender.get("/features/series/s").status == 403
        assert nobody.post("/sql", {"query": "select 1"}).status == 401
        assert sender.post("/sql", {"query": "select * from events.reading"}).status == 403
    with serving(project) as port:
        reader = Client(port, keys["reader"])
        query = "select principal, action, resource, decision, requests, why from ops.audit order by all"
        lines = reader.post("/sql", {"query": query}).body.splitlines()
        rows = [[str(value) for value in json.loads(line).values()] for line in lines]
        assert reader.post("/sql", {"query": "select * from raw.ops_audit"}).status == 422
    assert rows == [
        ["-", "sql:read", "lake", "denied", "1", "***"],
        ["sender", "events:write", "reading", "allowed", "3", "***"],
        ["sender", "features:read", "series", "denied", "1", "***"],
        ["sender", "sql:read", "events.reading", "denied", "1", "***"],
    ]


def test_a_masked_feature_is_given_as_null_and_named(ruled: tuple[Project, dict[str, str]]) -> None:
    project, keys = ruled
    now_ms = time.time_ns() // 1_000_000
    row = OnlineRow("s", Order(0, now_ms, 7, 0, 0), now_ms, project.views["series"].digest, b'{"value_sum_1h": 3.5}')
    with open_online_store(project) as store:
        store.write("series", [row])
    with serving(project) as port:
        found = Client(port, keys["reader"]).get("/features/series/s").data
    assert (found["freshness"], found["values"], found["masked"]) == ("fresh", {"value_sum_1h": None}, ["value_sum_1h"])
