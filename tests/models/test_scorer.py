"""The scorer on a real broker: nothing is lost, whatever dies or changes."""

import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import orjson
import pytest
from falling_silent import JOIN_GROUP, SilentConnection, silent_way
from feature_records import AmountModel, SumModel, feature_value
from headrace_features.online import GuardedSqlite, OnlineRow
from headrace_features.online.errors import OnlineStoreUnavailableError
from headrace_ingestion.settings import KafkaConnection
from headrace_models.declaration import ModelDeclaration
from headrace_models.lookups import model_lookups
from headrace_models.registry import Alias
from headrace_models.scoring.live import LiveModels
from headrace_models.scoring.loading import LoadedModel
from headrace_models.scoring.lookups import OnlineLookups
from headrace_models.scoring.scorer import ScoreFrom, Scorer, ScorerOptions
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.structs import TopicPartition
from small_lake import VIEW
from store_cases import CALL, SUBSCRIBER, load_project
from store_cases import row as online_row

PARTITIONS = 2
OPTIONS = ScorerOptions(instance="scorer-0", poll_alias_seconds=0.05)


class Broker(Protocol):
    bootstrap_servers: str

    def create_topic(self, name: str, partitions: int = 1) -> str: ...


@dataclass
class Topics:
    """The topics of one test, under a prefix of its own."""

    connection: KafkaConnection
    sent: int = 0

    def send(self, values: list[bytes | None], key: bytes | None = None) -> None:
        """Write feature records, of one key or spread over some."""
        producer = KafkaProducer(**self.connection.client_options(), acks="all")
        for value in values:
            own = key or f"s-{self.sent % 5}".encode()
            producer.send(self._name("features.subscriber"), key=own, value=value)
            self.sent += 1
        producer.close()

    def send_rows(self, first: int, count: int, **values: object) -> None:
        """Write feature rows with the event ids `e-<first>` and following."""
        self.send([feature_value(f"e-{number}", **values) for number in range(first, first + count)])

    def read(self, topic: str) -> list[dict[str, Any]]:
        """Return the values of all records of a topic."""
        return [orjson.loads(record.value) for record in self.records(topic)]

    def records(self, topic: str) -> list[Any]:
        """Return all records of a topic."""
        consumer = KafkaConsumer(**self.connection.client_options(), auto_offset_reset="earliest")
        partitions = [TopicPartition(self._name(topic), number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        records: list[Any] = []
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for found in consumer.poll(timeout_ms=200).values():
                records.extend(found)
        consumer.close()
        return records

    def committed(self) -> int:
        """Return how many rows the scorer of `m` has committed."""
        consumer = KafkaConsumer(
            **self.connection.client_options(), group_id=f"headrace-scorer-{self._name('m')}", enable_auto_commit=False
        )
        partitions = [TopicPartition(self._name("features.subscriber"), number) for number in range(PARTITIONS)]
        done = sum(consumer.committed(partition) or 0 for partition in partitions)
        consumer.close()
        return done

    def _name(self, topic: str) -> str:
        return self.connection.topic_prefix + topic


@pytest.fixture
def topics(broker: Broker) -> Topics:
    connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers, topic_prefix=f"t{uuid.uuid4().hex[:8]}.")
    for topic in ("features.subscriber", "scores.m", "alerts", "dead_letters"):
        broker.create_topic(connection.topic_prefix + topic, PARTITIONS)
    return Topics(connection)


@dataclass
class Aliases:
    """A registry in memory."""

    versions: dict[str, str] = field(default_factory=lambda: {"champion": "1"})

    def version_of(self, name: str, alias: Alias) -> str | None:
        return self.versions.get(alias)


def scorer_of(topics: Topics, aliases: Aliases, options: ScorerOptions = OPTIONS) -> Scorer:
    live = LiveModels("m", aliases.version_of, lambda name, version: LoadedModel(name, version, AmountModel()))
    return Scorer(topics.connection, VIEW, live, options)


@contextmanager
def running(scorer: Scorer) -> Iterator[Scorer]:
    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(target=scorer.run, args=(stop, ready.set))
    thread.start()
    try:
        assert ready.wait(60)
        yield scorer
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within a minute: {what}")
        time.sleep(0.02)


def test_every_row_gets_a_score_and_alerts_have_reasons(topics: Topics) -> None:
    topics.send_rows(0, 30, amount=0.2)
    topics.send_rows(30, 3, amount=0.9)
    with running(scorer_of(topics, Aliases())) as scorer:
        until(lambda: scorer.counters.scores == 33, "33 scores")
    scores = topics.read("scores.m")
    assert Counter(score["event_id"] for score in scores) == Counter(f"e-{n}" for n in range(33))
    assert {score["variant"] for score in scores} == {"champion"}
    alerts = topics.read("alerts")
    assert {alert["event_id"] for alert in alerts} == {"e-30", "e-31", "e-32"}
    assert all(alert["reasons"] for alert in alerts)
    assert all(score["reasons"] == [] for score in scores if not score["alert"])


class AwayAtFirst(GuardedSqlite):
    """A store that does not answer the first reads."""

    refused = 0

    def read(self, view: str, keys: Sequence[str]) -> list[OnlineRow | None]:
        if self.refused < 2:
            self.refused += 1
            raise OnlineStoreUnavailableError("the store is away")
        return super().read(view, keys)


def test_rows_wait_for_the_online_store_that_they_are_completed_from(topics: Topics, tmp_path: Path) -> None:
    calls = load_project(tmp_path, {"call": CALL}, {"subscriber": SUBSCRIBER})["subscriber"]
    declared = {"name": "m", "view": "subscriber", "lookups": [{"view": "subscriber", "key": "device_lag_1"}]}
    lookups = model_lookups(ModelDeclaration.model_validate(declared), VIEW, {"subscriber": calls})
    store = AwayAtFirst(tmp_path / "online.db")
    values = {"duration_s_sum_1h": 0.75}
    store.write("subscriber", [online_row("d", 1_772_409_600_000, declaration=calls.digest, features=values)])
    topics.send_rows(0, 5, device_lag_1="d")
    topics.send_rows(5, 5, device_lag_1="unknown")
    live = LiveModels("m", Aliases().version_of, lambda name, version: LoadedModel(name, version, SumModel()))
    with running(Scorer(topics.connection, VIEW, live, OPTIONS, OnlineLookups(store, lookups))) as scorer:
        until(lambda: scorer.counters.scores == 10, "10 scores")
    assert store.refused == 2
    scores = {score["event_id"]: score["score"] for score in topics.read("scores.m")}
    assert scores == {f"e-{n}": 0.75 if n < 5 else 0.0 for n in range(10)}
    store.close()


def test_rows_wait_in_their_topic_for_the_first_champion(topics: Topics) -> None:
    aliases = Aliases({})
    topics.send_rows(0, 20)
    with running(scorer_of(topics, aliases)) as scorer:
        topics.send_rows(20, 20)
        aliases.versions["champion"] = "1"
        until(lambda: scorer.counters.scores == 40, "40 scores")
    assert Counter(score["event_id"] for score in topics.read("scores.m")) == Counter(f"e-{n}" for n in range(40))


def test_a_swap_under_load_loses_no_row_and_doubles_none(topics: Topics) -> None:
    aliases = Aliases()
    with running(scorer_of(topics, aliases)) as scorer:
        topics.send_rows(0, 200)
        until(lambda: scorer.counters.scores > 0, "a first score")
        aliases.versions = {"champion": "2"}
        for start in range(200, 600, 20):
            topics.send_rows(start, 20)
        until(lambda: scorer.counters.rows == 600, "600 rows")
    scores = topics.read("scores.m")
    assert Counter(score["event_id"] for score in scores) == Counter(f"e-{n}" for n in range(600))
    assert {score["version"] for score in scores} == {"1", "2"}


def test_a_challenger_scores_the_same_rows_beside_the_champion(topics: Topics) -> None:
    topics.send_rows(0, 10, amount=0.9)
    with running(scorer_of(topics, Aliases({"champion": "1", "challenger": "2"}))) as scorer:
        until(lambda: scorer.counters.scores == 20, "20 scores")
    made = Counter((score["variant"], score["version"]) for score in topics.read("scores.m"))
    assert made == {("champion", "1"): 10, ("challenger", "2"): 10}
    assert {alert["variant"] for alert in topics.read("alerts")} == {"champion"}


def test_unreadable_rows_and_rows_the_model_fails_on_become_dead_letters(topics: Topics) -> None:
    topics.send_rows(0, 5, amount=0.2)
    topics.send([b"{", feature_value("e-bad", amount=-1)])
    topics.send_rows(5, 5, amount=0.2)
    with running(scorer_of(topics, Aliases())) as scorer:
        until(lambda: scorer.counters.scores == 10 and scorer.counters.dead_letters == 2, "10 scores, 2 dead letters")
    letters = {letter["reason"]: letter for letter in topics.read("dead_letters")}
    assert {reason: letter["event_id"] for reason, letter in letters.items()} == {
        "not_json": None,
        "model_failed": "e-bad",
    }
    unreadable = letters["not_json"]
    assert {name: unreadable[name] for name in ("event", "topic", "key", "value")} == {
        "event": "subscriber",
        "topic": f"{topics.connection.topic_prefix}features.subscriber",
        "key": "s-0",
        "value": "ew==",
    }


def test_a_letter_leaves_out_a_key_that_is_too_large_to_stand_in_it_and_beside_it(topics: Topics) -> None:
    topics.send([b"{"], key=b"k" * 9_000)
    with running(scorer_of(topics, Aliases())):
        until(lambda: len(topics.records("dead_letters")) == 1, "a dead letter")
    (record,) = topics.records("dead_letters")
    letter = orjson.loads(record.value)
    assert (record.key, letter["key"]) == (None, None)
    assert letter["detail"].endswith("(too large to be kept here: the key)")


def test_a_row_that_comes_again_is_dropped(topics: Topics) -> None:
    with running(scorer_of(topics, Aliases())) as scorer:
        topics.send_rows(0, 10)
        until(lambda: scorer.counters.rows == 10, "10 rows")
        topics.send_rows(5, 10)
        until(lambda: scorer.counters.repeats + scorer.counters.rows == 20, "20 records")
    assert scorer.counters.repeats == 5
    assert len(topics.read("scores.m")) == 15


def test_a_scorer_that_stopped_goes_on_where_it_was(topics: Topics) -> None:
    topics.send_rows(0, 10)
    with running(scorer_of(topics, Aliases())) as scorer:
        until(lambda: scorer.counters.rows == 10, "10 rows")
    topics.send_rows(10, 10)
    with running(scorer_of(topics, Aliases())) as scorer:
        until(lambda: scorer.counters.rows == 10, "the other 10 rows")
    assert Counter(score["event_id"] for score in topics.read("scores.m")) == Counter(f"e-{n}" for n in range(20))


def test_offsets_are_committed_before_a_crash_however_seldom_that_is_asked_for(topics: Topics) -> None:
    topics.send_rows(0, 3)
    with running(scorer_of(topics, Aliases(), replace(OPTIONS, commit_every_seconds=3600.0))):
        until(lambda: topics.committed() == 3, "3 rows that are committed")


def test_a_topic_that_is_made_after_the_start_is_scored(broker: Broker) -> None:
    connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers, topic_prefix=f"t{uuid.uuid4().hex[:8]}.")
    topics = Topics(connection)
    with running(scorer_of(topics, Aliases())) as scorer:
        for topic in ("features.subscriber", "scores.m", "alerts", "dead_letters"):
            broker.create_topic(connection.topic_prefix + topic, PARTITIONS)
        topics.send_rows(0, 10)
        until(lambda: scorer.counters.scores == 10, "10 scores")


@pytest.mark.parametrize("score_from", ["earliest", "now"])
def test_no_row_of_a_topic_that_is_made_anew_is_passed_over(
    broker: Broker, topics: Topics, score_from: ScoreFrom, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"{topics.connection.topic_prefix}features.subscriber"
    admin = KafkaAdminClient(**topics.connection.client_options())
    with running(scorer_of(topics, Aliases(), replace(OPTIONS, score_from=score_from))) as scorer:
        sent = 0
        while scorer.counters.rows == 0 or sent < 20:
            topics.send_rows(sent, 1)
            sent += 1
        until(lambda: scorer.counters.scores > 0, "a score")
        admin.delete_topics([name])
        until(lambda: name not in admin.list_topics(), "the end of the topic")
        broker.create_topic(name, PARTITIONS)
        # More of them than there were: the old offsets lie in their midst.
        topics.send_rows(1_000, 10 * sent)
        until(lambda: scorer.counters.scores >= 10 * sent, f"{10 * sent} scores of the new topic")
        until(lambda: f"model m: the topic {name} was made anew" in caplog.text, "a word in the log")
    admin.close()
    scored = {score["event_id"] for score in topics.read("scores.m")}
    assert {f"e-{number}" for number in range(1_000, 1_000 + 10 * sent)} <= scored


def test_a_scorer_whose_request_to_join_is_lost_joins_anew_within_seconds(
    topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    aliases = Aliases({})
    topics.send_rows(0, 10)
    with (
        closing(KafkaAdminClient(**topics.connection.client_options())) as admin,
        silent_way(JOIN_GROUP, nth=2) as way,
    ):
        silent = SilentConnection(**topics.connection.model_dump(), proxy_port=way.port)
        with running(scorer_of(Topics(silent), aliases)) as scorer:
            until(lambda: way.seen == 1, "the first request to join")
            # Another partition makes it join again. It has partitions from the first time when this request is lost.
            admin.create_partitions({f"{silent.topic_prefix}features.subscriber": PARTITIONS + 1})
            until(lambda: way.seen >= 2, "the second request to join")
            aliases.versions["champion"] = "1"
            until(lambda: scorer.counters.scores == 10, "10 scores")
    assert "model m: not let into its group for 15 s, joining anew over new connections" in caplog.text
    assert Counter(score["event_id"] for score in topics.read("scores.m")) == Counter(f"e-{n}" for n in range(10))


def test_scoring_from_now_leaves_older_rows_alone(topics: Topics) -> None:
    topics.send_rows(0, 10)
    options = ScorerOptions(instance="scorer-0", score_from="now")
    with running(scorer_of(topics, Aliases(), options)) as scorer:
        # The start of reading is found out with the first poll; rows are sent until one is seen.
        sent = 10
        while scorer.counters.rows == 0:
            topics.send_rows(sent, 1)
            sent += 1
    assert not {score["event_id"] for score in topics.read("scores.m")} & {f"e-{n}" for n in range(10)}


def test_a_scorer_killed_at_any_moment_loses_no_row(topics: Topics) -> None:
    total = 3_000
    topics.send_rows(0, total)
    seen = 0
    for _ in range(3):
        process = _started(topics)
        try:
            before = seen
            while seen < min(total, before + 300):
                seen = len({score["event_id"] for score in topics.read("scores.m")})
        finally:
            process.kill()
            process.wait()
    with running(scorer_of(topics, Aliases())):
        until(lambda: len({score["event_id"] for score in topics.read("scores.m")}) == total, "a score for every row")


def _started(topics: Topics) -> subprocess.Popen[str]:
    script = Path(__file__).parent / "scorer_process.py"
    command = [sys.executable, str(script), topics.connection.bootstrap_servers, topics.connection.topic_prefix]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as out:
        assert out.readline() == "ready\n"
    return process
