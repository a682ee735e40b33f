"""Which topic a job's state is of, on a real broker."""

import threading
from pathlib import Path
from typing import Any

import pytest
from headrace_features.resolve import load_view
from headrace_ingestion.contract import Contract
from headrace_streaming.checkpoints import StateFolder
from headrace_streaming.plan import plan_job
from headrace_streaming.topics import GroupTopics
from kafka import KafkaAdminClient
from lake_records import CALL, until

from headrace.features.backfill import BackfillError, _check_is_one_topic
from headrace.topic_identity import SeenTopics, await_another, topic_id


def made_anew(broker: Any, topic: str) -> None:
    """Delete a topic and make it again."""
    admin = KafkaAdminClient(**broker.connection.client_options())
    admin.delete_topics([topic])
    until(lambda: topic not in admin.list_topics())
    admin.close()
    broker.create_topic(topic)


def test_a_topic_that_is_made_anew_under_a_job_stops_it(broker: Any) -> None:
    topic = broker.fresh_topic()
    known = topic_id(broker.connection, topic)
    assert known is not None
    stop, answers = threading.Event(), list[bool]()

    def watch() -> None:
        answers.append(await_another(broker.connection, topic, known, stop))

    thread = threading.Thread(target=watch)
    thread.start()
    made_anew(broker, topic)
    thread.join(30)
    assert (answers, stop.is_set()) == ([True], True)
    assert topic_id(broker.connection, topic) != known
    assert topic_id(broker.connection, f"{topic}.none") is None


def test_state_is_of_the_topic_that_was_read_last(tmp_path: Path) -> None:
    seen = SeenTopics(tmp_path / "job")
    assert not seen.is_another("one")
    seen.note("one")
    seen.note("one")
    assert (seen.is_another("one"), seen.is_another("two"), seen.are_several) == (False, True, False)
    seen.note("two")
    again = SeenTopics(tmp_path / "job")
    assert (again.is_another("two"), again.is_another("one"), again.are_several) == (False, True, True)


def test_no_past_is_computed_from_offsets_of_two_topics(tmp_path: Path) -> None:
    declaration = tmp_path / "subscriber.yaml"
    declaration.write_text(
        "name: subscriber\nsource: call\nkey: subscriber_id\nttl: 24h\n"
        "features: [{lag: {of: duration_s, steps: [1]}}]\n"
    )
    contracts: dict[str, Contract] = {"call": CALL}
    plan = plan_job([load_view(declaration, contracts)], GroupTopics("p."))
    state = StateFolder(tmp_path / "job", "digest")
    SeenTopics(state.root).note("one")
    _check_is_one_topic(plan, state)
    SeenTopics(state.root).note("two")
    with pytest.raises(BackfillError) as refused:
        _check_is_one_topic(plan, state)
    assert str(refused.value) == (
        "the topic p.events.call was deleted and made anew: offsets of its events in the lake are of two topics\n"
        f"  job:       {plan.group}\n"
        "  expected:  one topic, in whose order the past ends and the job begins\n"
        "  try:       headrace features verify subscriber"
    )
