"""The writer on a real broker: every record once, whatever is stopped, added or made anew."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from headrace_ingestion.settings import KafkaConnection
from headrace_lake import (
    FlushPolicy,
    Lake,
    LakeError,
    LakeWriter,
    TableSpec,
    events_table,
    features_table,
    scores_table,
)
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewPartitions
from lake_records import (
    CALL,
    FAST,
    call_record,
    feature_fields,
    json_record,
    rows_written,
    running_writer,
    score_fields,
    send,
    until,
)

NewTopic = Callable[[TableSpec, int], None]


@pytest.fixture
def prefix() -> str:
    """What stands before the topics of one test."""
    return f"t{uuid4().hex[:8]}."


def places(lake: Path, table: str) -> list[tuple[int, int]]:
    """Partition and offset of every row, sorted."""
    return Lake(lake).sql(f"select _partition, _offset from raw.{table} order by all").rows


def test_events_are_stored_once_and_visible_within_five_seconds(broker: Any, tmp_path: Path, prefix: str) -> None:
    spec = events_table(CALL, prefix)
    broker.create_topic(spec.topic, 3)
    with running_writer(broker.connection, tmp_path, [spec], FlushPolicy()):
        send(broker.connection, spec.topic, [call_record(number) for number in range(300)], partitions=3)
        until(lambda: len(Lake(tmp_path, [spec]).sql("select 1 from events.call").rows) == 300, seconds=5)
    assert places(tmp_path, "events_call") == [(part, at) for part in range(3) for at in range(100)]


def test_a_writer_goes_on_where_the_last_one_stopped(broker: Any, tmp_path: Path, prefix: str) -> None:
    spec = events_table(CALL, prefix)
    broker.create_topic(spec.topic)
    for first in (0, 50):
        send(broker.connection, spec.topic, [call_record(number) for number in range(first, first + 50)])
        with running_writer(broker.connection, tmp_path, [spec]) as writer:
            until(lambda writer=writer: rows_written(writer, "events.call") == 50)  # type: ignore[misc]  # bound now
    assert places(tmp_path, "events_call") == [(0, at) for at in range(100)]


def test_what_waits_is_written_at_the_stop(broker: Any, tmp_path: Path, prefix: str) -> None:
    spec = events_table(CALL, prefix)
    broker.create_topic(spec.topic)
    send(broker.connection, spec.topic, [call_record(number) for number in range(10)])
    with running_writer(broker.connection, tmp_path, [spec], FlushPolicy(interval_ms=3_600_000)) as writer:
        until(lambda: writer.status()["events.call"].waiting_rows == 10)
        assert rows_written(writer, "events.call") == 0
    assert len(places(tmp_path, "events_call")) == 10


def test_two_writers_at_once_leave_every_row_once(broker: Any, tmp_path: Path, prefix: str) -> None:
    spec = events_table(CALL, prefix)
    broker.create_topic(spec.topic, 2)
    with (
        running_writer(broker.connection, tmp_path, [spec]) as one,
        running_writer(broker.connection, tmp_path, [spec]) as other,
    ):
        for first in range(0, 2_000, 100):
            send(broker.connection, spec.topic, [call_record(at) for at in range(first, first + 100)], partitions=2)
        until(lambda: rows_written(one, "events.call") + rows_written(other, "events.call") == 2_000)
    assert places(tmp_path, "events_call") == [(part, at) for part in range(2) for at in range(1_000)]


def test_aborted_feature_rows_are_left_out_and_markers_leave_no_gap(broker: Any, tmp_path: Path, prefix: str) -> None:
    spec = features_table("v", "subscriber_id", "string", [("duration_s_sum_1h", "double")], prefix)
    broker.create_topic(spec.topic)
    producer = KafkaProducer(**broker.connection.client_options(), transactional_id=f"{prefix}job")
    producer.init_transactions()
    values = iter([json_record(spec.topic, at, feature_fields(at)).value for at in range(100)])

    def transaction(rows: int, *, commit: bool) -> None:
        producer.begin_transaction()
        for _ in range(rows):
            producer.send(spec.topic, next(values), key=b"k")
        producer.flush()
        if commit:
            producer.commit_transaction()
        else:
            producer.abort_transaction()

    with running_writer(broker.connection, tmp_path, [spec]) as writer:
        transaction(3, commit=True)
        transaction(2, commit=False)
        until(lambda: rows_written(writer, "features.v") == 3)
        transaction(3, commit=True)
        until(lambda: rows_written(writer, "features.v") == 6)
    transaction(1, commit=False)
    transaction(1, commit=True)
    producer.close()
    with running_writer(broker.connection, tmp_path, [spec]) as writer:
        until(lambda: rows_written(writer, "features.v") == 1)
    ids = Lake(tmp_path).sql("select event_id from features.v order by all").rows
    assert [int(event_id[5:]) for (event_id,) in ids] == [0, 1, 2, 5, 6, 7, 9]


def test_a_score_that_comes_again_is_stored_once(broker: Any, tmp_path: Path, prefix: str) -> None:
    spec = scores_table("fraud", prefix)
    broker.create_topic(spec.topic)
    scores = [json_record(spec.topic, at, score_fields(at)) for at in range(40)]
    with running_writer(broker.connection, tmp_path, [spec]) as writer:
        send(broker.connection, spec.topic, scores)
        until(lambda: rows_written(writer, "scores.fraud") == 40)
        send(broker.connection, spec.topic, scores)
        until(lambda: writer.status()["scores.fraud"].counters.repeats == 40)
    with running_writer(broker.connection, tmp_path, [spec]) as writer:
        send(broker.connection, spec.topic, scores)
        until(lambda: writer.status()["scores.fraud"].counters.repeats == 40)
    assert Lake(tmp_path).sql("select count(*), count(distinct event_id) from scores.fraud").rows == [(40, 40)]


def test_a_topic_that_is_missing_holds_back_no_other_and_is_read_once_it_exists(
    broker: Any, tmp_path: Path, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls, scores = events_table(CALL, prefix), scores_table("fraud", prefix)
    broker.create_topic(calls.topic)
    with running_writer(broker.connection, tmp_path, [calls, scores]) as writer:
        send(broker.connection, calls.topic, [call_record(0)])
        until(lambda: rows_written(writer, "events.call") == 1)
        assert f"topic {scores.topic} does not exist: table scores.fraud waits for it" in caplog.text
        broker.create_topic(scores.topic)
        send(broker.connection, scores.topic, [json_record(scores.topic, 0, score_fields(0))])
        until(lambda: rows_written(writer, "scores.fraud") == 1)


def test_partitions_that_are_added_are_read_from_their_beginning(broker: Any, tmp_path: Path, prefix: str) -> None:
    spec = events_table(CALL, prefix)
    broker.create_topic(spec.topic)
    admin = KafkaAdminClient(**broker.connection.client_options())
    with running_writer(broker.connection, tmp_path, [spec]) as writer:
        send(broker.connection, spec.topic, [call_record(number) for number in range(10)])
        until(lambda: rows_written(writer, "events.call") == 10)
        admin.create_partitions({spec.topic: NewPartitions(2)})
        send(broker.connection, spec.topic, [call_record(number) for number in range(10)], partitions=2)
        until(lambda: rows_written(writer, "events.call") == 20)
    admin.close()
    assert places(tmp_path, "events_call") == [*((0, at) for at in range(15)), *((1, at) for at in range(5))]


def test_a_topic_that_is_made_anew_is_read_from_its_beginning(broker: Any, tmp_path: Path, prefix: str) -> None:
    spec = events_table(CALL, prefix)
    broker.create_topic(spec.topic)
    admin = KafkaAdminClient(**broker.connection.client_options())
    with running_writer(broker.connection, tmp_path, [spec]) as writer:
        send(broker.connection, spec.topic, [call_record(number) for number in range(20)])
        until(lambda: rows_written(writer, "events.call") == 20)
        admin.delete_topics([spec.topic])
        until(lambda: admin.describe_topics([spec.topic])[0]["error_code"] != 0)
        broker.create_topic(spec.topic)
        send(broker.connection, spec.topic, [call_record(number) for number in range(20, 35)])
        until(lambda: rows_written(writer, "events.call") == 35)
    admin.close()
    ids = Lake(tmp_path).sql("select event_id from events.call order by all").rows
    assert ids == [(f"call-{number:06d}",) for number in range(35)]


def test_a_writer_waits_for_a_broker_that_is_away_and_stops_when_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = LakeWriter(KafkaConnection(bootstrap_servers="127.0.0.1:1"), tmp_path, [events_table(CALL)], FAST)
    stop = threading.Event()
    thread = threading.Thread(target=writer.run, args=(stop,))
    thread.start()
    until(lambda: "no broker answers at 127.0.0.1:1" in caplog.text)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_two_tables_of_one_topic_are_refused() -> None:
    connection = KafkaConnection(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(LakeError) as error:
        LakeWriter(connection, Path("lake"), [events_table(CALL), events_table(CALL)])
    assert str(error.value).splitlines()[:2] == [
        "the topic 'events.call' feeds two tables", "  tables:  events.call, events.call"
    ]  # fmt: skip
