"""`headrace lake forget`: a subject goes out of everything that holds it, and everything else stays."""

import base64
import json
import os
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable
from headrace_features.online.row import OnlineRow, Order
from headrace_ingestion.records import StoredRecord
from headrace_lake.commit import commit
from headrace_lake.dead_letters import store_dead_letters
from headrace_lake.decode import RefusedRecord, compile_decoder
from headrace_lake.offsets import OffsetRange
from headrace_lake.upkeep.compact import compact
from headrace_lake.upkeep.files import kept_tables
from lake_project import EVENT, Run, add_calls, answer, failure, run_on
from lake_records import START_MS, call_record, feature_fields, json_record

from headrace.cli.root import root
from headrace.features.online import open_online_store
from headrace.forget.forgetting import forget
from headrace.project import Project, open_project
from headrace.tables import project_tables

VIEW = """\
name: subscriber
source: call
key: subscriber_id
features:
  - window: {of: duration_s, over: [1h], take: [sum, count]}
ttl: 24h
"""
OF_DEVICES = """\
name: device
source: call
key: device
features:
  - window: {of: duration_s, over: [1h], take: [sum]}
ttl: 24h
"""


def store(project: Project, table: str, records: list[StoredRecord]) -> None:
    """Commit records to a table, as the writer does."""
    spec = next(one for one in project_tables(project) if one.full_name == table)
    rows = compile_decoder(spec)(records).rows
    assert rows.num_rows == len(records)
    commit(project.folders.lake, spec, rows, {table: OffsetRange(None, len(records))})


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    """A project of its own for each test."""
    return open_project(shutil.copytree(made, tmp_path / "project"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 calls of 50 subscribers from 2 devices, their features by both, ledgers, a dead letter, an online row."""
    folder = tmp_path_factory.mktemp("forget")
    event = EVENT.replace("{type: string, required: false}", "{type: string}")
    for name, text in (
        ("events/call.yaml", event), ("features/subscriber.yaml", VIEW), ("features/device.yaml", OF_DEVICES),
        ("headrace.yaml", "name: trial\n"),
    ):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    project = open_project(folder)
    add_calls(folder, 0, 100, device="d1")
    digest = project.views["subscriber"].digest
    store(
        project, "features.subscriber",
        [json_record("f", at, feature_fields(at, declaration=digest)) for at in range(100)],
    )  # fmt: skip
    of_device = {"device": "d1", "declaration": project.views["device"].digest}
    store(project, "features.device", [json_record("f", at, feature_fields(at, **of_device)) for at in range(100)])
    late = {
        "view": "subscriber", "event": "call", "event_id": "call-000007", "key": "s7", "partition": 0, "offset": 7,
        "event_time_ms": START_MS, "clock_ms": START_MS, "order": "arrival",
    }  # fmt: skip
    both = [{**late, "event_id": f"call-00000{n}", "key": f"s{n}"} for n in (7, 8)]
    store(project, "ops.late_events", [json_record("l", at, one) for at, one in enumerate(both)])
    letters = [
        RefusedRecord(StoredRecord("events.call", 0, at, 1, b"x", value, ()), "wrong_key", "why", "call")
        for at, value in enumerate((b'{"subscriber_id": "s7"}', b'{"subscriber_id": "s8"}', b"\xff", b"{"))
    ]
    store_dead_letters(project.folders.lake, letters, "topic", {0: 4}, START_MS)
    with open_online_store(project) as online:
        values = OnlineRow.encode({"duration_s_sum_1h": 3.0})
        online.write("subscriber", [OnlineRow(key, Order(0, 1, 0, 0), 1, digest, values) for key in ("s7", "s8")])
    return folder


@pytest.fixture
def run(project: Project) -> Run:
    """Run `headrace lake` on the project."""
    return run_on(project.folder)


def counted(project: Project, table: str, where: str = "true") -> int:
    """Rows of a table."""
    (row,) = open_project(project.folder).lake.sql(f"select count(*) from {table} where {where}").rows
    return int(row[0])


DAY = timedelta(days=1)
FOUND = {
    "features.subscriber": 2, "features.device": 2, "ops.late_events": 1, "ops.dead_letters": 1, "events.call": 2,
}  # fmt: skip


def test_a_subject_goes_out_of_everything_and_nothing_else_does(project: Project, run: Run) -> None:
    data = project.folders.root
    saved = pa.table({"subscriber_id": ["s7", "s8", None], "x": [1, 2, 3]}).replace_schema_metadata({"headrace": "{}"})
    pq.write_table(saved, data / "set.parquet")
    (data / "set.csv").write_text("x,subscriber_id\n1,s7\n2,s8\n")
    (data / "set.jsonl").write_text('{"subscriber_id": "s7"}\n{"subscriber_id":  "s8"}\n')
    sets = {str(data / name): 1 for name in ("set.csv", "set.jsonl", "set.parquet")}
    before = answer(run("forget", "s7", "--dry-run", "--output", "json"))
    assert (before["tables"], before["online"], before["files"]) == (FOUND, {"subscriber": 1}, sets)
    assert counted(project, "events.call") == 100
    done = answer(run("forget", "s7", "--output", "json"))
    assert (done["tables"], done["online"], done["files"]) == (FOUND, {"subscriber": 1}, sets)
    assert counted(project, "events.call") == 98
    assert counted(project, "events.call", "subscriber_id = 's7'") == 0
    assert counted(project, "features.device") == 98
    assert (counted(project, "ops.late_events", "key = 's8'"), counted(project, "ops.dead_letters")) == (1, 3)
    assert pq.read_table(data / "set.parquet").to_pydict() == {"subscriber_id": ["s8", None], "x": [2, 3]}
    assert (data / "set.jsonl").read_text() == '{"subscriber_id":  "s8"}\n'
    with open_online_store(project) as online:
        gone, stays = online.read("subscriber", ["s7", "s8"])
    assert gone is None
    assert stays is not None
    assert answer(run("forget", "s7", "--output", "json"))["rows"] == 0


def test_it_goes_out_of_events_that_are_made_of_its_own(project: Project) -> None:
    login = "name: login\nversion: 1\nkey: subscriber_id\ntime: started_at\n"
    fields = "fields: {subscriber_id: {type: string}, started_at: {type: timestamp}}\n"
    (project.folder / "events/login.yaml").write_text(login + fields)
    merge = "name: activity\nversion: 1\nkey: subscriber_id\nmerge: [call, login]\n"
    (project.folder / "events/activity.yaml").write_text(merge)
    view = VIEW.replace("name: subscriber", "name: active").replace("source: call", "source: activity")
    (project.folder / "features/active.yaml").write_text(view)
    project = open_project(project.folder)
    made = [
        {"event": event, "subscriber_id": key, "started_at": "2025-01-01T00:00:00Z", "device": "d", "duration_s": 1.0}
        for event in ("call", "login")
        for key in ("s7", "s8")
    ]
    records = [
        StoredRecord("events.activity", 0, at, START_MS, str(one["subscriber_id"]).encode(), orjson.dumps(one), ())
        for at, one in enumerate(made)
    ]
    store(project, "events.activity", records)
    ids = [id_ for (id_,) in project.lake.sql("select event_id from events.activity order by _offset").rows]
    rows = [feature_fields(at, event_id=id_, subscriber_id=made[at]["subscriber_id"]) for at, id_ in enumerate(ids)]
    store(project, "features.active", [json_record("f", at, row) for at, row in enumerate(rows)])
    now = datetime.now(UTC)
    # Logins name their subscriber, too.
    found = forget(project, "s7", ["call"], now=now).tables
    assert (found["events.activity"], found["features.active"]) == (2, 2)
    assert counted(project, "events.activity", "subscriber_id = 's8'") == 2


def test_what_a_sink_could_not_hand_over_goes_as_well(project: Project, run: Run) -> None:
    def letter(offset: int, event: str, topic: str, key: str, id_: str, value: str) -> StoredRecord:
        fields = {
            "reason": "sink_refused", "detail": "HTTP 400", "event": event, "topic": topic, "partition": 0,
            "offset": offset, "event_id": id_, "key": key, "value": base64.b64encode(value.encode()).decode(),
            "recorded_at_ms": START_MS,
        }  # fmt: skip
        return json_record("dead_letters", offset, fields)

    call = '{"subscriber_id": "%s"}'
    letters = [
        letter(0, "sinks.cases", "events.call", "s7", "call-000007", call % "s7"),
        letter(1, "sinks.cases", "events.call", "s8", "call-000008", call % "s8"),
        letter(2, "sinks.scored", "alerts", "d1", "call-000007", "{}"),
        letter(3, "sinks.others", "events.of_others", "s7", "other", "{}"),
    ]
    store(project, "ops.dead_letters", letters)
    (project.folder / "sinks").mkdir()
    sink = "name: cases\ntable: events.call\nhttp: {url: 'https://cases.example/'}\n"
    (project.folder / "sinks" / "cases.yaml").write_text(sink)
    found = json.loads(run("forget", "s7", "--check", "--output", "json").stdout)["remains"]
    assert sum(one["rows"] for one in found if one["table"] == "ops.dead_letters") == 1 + 2
    done = answer(run("forget", "s7", "--output", "json"))
    (theirs,) = (one for one in done["out_of_reach"] if one["what"] == "endpoints")
    assert (theirs["where"], theirs["until"]) == ("sinks cases", None)
    left = open_project(project.folder).lake.sql(
        "select event_id from ops.dead_letters where starts_with(event, 'sinks.') order by event_id"
    )
    assert [id_ for (id_,) in left.rows] == ["call-000008", "other"]


def test_the_audit_names_a_digest_and_not_the_key(project: Project, run: Run) -> None:
    digest = answer(run("forget", "s7", "--output", "json"))["key_digest"]
    ((resource, action),) = open_project(project.folder).lake.sql("select resource, action from ops.audit").rows
    assert (resource, action) == (f"call: key with the digest {digest}", "lake:forget")
    of_key = "select salt, digest from ops.forgotten where field = '_key'"
    ((salt, of_table),) = open_project(project.folder).lake.sql(of_key).rows
    assert of_table == digest
    assert counted(project, "ops.forgotten", f"sha256(salt || 's7') = '{digest}' and field = '_key'") == 1
    assert salt not in ("", None)


def test_the_offsets_of_the_writer_stay_and_it_goes_on(project: Project, run: Run) -> None:
    folder = project.folders.lake / "events" / "call"
    answer(run("forget", "s7", "--output", "json"))
    assert DeltaTable(folder).transaction_version("app") == 100
    add_calls(project.folder, 100, 160, device="d1")
    # A call of the forgotten subscriber that comes later is a new event.
    assert counted(project, "events.call", "subscriber_id = 's7'") == 2
    assert counted(project, "events.call") == 158


def test_verify_does_not_pass_rows_whose_events_were_forgotten(project: Project, run: Run) -> None:
    answer(run("forget", "s7", "--output", "json"))
    again = open_project(project.folder)
    digest = again.views["subscriber"].digest
    spec = next(one for one in project_tables(again) if one.full_name == "features.subscriber")
    row = json_record("f", 100, feature_fields(107, declaration=digest))._replace(key=b"s7")
    rows = compile_decoder(spec)([row]).rows
    commit(again.folders.lake, spec, rows, {"features.subscriber": OffsetRange(100, 101)})
    report = again.features.verify("subscriber")
    assert report.not_verifiable["their events are gone, or those before them"] == 1


def test_a_check_tells_files_until_the_vacuum_and_none_after(project: Project, run: Run) -> None:
    assert run("forget", "s7", "--check").exit_code == 1
    answer(run("forget", "s7", "--output", "json"))
    found = answer(run("forget", "s7", "--check", "--output", "json"))
    assert {one["table"]: one["rows"] for one in found["remains"]} == FOUND
    assert not any(one["is_visible"] for one in found["remains"])
    week = 7 * DAY
    for one in found["remains"]:
        assert abs(datetime.fromisoformat(one["gone_after"]) - week - datetime.now(UTC)) < timedelta(minutes=1)
    assert not any(one["files"] for one in answer(run("vacuum", "--dry-run", "--output", "json")))
    let_time_pass(project.folders.lake, 7 * DAY + timedelta(minutes=1))
    vacuumed = answer(run("vacuum", "--output", "json"))
    assert {one["table"] for one in vacuumed if one["files"]} == set(FOUND)
    assert answer(run("forget", "s7", "--check", "--output", "json"))["remains"] == []
    assert counted(project, "events.call") == 98


def let_time_pass(lake: Path, age: timedelta) -> None:
    """Put everything that left a table, and every file, into the past by so much."""
    for file in (path for path in lake.rglob("*") if path.is_file()):
        then = file.stat().st_mtime - age.total_seconds()
        if file.suffix == ".json":
            actions = [json.loads(line) for line in file.read_text().splitlines()]
            for action in actions:
                if "remove" in action:
                    action["remove"]["deletionTimestamp"] -= age // timedelta(milliseconds=1)
            file.write_text("".join(json.dumps(action) + "\n" for action in actions))
        os.utime(file, (then, then))


def test_files_of_any_kind_in_the_data_folder_do_not_end_it(project: Project, run: Run) -> None:
    data = project.folders.root
    (data / "a_broken.parquet").write_bytes(b"PAR1")
    (data / "latin.csv").write_bytes(b"subscriber_id,x\r\ns7,1\r\ns8,\xe4\r\n")
    (data / "marked.csv").write_bytes(b"\xef\xbb\xbfsubscriber_id,x\r\ns7,1\r\ns8,2\r\n")
    (data / "wide.csv").write_text("subscriber_id,x\ns7," + "a" * 200_000)
    done = answer(run("forget", "s7", "--output", "json"))
    assert {Path(path).name for path in done["files"]} == {"latin.csv", "marked.csv", "wide.csv"}
    assert (data / "latin.csv").read_bytes() == b"subscriber_id,x\r\ns8,\xe4\r\n"
    assert (data / "marked.csv").read_bytes() == b"\xef\xbb\xbfsubscriber_id,x\r\ns8,2\r\n"
    (broken,) = (one for one in done["out_of_reach"] if one["what"] == "file")
    assert broken["where"] == str(data / "a_broken.parquet")
    assert broken["why"].startswith("cannot be searched: Parquet file size is 4 bytes")
    assert counted(project, "ops.audit", "action = 'lake:forget'") == 1


def test_what_is_out_of_reach_is_told_with_dates(project: Project, run: Run) -> None:
    places = answer(run("forget", "s7", "--dry-run", "--output", "json"))["out_of_reach"]
    state = next(one for one in places if one["where"] == "view subscriber")
    due = datetime.now(UTC) + timedelta(milliseconds=project.views["subscriber"].retain_ms)
    assert abs(datetime.fromisoformat(state["until"]) - due) < timedelta(minutes=1)
    topic = next(one for one in places if one["where"] == "events.call")
    assert (topic["until"], topic["why"]) == (None, "kept for ever: topic: {retention: …} in the contract")


def test_two_at_once_beside_a_writer_and_a_compaction_lose_nothing(project: Project) -> None:
    failures: list[Exception] = []

    def forget_one(key: str) -> None:
        try:
            forget(open_project(project.folder), key, now=datetime.now(UTC))
        except Exception as error:  # noqa: BLE001  (told below)
            failures.append(error)

    both = [threading.Thread(target=forget_one, args=(key,)) for key in ("s7", "s9")]
    for one in both:
        one.start()
    at = 100
    while any(one.is_alive() for one in both) or at == 100:
        add_calls(project.folder, at, at + 50, device="d1")
        at += 50
        (events,) = kept_tables(project.folders.lake, project_tables(project), ["events.call"])
        compact(events)
    for one in both:
        one.join()
    assert failures == []
    # Events that the writer stored meanwhile are there or were forgotten; those of others are there, each once.
    others = "subscriber_id NOT IN ('s7', 's9')"
    assert counted(project, "events.call", others) == at - at // 50 * 2
    assert counted(project, "(select distinct event_id, subscriber_id from events.call)", others) == at - at // 50 * 2
    assert counted(project, "events.call", "not (" + others + ") and _offset < 100") == 0


def test_a_hashed_key_is_forgotten_by_its_clear_value(project: Project, run: Run) -> None:
    contract = project.folder / "events" / "call.yaml"
    clear = "subscriber_id: {type: string}"
    contract.write_text(contract.read_text().replace(clear, "subscriber_id: {type: string, pii: hash}"))
    hashed = (
        CliRunner()
        .invoke(root, ["events", "hash", "call", "subscriber_id", "s7", "--project", str(project.folder)])
        .stdout.strip()
    )
    again = open_project(project.folder)
    spec = next(one for one in project_tables(again) if one.full_name == "events.call")
    record = call_record(100, device="d1", subscriber_id=hashed)._replace(key=hashed.encode())
    commit(again.folders.lake, spec, compile_decoder(spec)([record]).rows, {"app": OffsetRange(100, 101)})
    # Rows of before the field was hashed go as well.
    assert answer(run("forget", "s7", "--dry-run", "--output", "json"))["tables"]["events.call"] == 3
    assert answer(run("forget", hashed, "--output", "json"))["tables"]["events.call"] == 1


def test_events_of_different_keys_are_not_guessed(project: Project, run: Run) -> None:
    (project.folder / "events" / "cell.yaml").write_text(
        "name: cell\nversion: 1\nkey: cell\ntime: at\nfields:\n  cell: {type: string}\n  at: {type: timestamp}\n"
    )
    assert failure(run("forget", "s7")) == (
        "SubjectError: the same key may mean different subjects: events are keyed by different fields\n"
        "  events:  call by subscriber_id, cell by cell\n"
        "  try:     --event call"
    )
    assert answer(run("forget", "s7", "--event", "call", "--output", "json"))["tables"] == FOUND


def test_events_that_name_the_subject_and_tables_that_are_not_declared_any_more_are_searched(
    project: Project, run: Run
) -> None:
    (project.folder / "events" / "payment.yaml").write_text(
        "name: payment\nversion: 1\nkey: id\ntime: at\nfields:\n"
        "  id: {type: string}\n  at: {type: timestamp}\n  subscriber_id: {type: string}\n"
    )
    (project.folder / "features" / "subscriber.yaml").unlink()
    again = open_project(project.folder)
    payments = [
        StoredRecord(
            "events.payment", 0, at, START_MS, b"p",
            json.dumps({"id": "p", "at": "2025-01-01T00:00:00Z", "subscriber_id": f"s{at}"}).encode(), (),
        )
        for at in range(6, 9)
    ]  # fmt: skip
    store(again, "events.payment", payments)
    done = answer(run("forget", "s7", "--event", "call", "--output", "json"))
    assert done["tables"]["events.payment"] == 1
    assert done["tables"]["features.subscriber"] == 2
    assert counted(project, "events.payment") == 2
    assert answer(run("forget", "s7", "--event", "call", "--check", "--output", "json"))["is_visible"] is False
