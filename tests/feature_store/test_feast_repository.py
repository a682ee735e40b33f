"""A generated repository through Feast's own public calls."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from headrace_features.feature_store import FeatureStoreError, generate_repository, open_repository
from headrace_features.online import GuardedStore, OnlineConfig, OnlineRow, open_store
from headrace_features.view import View
from lake_cases import at, write_rows
from store_cases import CALL, SUBSCRIBER, load_project, row

SUM = "duration_s_sum_1h"


class Project:
    """A generated repository with its lake and its online store."""

    def __init__(self, folder: Path, views: dict[str, View], online: OnlineConfig) -> None:
        self.folder = folder / "feast"
        self.lake = folder / "lake"
        self.views = views
        self.config = online
        self.online: GuardedStore = open_store(online)
        self.feast: Any = self.generate(views)

    def generate(self, views: dict[str, View]) -> Any:
        return generate_repository(self.folder, "roaming-demo", views, self.lake, self.config)

    def put(self, *rows: OnlineRow) -> None:
        self.online.write("subscriber", rows)

    def get(self, *keys: str, features: Any = None) -> dict[str, list[Any]]:
        answer = self.feast.get_online_features(
            features=features or self.feast.get_feature_service("subscriber"),
            entity_rows=[{"subscriber_id": key} for key in keys],
        )
        values: dict[str, list[Any]] = answer.to_dict()
        return values


@pytest.fixture(params=["sqlite", "valkey"])
def project(request: pytest.FixtureRequest, tmp_path: Path, views: dict[str, View]) -> Iterator[Project]:
    """A generated repository; once for every kind of online store."""
    if request.param == "sqlite":
        online = OnlineConfig("sqlite", path=tmp_path / "online.db")
    else:
        online = OnlineConfig("valkey", url=request.getfixturevalue("valkey_url"), namespace=uuid.uuid4().hex)
    opened = Project(tmp_path, views, online)
    yield opened
    opened.online.close()


@pytest.fixture
def offline(tmp_path: Path, views: dict[str, View]) -> Iterator[Project]:
    """A generated repository, for what has nothing to do with the online store."""
    opened = Project(tmp_path, views, OnlineConfig("sqlite", path=tmp_path / "online.db"))
    yield opened
    opened.online.close()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_get_online_features_returns_what_the_writer_stored(project: Project, subscriber: View) -> None:
    features = {"country_lag_1": "NO", "duration_s_count_1h": 2**53 + 1, SUM: 2, "is_long": True}
    project.put(row("a", now_ms(), declaration=subscriber.digest, features=features))
    assert project.get("a", "unknown") == {
        "subscriber_id": ["a", "unknown"], "country_lag_1": ["NO", None], "duration_s_count_1h": [2**53 + 1, None],
        SUM: [2.0, None], "is_long": [True, None],
    }  # fmt: skip
    assert project.get("a", features=[f"subscriber:{SUM}"]) == {"subscriber_id": ["a"], SUM: [2.0]}


def test_a_value_older_than_the_ttl_is_null_with_its_clock(project: Project, subscriber: View) -> None:
    old = now_ms() - 25 * 3_600_000
    project.put(row("a", old, declaration=subscriber.digest, features={SUM: 1.0}))
    answer = project.feast.get_online_features(features=[f"subscriber:{SUM}"], entity_rows=[{"subscriber_id": "a"}])
    assert answer.to_dict() == {"subscriber_id": ["a"], SUM: [None]}
    values = answer.proto.results[1]
    assert values.event_timestamps[0].ToMilliseconds() == old
    assert FieldStatus.Name(values.statuses[0]) == "NOT_FOUND"


def test_a_value_of_another_declaration_is_null(project: Project) -> None:
    project.put(row("a", now_ms(), declaration="another", features={SUM: 1.0}))
    assert project.get("a")[SUM] == [None]


def test_a_push_through_feast_never_goes_back(project: Project, subscriber: View) -> None:
    clock = now_ms()
    project.put(row("a", clock, 7, generation=2, declaration=subscriber.digest, features={SUM: 1.0}))

    def push(value: float, ago_ms: int) -> None:
        pushed = {
            "subscriber_id": ["a"],
            "clock": [pd.Timestamp(clock - ago_ms, unit="ms", tz="UTC")],
            "emitted_at": [pd.Timestamp(clock, unit="ms", tz="UTC")],
            "country_lag_1": ["SE"],
            "duration_s_count_1h": [1],
            SUM: [value],
            "is_long": [False],
        }
        project.feast.write_to_online_store("subscriber", pd.DataFrame(pushed))

    push(2.0, ago_ms=1)
    assert project.get("a")[SUM] == [1.0]
    push(3.0, ago_ms=-1)
    assert project.get("a")[SUM] == [3.0]
    push(4.0, ago_ms=0)
    assert project.get("a")[SUM] == [3.0]


def test_a_view_that_is_no_more_is_removed_with_its_rows(project: Project, tmp_path: Path, subscriber: View) -> None:
    project.put(row("a", now_ms(), declaration=subscriber.digest, features={SUM: 1.0}))
    caller = load_project(
        tmp_path / "next", {"call": CALL}, {"caller": SUBSCRIBER.replace("name: subscriber", "name: caller")}
    )
    feast = project.generate(caller)
    assert [view.name for view in feast.list_feature_views()] == ["caller"]
    assert [service.name for service in feast.list_feature_services()] == ["caller"]
    assert [source.name for source in feast.list_data_sources()] == ["features.caller"]
    assert project.online.read("subscriber", ["a"]) == [None]


def test_a_changed_declaration_is_applied_and_hides_older_rows(
    project: Project, tmp_path: Path, subscriber: View
) -> None:
    project.put(row("a", now_ms(), declaration=subscriber.digest, features={SUM: 1.0}))
    text = SUBSCRIBER.replace("take: [count, sum]", "take: [sum, max]")
    changed = load_project(tmp_path / "changed", {"call": CALL}, {"subscriber": text})["subscriber"]
    project.feast = project.generate({"subscriber": changed})
    (view,) = project.feast.list_feature_views()
    assert [field.name for field in view.features] == ["country_lag_1", SUM, "duration_s_max_1h", "is_long"]
    assert project.get("a")[SUM] == [None]
    project.put(row("a", now_ms() + 1, declaration=changed.digest, features={SUM: 2.0, "duration_s_max_1h": 5.0}))
    assert (project.get("a")[SUM], project.get("a")["duration_s_max_1h"]) == ([2.0], [5.0])


def test_get_historical_features_joins_the_lake_as_of_each_row(offline: Project, subscriber: View) -> None:
    rows = [(10, 1.0, 10), (20, 2.0, 25)]
    write_rows(offline.lake, subscriber, [
        {"subscriber_id": "a", "clock": at(clock), SUM: value, "emitted_at": at(emitted)}
        for clock, value, emitted in rows
    ])  # fmt: skip
    spine = pd.DataFrame(
        {"subscriber_id": ["a"] * 4, "event_timestamp": [at(9), at(24), at(25), at(12)], "label": [1, 0, 1, 0]}
    )
    job = offline.feast.get_historical_features(entity_df=spine, features=[f"subscriber:{SUM}"])
    found = job.to_df()
    assert list(found.columns) == ["subscriber_id", "event_timestamp", "label", SUM]
    assert found[SUM].fillna(-1).tolist() == [-1, 1.0, 2.0, 1.0]
    named = offline.feast.get_historical_features(
        entity_df=spine, features=offline.feast.get_feature_service("subscriber"), full_feature_names=True
    ).to_arrow()
    assert "subscriber__is_long" in named.column_names


def test_event_time_sees_values_that_were_made_later(offline: Project, subscriber: View, tmp_path: Path) -> None:
    feast = generate_repository(
        offline.folder, "roaming", offline.views, offline.lake, offline.config, at="event_time"
    )  # fmt: skip
    write_rows(offline.lake, subscriber, [{"subscriber_id": "a", "clock": at(10), SUM: 1.0, "emitted_at": at(99)}])
    spine = pd.DataFrame({"subscriber_id": ["a"], "event_timestamp": [at(12)]})

    def ask(**options: Any) -> list[Any]:
        job = feast.get_historical_features(entity_df=spine, features=[f"subscriber:{SUM}"], **options)
        values: list[Any] = job.to_arrow().column(SUM).to_pylist()
        return values

    assert ask() == [1.0]
    assert ask(filter_by_created_timestamp=True) == [None]


def test_a_spine_may_be_a_query(offline: Project, subscriber: View) -> None:
    write_rows(offline.lake, subscriber, [{"subscriber_id": "a", "clock": at(10), SUM: 1.0}])
    query = f"select 'a' as subscriber_id, timestamptz '{at(11).isoformat()}' as event_timestamp"
    job = offline.feast.get_historical_features(entity_df=query, features=[f"subscriber:{SUM}"])
    assert job.to_arrow().column(SUM).to_pylist() == [1.0]


def test_materialize_fills_an_empty_store_from_the_lake(offline: Project, subscriber: View) -> None:
    recent = datetime.now(UTC).replace(microsecond=0)
    write_rows(offline.lake, subscriber, [
        {"subscriber_id": key, "clock": recent - timedelta(seconds=ago), SUM: value, "generation": 1}
        for key, ago, value in [("a", 20, 1.0), ("a", 10, 2.0), ("b", 5, 3.0)]
    ])  # fmt: skip
    offline.feast.materialize(recent - timedelta(hours=1), recent)
    assert offline.get("a", "b", "c")[SUM] == [2.0, 3.0, None]


def test_a_call_without_entities_is_an_error(offline: Project) -> None:
    with pytest.raises(FeatureStoreError) as caught:
        offline.feast.get_historical_features(features=[f"subscriber:{SUM}"], start_date=at(0), end_date=at(1))
    assert str(caught.value) == (
        "get_historical_features was called without entity_df\n"
        "  expected:  a data frame of entities and instants\n"
        "  given:     end_date, start_date\n"
        "  try:       headrace lake sql 'select * from features.<view>' for a range of time"
    )


@pytest.mark.slow
def test_the_feast_command_line_works_on_the_repository(offline: Project) -> None:
    command = [sys.executable, "-m", "feast.cli.cli", "-c", str(offline.folder), "apply"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "Applying changes for project roaming_demo" in done.stdout
    assert [each.name for each in open_repository(offline.folder).list_feature_services()] == ["subscriber"]
    assert open_repository(offline.folder).get_feature_view("subscriber").ttl == timedelta(hours=24)


def test_a_password_does_not_stand_in_the_files(tmp_path: Path, views: dict[str, View]) -> None:
    online = OnlineConfig("valkey", url="redis://:secret@127.0.0.1:1/0", namespace="roaming")
    generate_repository(tmp_path / "feast", "roaming", views, tmp_path / "lake", online)
    text = (tmp_path / "feast" / "feature_store.yaml").read_text()
    assert "secret" not in text
    assert "url: ${HEADRACE_ONLINE__URL}" in text


def test_keys_of_one_name_and_two_types_are_an_error(tmp_path: Path) -> None:
    sms = CALL.replace("name: call", "name: sms").replace(
        "subscriber_id: {type: string}", "subscriber_id: {type: long}"
    )
    texter = SUBSCRIBER.replace("name: subscriber", "name: texter").replace("source: call", "source: sms")
    views = load_project(tmp_path, {"call": CALL, "sms": sms}, {"subscriber": SUBSCRIBER, "texter": texter})
    with pytest.raises(FeatureStoreError) as caught:
        generate_repository(tmp_path / "feast", "p", views, tmp_path, OnlineConfig("sqlite", path=tmp_path / "o.db"))
    assert str(caught.value) == (
        "the key 'subscriber_id' is of the type INT64 in the view 'texter' and STRING in 'subscriber'\n"
        "  files:     features/subscriber.yaml, features/texter.yaml\n"
        "  expected:  one type for keys of one name\n"
        "  try:       rename the field 'subscriber_id' of the event 'sms'"
    )


def test_a_folder_without_a_repository_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FeatureStoreError) as caught:
        open_repository(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is no Feast repository\n"
        "  expected:  the file feature_store.yaml\n"
        "  try:       headrace features apply"
    )
