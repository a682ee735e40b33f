"""`headrace lake import`: once by content, resumed, checked, in front of the topic, and computed as if streamed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from headrace_features.history import Filled, Past, fill, past_of
from headrace_features.online.row import Order
from headrace_ingestion.partitioning import partition_of
from headrace_lake.commit import append_rows, commit
from headrace_lake.schemas import arrow_schema
from headrace_streaming.checkpoints import StateFolder
from lake_project import EVENT, add_calls, answer, failure, run_on

from headrace.cli.root import root
from headrace.events import importing
from headrace.events.importing import FIRST_OFFSET
from headrace.features.backfill import alone, has_past
from headrace.flink import state_root
from headrace.project import Project, open_project
from headrace.tables import lake_path, project_tables

VIEW = """\
name: subscriber
source: call
key: subscriber_id
features:
  - lag: {of: duration_s, steps: [1]}
  - window: {of: duration_s, over: [1h], take: [count, sum]}
ttl: 24h
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of an event and a view, without a lake, and a file of 20 calls and a wrong one."""
    for name, text in (("events/call.yaml", EVENT), ("features/subscriber.yaml", VIEW), ("headrace.yaml", "name: a\n")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    rows = [call(number) for number in range(20)]
    (tmp_path / "past.jsonl").write_text("".join([*rows[:10], '{"subscriber_id": 5}\n', *rows[10:]]))
    return tmp_path


def call(number: int) -> str:
    """A line of a file."""
    fields = {
        "subscriber_id": f"s{number % 3}", "started_at": f"2025-01-01T00:{number:02d}:00Z",
        "duration_s": number, "event_id": f"past-{number}",
    }  # fmt: skip
    return json.dumps(fields) + "\n"


def added(folder: Path, *arguments: str) -> dict[str, Any]:
    """What an import of the file reports."""
    result: dict[str, Any] = answer(
        run_on(folder)("import", "call", str(folder / "past.jsonl"), "--output", "json", *arguments)
    )
    return result


def rows_of(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """What a query answers."""
    return open_project(folder).lake.sql(query).rows


def test_a_refused_row_is_a_dead_letter_once_however_often_the_file_is_imported(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = '{"subscriber_id": "s1", "started_at": "2025-01-01T01:00:00Z", "duration_s": -2, "event_id": "mine"}\n'
    (folder / "past.jsonl").write_text((folder / "past.jsonl").read_text() + "no JSON\n" + wrong)

    def ended(*arguments: Any) -> None:
        raise KeyboardInterrupt

    # Letters are there, their rows are not: the run ended in between.
    with monkeypatch.context() as patched:
        patched.setattr(importing, "commit", ended)
        (folder / "past.jsonl").write_text(wrong + (folder / "past.jsonl").read_text())
        run_on(folder)("import", "call", str(folder / "past.jsonl"))
    query = 'SELECT "offset", reason, event_id, event FROM ops.dead_letters ORDER BY 1'
    letters = rows_of(folder, query)
    assert added(folder)["added"] == 20
    assert rows_of(folder, query) == letters
    assert [(place, reason, own) for place, reason, own, _ in letters] == [
        (0, "out_of_range", "mine"), (11, "wrong_type", letters[1][2]),
        (22, "not_json", letters[2][2]), (23, "out_of_range", "mine"),
    ]  # fmt: skip
    assert added(folder)["done_before"] == 1
    assert rows_of(folder, query) == letters
    shown = CliRunner().invoke(
        root,
        ["events", "fix-and-replay", "call", "--sql", "abs(duration_s) AS duration_s", "--dry-run", "--output", "json",
         "--project", str(folder)],
    )  # fmt: skip
    assert json.loads(shown.stdout)["counts"] == {"would_be_sent": 2, "refused": 2}


def test_a_refused_row_of_an_event_with_personal_data_is_kept_nowhere(folder: Path) -> None:
    contract = folder / "events" / "call.yaml"
    contract.write_text(
        contract.read_text().replace("subscriber_id: {type: string", "subscriber_id: {type: string, pii: hash")
    )
    assert "pii" in contract.read_text()
    assert added(folder)["refused"] == 1
    assert rows_of(folder, "SELECT count(*) FROM ops.dead_letters") == [(0,)]


def test_rows_stand_before_the_topic_in_the_order_of_the_file_and_bad_ones_in_a_file_of_their_own(folder: Path) -> None:
    report = added(folder, "--bad", str(folder / "bad.jsonl"))
    assert (report["added"], report["refused"], report["reasons"]) == (20, 1, {"wrong_type": 1})
    assert report["views"] == ["subscriber"]
    assert json.loads((folder / "bad.jsonl").read_text())["line"] == 11
    stored = rows_of(folder, "select event_id, _offset, _partition, _key, _recorded_at = started_at from events.call")
    assert sorted(stored, key=lambda row: row[1]) == [
        (f"past-{at}", FIRST_OFFSET + at, partition_of(f"s{at % 3}".encode(), 4), f"s{at % 3}", True)
        for at in range(20)
    ]


def test_the_same_file_twice_is_nothing_and_known_ids_are_left_out(folder: Path) -> None:
    added(folder)
    again = added(folder)
    assert (again["done_before"], again["added"], again["views"]) == (1, 0, [])
    with (folder / "past.jsonl").open("a") as file:
        file.write(call(20) + call(20))
    longer = added(folder)
    assert (longer["added"], longer["repeats"]) == (1, 21)
    assert rows_of(folder, "select count(*), count(distinct _offset) from events.call") == [(21, 21)]


def test_an_import_that_ends_in_the_middle_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH_ROWS", 1)
    monkeypatch.setattr("headrace.events.rows.CHUNK_ROWS", 4)
    calls: list[tuple[Any, ...]] = []

    def ending(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return commit(*arguments)

    monkeypatch.setattr(importing, "commit", ending)
    assert run_on(folder)("import", "call", str(folder / "past.jsonl")).exit_code == 1
    assert rows_of(folder, "select count(*) from events.call") == [(8,)]
    report = added(folder)
    assert (report["resumed_after"], report["added"], report["repeats"]) == (8, 12, 0)
    assert rows_of(folder, "select count(distinct event_id), max(_offset) from events.call") == [
        (20, FIRST_OFFSET + 19)
    ]


def test_nothing_is_imported_behind_the_back_of_a_job(folder: Path) -> None:
    project = open_project(folder)
    (plan,) = project.plans.values()
    file = str(folder / "past.jsonl")
    state = state_root(project, plan)
    with alone(plan, StateFolder(state, "any")):
        assert "is being backfilled by another process" in failure(run_on(folder)("import", "call", file))
    checkpoint = state / "0123" / "checkpoints" / "job" / "chk-1"
    checkpoint.mkdir(parents=True)
    (checkpoint / "_metadata").touch()
    assert failure(run_on(folder)("import", "call", file)) == (
        "ImportRefusedError: events of 'call' cannot be imported any more: "
        "the job call.subscriber_id has read its topic\n"
        "  views:  subscriber\n"
        "  why:    imported events come before the first of the topic, and rows that are there would be wrong\n"
        "  try:    headrace events replay FILE --event call"
    )


def test_a_view_by_another_key_has_an_order_that_imported_events_lack(folder: Path) -> None:
    event = folder / "events" / "call.yaml"
    event.write_text(event.read_text().replace("string, required: false", "string"))
    view = VIEW.replace("name: subscriber", "name: device").replace("key: subscriber_id", "key: device")
    (folder / "features" / "device.yaml").write_text(view)
    assert failure(run_on(folder)("import", "call", str(folder / "past.jsonl"))) == (
        "ImportRefusedError: events of 'call' cannot be imported: a view reads them by another key\n"
        "  views:  device\n"
        "  why:    that order is made as events pass through their topic, which imported ones do not\n"
        "  try:    headrace events replay FILE --event call"
    )


NAMES = ("event_id", "clock", "generation", "duration_s_lag_1", "duration_s_count_1h", "duration_s_sum_1h")


def computed(
    project: Project, past: Past | None = None, store: Callable[[str, pa.Table], None] = lambda place, rows: None
) -> tuple[Past, Filled, list[tuple[Any, ...]]]:
    """What a backfill takes as past and computes for it, and the rows."""
    view, found = project.views["subscriber"], []

    def take(place: str, rows: pa.Table) -> None:
        found.append(rows)
        store(place, rows)

    with project.lake.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        used = past or past_of(connection, [view], "events.call")
        seed = project.folder / "seed"
        filled = fill(connection, view, used, seed, take, now_ms=1_780_000_000_000)
    rows = [tuple(row[name] for name in NAMES) for table in found for row in table.to_pylist()]
    return used, filled, sorted(rows)


@pytest.mark.parametrize("order", ["", "order: event_time\nlateness: 5m\n"])
def test_imported_events_have_the_rows_of_the_same_events_streamed(folder: Path, order: str) -> None:
    (folder / "features" / "subscriber.yaml").write_text(VIEW + order)
    added(folder)
    # Others are on the topic, which no job has read yet: they are not of the past.
    add_calls(folder, 0, 3, started_at="2025-01-01T00:00:00.001Z")
    project = open_project(folder)
    (plan,) = project.plans.values()
    assert has_past(project, plan)
    past, filled, imported = computed(project)
    partitions = {partition_of(key.encode(), 4) for key in ("s0", "s1", "s2")}
    assert past.offsets == dict.fromkeys(partitions, 0)
    assert (filled.rows, len(imported)) == (20, 20)
    # The same events, at offsets as a topic gives them.
    rows = project.lake.sql("select * from events.call where _offset < 0 order by _offset").arrow()
    offsets = pa.array(range(rows.num_rows), pa.int64())
    shutil.rmtree(folder / ".headrace")
    spec = next(one for one in project_tables(project) if one.full_name == "events.call")
    at = rows.column_names.index("_offset")
    append_rows(lake_path(project), spec, rows.set_column(at, "_offset", offsets), "test")
    assert not has_past(project, plan)
    _, _, streamed = computed(project, Past(dict.fromkeys(partitions, 20), past.newest_ms))
    assert imported == streamed


def test_rows_of_imported_events_come_online(folder: Path) -> None:
    added(folder)
    project = open_project(folder)
    spec = next(one for one in project_tables(project) if one.full_name == "features.subscriber")
    schema = arrow_schema(spec)

    def store(place: str, rows: pa.Table) -> None:
        append_rows(lake_path(project), spec, rows.select(schema.names).cast(schema), "test")

    computed(project, store=store)
    assert project.features.reconcile("subscriber", mend=True, patience_seconds=0).mended == 3
    assert project.features.reconcile("subscriber", patience_seconds=0).passed
    refused = failure(run_on(folder)("import", "call", str(folder / "past.jsonl")))
    assert refused.startswith("ImportRefusedError: events of 'call' cannot be imported any more")


def test_the_order_of_an_imported_event_compares_as_text_as_it_does_as_numbers() -> None:
    offsets = [FIRST_OFFSET, FIRST_OFFSET + 1, -2, -1, 0, 1, 10, 2**62]
    orders = [Order(0, 5, offset, 0, 7) for offset in offsets]
    assert sorted(orders, key=lambda order: order.text()) == sorted(orders) == orders
    assert [Order.parse(order.text()) for order in orders] == orders
    assert {len(order.text()) for order in orders} == {99}


def test_a_number_that_no_field_holds_is_a_dead_letter_as_it_stood(folder: Path) -> None:
    contract = folder / "events" / "call.yaml"
    contract.write_text(contract.read_text().replace("fields:\n", "fields:\n  cells: {type: long, required: false}\n"))
    rows = f"subscriber_id,started_at,duration_s,cells\ns1,2025-01-01T00:00:00Z,1,{10**30}\n"
    (folder / "past.csv").write_text(rows)
    report = answer(run_on(folder)("import", "call", str(folder / "past.csv"), "--output", "json"))
    assert report["refused"] == 1
    ((value,),) = rows_of(folder, "SELECT from_base64(value) FROM ops.dead_letters")
    assert str(10**30) in value.decode()
