"""Personal data over HTTP: clear on its way in and in questions, hashed everywhere behind."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headrace_features.online.row import OnlineRow, Order
from headrace_ingestion.pii import PiiSecret
from served_project import CONTRACT, written_project
from serving import Client, serving

import headrace
from headrace.features.online import open_online_store

SECRET = "0123456789abcdef"
AT = "2026-01-31T12:00:00Z"
CLEAR = "series: {type: string, max_length: 64}"


def test_a_hashed_key_is_sent_and_asked_for_clear_and_stands_nowhere_clear(broker: Any, tmp_path: Path) -> None:
    prefix = f"t{uuid.uuid4().hex[:10]}."
    broker.create_topic(f"{prefix}events.reading", 2)
    flags = {
        "kafka.bootstrap_servers": broker.bootstrap_servers,
        "kafka.topic_prefix": prefix,
        "pii.secret": SECRET,
    }
    written_project(tmp_path)
    (tmp_path / "events" / "reading.yaml").write_text(CONTRACT.replace(CLEAR, CLEAR.replace("}", ", pii: hash}")))
    project = headrace.open(tmp_path, flags=flags)
    hashed, now = PiiSecret(SECRET).hash("alice"), datetime.now(UTC)
    now_ms = int(now.timestamp() * 1_000)
    row = OnlineRow(hashed, Order(0, now_ms, 0, 0), now_ms, project.views["series"].digest, b"{}")
    with open_online_store(project) as store:
        store.write("series", [row])
    with serving(project) as port:
        client = Client(port)
        answers = [client.post("/events/reading", {"series": "alice", "at": AT, "value": 1, "event_id": "one"})]
        # The answer to a refused event does not show its clear key.
        answers.append(client.post("/events/reading", {"series": "alice", "at": AT, "value": -1}))
        assert [answer.status for answer in answers] == [200, 422]
        assert not any(b"alice" in answer.body for answer in answers)
        asked = [client.get(f"/features/series/{key}") for key in ("alice", hashed, "bob")]
    assert [answer.status for answer in asked] == [200, 200, 404]
    assert {answer.data["key"] for answer in asked[:2]} == {hashed}
    (event,) = project.events.tail("reading", start="earliest", count=None)
    assert (event.event_id, event.key, event.fields and event.fields["series"]) == ("one", hashed, hashed)
