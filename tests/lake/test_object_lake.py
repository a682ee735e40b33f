"""The lake on a store that speaks S3: the same promises as in a folder."""

import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake.exceptions import CommitFailedError
from headrace_features.feature_store.point_in_time import Lookup, join_features
from headrace_lake import Lake, LakeError, LakeWriteError, QueryError, scores_table
from headrace_lake.commit import Committed, Seek, append, commit
from headrace_lake.decode import compile_decoder
from headrace_lake.delta_table import active_files, open_for_append, open_for_read, write_error
from headrace_lake.history import table_history
from headrace_lake.object_store import ObjectPlace, ObjectStore
from headrace_lake.offsets import OffsetRange
from headrace_lake.unique import StoredKeys
from headrace_lake.upkeep.compact import compact
from headrace_lake.upkeep.files import KeptTable, kept_tables
from headrace_lake.upkeep.record import Entry, last_done, record
from headrace_lake.upkeep.retain import Tiers, retain
from headrace_lake.upkeep.vacuum import LEAST_AGE, vacuum
from lake_records import START_MS, SUBSCRIBER, json_record, score_fields
from object_lake import fresh_lake, running_store
from upkeep_tables import APP, instant, rows_of

import headrace
from headrace.tables import lake_path


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """A store, the same for all tests here."""
    with running_store() as store:
        yield store


@pytest.fixture
def lake(store: ObjectStore) -> ObjectPlace:
    """A lake of its own."""
    return fresh_lake(store)


def write(lake: ObjectPlace, first: int, last: int) -> None:
    """Commit rows as the writer does, ten a file."""
    for start in range(first, last, 10):
        outcome = commit(lake, SUBSCRIBER, rows_of(start, start + 10), {APP: OffsetRange(start or None, start + 10)})
        assert isinstance(outcome, Committed)


def table(lake: ObjectPlace) -> KeptTable:
    """The table as upkeep sees it."""
    (found,) = kept_tables(lake, [SUBSCRIBER], ["features.subscriber"])
    return found


def offsets(lake: ObjectPlace) -> list[int]:
    """All offsets in the table, sorted."""
    return [at for (at,) in Lake(lake, [SUBSCRIBER]).sql("select _offset from features.subscriber order by 1").rows]


def test_of_two_handles_of_one_version_the_second_is_refused(lake: ObjectPlace) -> None:
    first, second = open_for_append(lake, SUBSCRIBER), open_for_append(lake, SUBSCRIBER)
    append(first, rows_of(0, 10), {APP: 10})
    with pytest.raises(CommitFailedError):
        append(second, rows_of(0, 10), {APP: 10})
    assert commit(lake, SUBSCRIBER, rows_of(0, 10), {APP: OffsetRange(None, 10)}) == Seek({APP: 10})
    assert offsets(lake) == list(range(10))


def test_writers_that_race_for_the_same_batches_leave_each_row_once(lake: ObjectPlace) -> None:
    outcomes: list[Committed | Seek] = []

    def write_all() -> None:
        start: int | None = None
        while (start or 0) < 20:
            first = start or 0
            outcome = commit(lake, SUBSCRIBER, rows_of(first, first + 5), {APP: OffsetRange(start, first + 5)})
            outcomes.append(outcome)
            start = first + 5 if isinstance(outcome, Committed) else outcome.recorded[APP]

    threads = [threading.Thread(target=write_all) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert offsets(lake) == list(range(20))
    assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 4


def test_a_row_that_stands_in_the_table_already_is_left_out_by_a_writer_that_begins_anew(lake: ObjectPlace) -> None:
    spec = scores_table("fraud")
    rows = compile_decoder(spec)([json_record(spec.topic, at, score_fields(at)) for at in range(10)]).rows
    assert isinstance(commit(lake, spec, rows.slice(0, 7), {APP: OffsetRange(None, 7)}), Committed)
    again = commit(lake, spec, rows, {APP: OffsetRange(7, 17)}, StoredKeys(spec, lake=lake))
    assert again == Committed(2, 3, 7)
    few = commit(lake, spec, rows, {APP: OffsetRange(17, 27)}, StoredKeys(spec, large_rows=1, lake=lake))
    assert few == Committed(3, 0, 10)


def test_a_query_reads_the_files_of_the_lake_and_no_others(lake: ObjectPlace) -> None:
    write(lake, 0, 20)
    write(fresh := fresh_lake(lake.store), 0, 10)
    stored = Lake(lake, [SUBSCRIBER])
    assert stored.sql("select count(*), max(duration_s_count_1h) from features.subscriber").rows == [(20, 19)]
    (foreign,) = active_files(open_for_append(fresh, SUBSCRIBER))
    with pytest.raises(QueryError):
        stored.sql(f"select * from read_parquet('{foreign}')")
    with pytest.raises(QueryError):
        stored.sql("select * from read_text('s3://lakes/**')")


def test_statistics_rule_out_files_before_they_are_read(lake: ObjectPlace) -> None:
    write(lake, 0, 40)
    handle = open_for_read(lake / "features" / "subscriber")
    assert handle is not None
    (file,) = active_files(handle, "_offset >= 30")
    read = pa.table(Lake(lake, [SUBSCRIBER]).connect().sql(f"select _offset from '{file}'").to_arrow_table())
    assert read.column("_offset").to_pylist() == list(range(30, 40))


def test_tables_their_description_and_their_history_come_from_the_log(lake: ObjectPlace) -> None:
    assert [(one.name, one.version) for one in Lake(lake, [SUBSCRIBER]).tables()] == [("subscriber", None)]
    write(lake, 0, 30)
    (info,) = Lake(lake, [SUBSCRIBER]).tables()
    assert (info.rows, info.files, info.version) == (30, 3, 3)
    described = Lake(lake, [SUBSCRIBER]).describe("features.subscriber")
    assert (described.rows, described.key, described.newest_commit is None) == (30, "subscriber_id", False)
    changes = [(one.version, one.operation, one.rows_added) for one in table_history(table(lake))]
    assert changes == [(3, "write", 10), (2, "write", 10), (1, "write", 10), (0, "create table", 0)]


def test_upkeep_keeps_every_row_and_every_offset(lake: ObjectPlace) -> None:
    write(lake, 0, 30)
    done = compact(table(lake))
    assert (done.files_before, done.files_after, done.rows) == (3, 1, 30)
    assert offsets(lake) == list(range(30))
    before = Lake(lake, [SUBSCRIBER]).sql("select count(*) from features.subscriber", as_of="features.subscriber=2")
    assert before.rows == [(20,)]
    retained = retain(table(lake), Tiers(delete_after=timedelta(days=1)), START_MS + 86_400_000 + 25)
    assert (retained.deleted_rows, offsets(lake)) == (25, list(range(25, 30)))
    # All that went, went a moment ago.
    assert vacuum(table(lake), age=LEAST_AGE).files == 0
    assert any(place.name.endswith(".checkpoint.parquet") for place in (table(lake).folder / "_delta_log").iterdir())
    write(lake, 30, 40)
    assert offsets(lake) == list(range(25, 40))
    record(lake, [Entry("features.subscriber", "compact", "test")], START_MS)
    assert set(last_done(lake)) == {("features.subscriber", "compact")}


def test_a_bucket_that_is_not_there_is_named_with_what_to_type(store: ObjectStore) -> None:
    nowhere = ObjectPlace.of("s3://nowhere/lake", store)
    with pytest.raises(LakeError) as error:
        Lake(nowhere).tables()
    assert str(error.value) == (
        "the store of s3://nowhere/lake/ops/upkeep/_delta_log cannot be asked: there is no bucket 'nowhere'\n"
        f"  endpoint:       {store.endpoint}\n"
        "  access_key_id:  writer\n"
        f"  try:            aws s3 ls s3://nowhere/ --endpoint-url {store.endpoint}"
    )
    assert "s3cret" not in str(error.value) + repr(nowhere)


def test_a_commit_that_the_store_refuses_says_what_the_store_has_said(lake: ObjectPlace) -> None:
    answer = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
    error = write_error(SUBSCRIBER, lake, OSError(f"Generic S3 error: Server returned 503:\n{answer}\n"))
    assert str(error) == (
        "table features.subscriber could not be written: SlowDown: Please reduce your request rate.\n"
        f"  folder:    {lake}\n"
        "  expected:  a bucket that answers and can be written\n"
        f"  try:       aws s3 ls {lake}/ --endpoint-url {lake.store.endpoint}"
    )


class _Overwriting(BaseHTTPRequestHandler):
    """A store that knows no conditions: it takes every object."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_DELETE(self) -> None:
        self.do_PUT()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_a_store_that_overwrites_what_is_there_gets_no_table() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Overwriting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        place = ObjectPlace.of("s3://lakes/new", ObjectStore(endpoint, "us-east-1", "writer", "s3cret"))
        with pytest.raises(LakeError) as error:
            place.check_refuses_a_second()
    finally:
        server.shutdown()
        server.server_close()
    assert not isinstance(error.value, LakeWriteError)
    assert str(error.value) == (
        "s3://lakes/new is on a store that overwrites an object which was to be made anew: "
        "two writers would lose rows\n"
        f"  endpoint:  {endpoint}\n"
        "  needed:    conditional puts (If-None-Match)\n"
        "  try:       a newer version of the store: docs/object-storage.md"
    )


def test_without_s3fs_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(LakeError) as error:
        Lake(ObjectPlace.of("s3://lakes/a", ObjectStore(region="nowhere"))).tables()
    assert str(error.value) == (
        "a lake on object storage needs the package s3fs, which is not installed\n"
        "  package:  s3fs, in the extra 's3' of headrace\n"
        "  try:      pip install 'headrace[s3]'"
    )


def test_a_uri_alone_does_not_say_how_its_store_is_reached() -> None:
    with pytest.raises(LakeError) as error:
        Lake("s3://lakes/a")
    assert str(error.value) == (
        "s3://lakes/a does not say how its store is reached\n"
        "  expected:  ObjectPlace.of(uri, ObjectStore(endpoint=…)), or the lake of a project\n"
        '  try:       headrace.open("DIR").lake'
    )


def open_project(folder: Path, lake: ObjectPlace) -> headrace.Project:
    """A project whose lake is there."""
    folder.joinpath("headrace.yaml").write_text(
        f"name: trial\nlake: {{path: {lake}, endpoint: '{lake.store.endpoint}', region: us-east-1, "
        "access_key_id: writer}\n"
    )
    return headrace.open(folder, environ={"HEADRACE_LAKE__SECRET_ACCESS_KEY": "s3cret"})


def test_a_project_reads_the_lake_that_its_settings_name(tmp_path: Path, lake: ObjectPlace) -> None:
    write(lake, 0, 10)
    project = open_project(tmp_path, lake)
    assert lake_path(project) == lake
    assert project.lake.sql("select count(*) from features.subscriber").rows == [(10,)]


def test_a_training_set_is_joined_from_it(lake: ObjectPlace) -> None:
    write(lake, 0, 10)
    count = "duration_s_count_1h"
    lookup = Lookup("subscriber", "subscriber_id", {count: ("long", count)}, 86_400_000, None)
    spine = pa.table({"subscriber_id": ["s3", "s99"], "event_timestamp": [instant(50)] * 2})
    assert join_features(lake, spine, [lookup]).column(count).to_pylist() == [3, None]


def test_what_needs_a_folder_is_refused(tmp_path: Path) -> None:
    project = open_project(tmp_path, ObjectPlace.of("s3://lakes/a", ObjectStore("http://127.0.0.1:9")))
    with pytest.raises(LakeError) as error:
        project.features.apply()
    assert str(error.value) == (
        "headrace features apply does not work on a lake on object storage\n"
        "  lake.path:  s3://lakes/a\n"
        "  expected:   a lake in a folder of this machine\n"
        "  try:        docs/object-storage.md says what works there"
    )
