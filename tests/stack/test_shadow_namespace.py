"""Namespaces of runs beside production, on a real broker: apart from each other, and gone afterwards."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from headrace_ingestion import Producer
from kafka import KafkaAdminClient

import headrace
from headrace.project import Project
from headrace.shadow.errors import ShadowError
from headrace.shadow.namespace import clear_namespaces, namespaces_folder, own_namespace
from headrace.shadow.span import span_of
from headrace.topics import make_topics

EVENT = """
name: call
version: 1
key: subscriber
time: at
fields: {subscriber: {type: string}, at: {type: timestamp}}
"""
VIEW = "{name: calls, source: call, key: subscriber, features: [{since_last: {}}], ttl: 1h}"


@pytest.fixture
def project(broker: Any, tmp_path: Path) -> Project:
    """A project with topics of its own."""
    kafka = {
        "bootstrap_servers": broker.bootstrap_servers,
        "topic_prefix": f"{uuid.uuid4().hex[:8]}.",
        "partitions": 2,
    }
    for name, text in {
        "headrace.yaml": json.dumps({"name": "trial", "kafka": kafka}),
        "events/call.yaml": EVENT,
        "features/calls.yaml": VIEW,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return headrace.open(tmp_path, environ={})


def topics_of(project: Project) -> set[str]:
    admin = KafkaAdminClient(**project.connection().client_options())
    try:
        prefix = project.settings.kafka.topic_prefix
        return {name.removeprefix(prefix) for name in admin.list_topics() if name.startswith(prefix)}
    finally:
        admin.close()


def test_two_runs_at_once_share_no_topic_and_each_takes_its_own_away(project: Project) -> None:
    views = list(project.views.values())
    with own_namespace(project, "calls", views) as one:
        with own_namespace(project, "calls", views) as other:
            names = {f"shadow.{run.name}.{topic}" for run in (one, other) for topic in (
                "features.calls", "late_events", "duplicates", "dead_letters")}  # fmt: skip
            assert topics_of(project) == names
            assert one.plan.topics.of_event(views[0].contract) == f"{project.settings.kafka.topic_prefix}events.call"
        assert topics_of(project) == {name for name in names if one.name in name}
        assert one.folder.is_dir()
        assert not other.folder.exists()
    assert topics_of(project) == set()


def test_what_a_killed_run_has_left_is_removed_by_the_next_and_what_was_kept_when_asked(project: Project) -> None:
    views = list(project.views.values())
    with own_namespace(project, "calls", views, keep=True) as kept:
        pass
    with own_namespace(project, "calls", views, keep=True) as killed:
        pass
    # Whoever is killed keeps neither its lock nor a word.
    (killed.folder / "kept").unlink()
    with own_namespace(project, "calls", views):
        assert not killed.folder.exists()
        assert kept.folder.is_dir()
        assert not [name for name in topics_of(project) if killed.name in name]
        assert clear_namespaces(project) == [kept.name]
        assert len(topics_of(project)) == 4
    assert not [path for path in namespaces_folder(project).iterdir() if path.is_dir()]


def test_a_range_is_cut_at_what_the_topic_holds_and_production_has_reached(project: Project) -> None:
    make_topics(project)
    connection = project.connection()
    begun = datetime(2026, 3, 1, tzinfo=UTC)
    with Producer(list(project.contracts.values()), connection) as producer:
        for minute in range(6):
            at = begun.replace(minute=minute)
            producer.send("call", {"subscriber": "a", "at": at}, timestamp_ms=int(at.timestamp() * 1000))
        producer.flush()
    topic = f"{connection.topic_prefix}events.call"
    partition = max(span_of(connection, topic, None, None, reach={0: 9, 1: 9}).ends.items(), key=lambda end: end[1])[0]

    def part(begin: Any, end: Any, reach: int = 9) -> tuple[int, int]:
        span = span_of(connection, topic, begin, end, reach={partition: reach})
        return span.begins[partition], span.ends[partition]

    assert part(None, None) == (0, 6)
    assert part(None, None, reach=4) == (0, 4)
    assert part({partition: 2}, {partition: 5}) == (2, 5)
    assert part(begun.replace(minute=1), begun.replace(minute=3)) == (1, 3)
    assert part(begun.replace(minute=30), None) == (6, 6)
    assert span_of(connection, f"{topic}.nobody", None, None, reach={0: 3}).offsets == 0


def test_a_view_without_rows_has_nothing_to_be_compared_with(project: Project) -> None:
    with pytest.raises(ShadowError) as caught:
        project.features.shadow("calls")
    assert str(caught.value) == (
        "the lake holds no row of calls: there is nothing to compare with\n"
        "  table:     features.calls\n"
        "  compared:  a shadow run with the rows of production\n"
        "  try:       headrace status"
    )
