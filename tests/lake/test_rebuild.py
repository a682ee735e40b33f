"""`headrace lake rebuild`: what a topic says, proven equal, in the place of what the table says."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from deltalake import DeltaTable
from headrace_lake.commit import append_rows
from headrace_lake.rebuild import swapping
from headrace_lake.tables import TableSpec
from headrace_lake.upkeep.deletions import Deletion
from headrace_lake.upkeep.files import kept_table, stored_files
from headrace_lake.upkeep.rewrite import Engine
from kafka import KafkaProducer
from lake_project import EVENT
from lake_records import call_record, rows_written, running_writer, send, until

import headrace
from headrace.cli.root import root
from headrace.forget.forgetting import forget
from headrace.project import Project
from headrace.tables import project_tables
from headrace.upkeep.rebuild import RebuildError, rebuild

ROWS = 60


@pytest.fixture
def project(broker: Any, tmp_path: Path) -> Project:
    """A project whose topic of two partitions and whose table hold 60 calls, of 50 subscribers."""
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "call.yaml").write_text(EVENT)
    (tmp_path / "headrace.yaml").write_text("name: trial\n")
    prefix = f"t{uuid.uuid4().hex[:8]}."
    flags = {"kafka.bootstrap_servers": broker.bootstrap_servers, "kafka.topic_prefix": prefix}
    project = headrace.open(tmp_path, flags=flags)
    broker.create_topic(spec_of(project).topic, 2)
    send(broker.connection, spec_of(project).topic, [call_record(number) for number in range(ROWS)], partitions=2)
    with running_writer(broker.connection, project.folders.lake, [spec_of(project)]) as writer:
        until(lambda: rows_written(writer, "events.call") == ROWS)
    return project


def spec_of(project: Project) -> TableSpec:
    """The table of calls."""
    return next(one for one in project_tables(project) if one.full_name == "events.call")


def run(project: Project, *arguments: str) -> Any:
    """Run `headrace lake rebuild` on the project."""
    kafka = project.settings.kafka
    flags = ["--set", f"kafka.bootstrap_servers={kafka.bootstrap_servers}"]
    flags += ["--set", f"kafka.topic_prefix={kafka.topic_prefix}", "--project", str(project.folder)]
    return CliRunner().invoke(root, ["lake", "rebuild", *arguments, *flags])


def rows(project: Project) -> list[tuple[Any, ...]]:
    """All rows of the table."""
    lake = headrace.open(project.folder).lake
    return lake.sql("select * from raw.events_call order by _partition, _offset").rows


def delete(project: Project, condition: str) -> int:
    """Damage the table."""
    table = kept_table(project.folders.lake, spec_of(project))
    files = lambda handle: stored_files(handle, "started_at")  # noqa: E731
    return Deletion(table, condition, files, "delete", "test", Engine()).run()


def handle(project: Project) -> DeltaTable:
    """The table."""
    return DeltaTable(project.folders.lake / "events" / "call")


def test_a_table_is_read_anew_proven_equal_and_swapped_and_its_writer_goes_on(broker: Any, project: Project) -> None:
    before, files = rows(project), handle(project).file_uris()
    answer = run(project, "--output", "json")
    assert answer.exit_code == 0, answer.stderr
    (one,) = json.loads(answer.stdout)
    assert (one["rows"], one["rows_anew"], one["equal"], one["swapped"]) == (ROWS, ROWS, True, True)
    assert one["content"] == one["content_anew"]
    assert rows(project) == before
    assert not set(files) & set(handle(project).file_uris())
    assert not project.folders.lake.with_name("lake.rebuild").exists()
    send(broker.connection, spec_of(project).topic, [call_record(ROWS), call_record(ROWS + 1)], partitions=2)
    with running_writer(broker.connection, project.folders.lake, [spec_of(project)]) as writer:
        until(lambda: rows_written(writer, "events.call") == 2)
    assert len(rows(project)) == ROWS + 2


def test_rows_that_the_table_lacks_come_back_when_that_is_wanted(project: Project) -> None:
    before = rows(project)
    assert delete(project, "_offset = 3") == 2
    refused = run(project)
    assert refused.stderr.splitlines()[-4:] == [
        "RebuildError: the topics say otherwise than events.call: nothing was swapped",
        "  rows that the tables lack:  2 of events.call",
        "  rows with other values:     0 of events.call",
        "  try:                        --allow-changes takes what the topics say",
    ]
    assert len(rows(project)) == ROWS - 2
    assert rebuild(project, allow_changes=True)[0].comparison.added == 2
    assert rows(project) == before


def test_what_no_topic_holds_is_taken_over_and_what_it_lost_is_not_dropped_unasked(
    broker: Any, project: Project
) -> None:
    table = headrace.open(project.folder).lake.sql("select * from raw.events_call where _partition = 0").arrow()
    append_rows(project.folders.lake, spec_of(project), _moved(table, -1_000), "import")
    append_rows(project.folders.lake, spec_of(project), _moved(table, 10_000), "lost")
    refused = run(project)
    assert "RebuildError: the topics no longer hold all of events.call: nothing was swapped" in refused.stderr
    assert f"  rows:  {ROWS // 2} of events.call" in refused.stderr
    (done,) = rebuild(project, allow_loss=True)
    assert (done.comparison.kept, done.comparison.lost, done.is_swapped) == (ROWS // 2, ROWS // 2, True)
    assert sum(row[-3] < 0 for row in rows(project)) == ROWS // 2
    assert len(rows(project)) == ROWS + ROWS // 2


def _moved(table: Any, by: int) -> Any:
    import pyarrow.compute as pc

    place = table.schema.get_field_index("_offset")
    return table.set_column(place, table.schema.field(place), pc.add(table.column(place), by))


def test_what_was_forgotten_does_not_come_back(project: Project) -> None:
    gone = forget(project, "s7", now=datetime.now(UTC)).tables
    (done,) = rebuild(project)
    assert (gone, done.comparison.is_equal) == ({"events.call": 2}, True)
    assert not [row for row in rows(project) if "s7" in row]
    delete(project, "_key = 's8'")
    with pytest.raises(RebuildError, match=r"among them, maybe: +what was forgotten: headrace lake forget KEY afterw"):
        rebuild(project)


def test_rows_of_others_under_the_key_of_a_forgotten_row_stay(broker: Any, project: Project) -> None:
    device = (
        "name: gadget\nversion: 1\nkey: device\ntime: at\nfields: {device: {type: string}, at: {type: timestamp}}\n"
    )
    (project.folder / "events" / "gadget.yaml").write_text(device)
    prefix = project.settings.kafka.topic_prefix
    flags = {"kafka.bootstrap_servers": broker.bootstrap_servers, "kafka.topic_prefix": prefix}
    again = headrace.open(project.folder, flags=flags)
    send(broker.connection, spec_of(project).topic, [call_record(ROWS, device="d1")], partitions=2)
    with running_writer(broker.connection, project.folders.lake, [spec_of(project)]) as writer:
        until(lambda: rows_written(writer, "events.call") == 1)
    # The device was used by s10, of whom another call stays.
    assert forget(again, "d1", ["gadget"], now=datetime.now(UTC)).tables == {"events.call": 1}
    (done,) = rebuild(again, ["events.call"])
    assert (done.comparison.is_equal, done.comparison.rows) == (True, ROWS)
    assert len([row for row in rows(project) if "s10" in row]) == 1


def test_a_lost_table_is_made_anew(project: Project) -> None:
    before = rows(project)
    (project.folders.lake / "events" / "call").rename(project.folder / "broken")
    with pytest.raises(RebuildError, match=r"the topic .*duplicates does not exist: nothing was swapped"):
        rebuild(project, ["events.call", "ops.duplicates"])
    assert rebuild(project, ["events.call"])[0].is_swapped
    assert rows(project) == before


@pytest.mark.parametrize("step", ["write_merged", "replace_files"])
def test_a_rebuild_that_ends_anywhere_leaves_the_old_rows_or_the_new(
    project: Project, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before, real = rows(project), getattr(swapping, step)

    def ending(*arguments: Any, **options: Any) -> Any:
        real(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(swapping, step, ending)
    with pytest.raises(KeyboardInterrupt):
        rebuild(project)
    monkeypatch.undo()
    assert rows(project) == before
    assert rebuild(project)[0].comparison.is_equal
    assert rows(project) == before


def test_a_table_in_partitions_is_rebuilt_in_those_it_has_whatever_its_card_says_since(
    broker: Any, tmp_path: Path
) -> None:
    (tmp_path / "events").mkdir()
    event = tmp_path / "events" / "call.yaml"
    event.write_text(f"{EVENT}access: {{partition: hour}}\n")
    (tmp_path / "headrace.yaml").write_text("name: trial\n")
    flags = {
        "kafka.bootstrap_servers": broker.bootstrap_servers,
        "kafka.topic_prefix": f"t{uuid.uuid4().hex[:8]}.",
    }
    project = headrace.open(tmp_path, flags=flags)
    spec = spec_of(project)
    broker.create_topic(spec.topic, 2)
    hours = [call_record(number, started_at=f"2025-01-01T{number % 3:02d}:00:00Z") for number in range(ROWS)]
    send(broker.connection, spec.topic, hours, partitions=2)
    with running_writer(broker.connection, project.folders.lake, [spec]) as writer:
        until(lambda: rows_written(writer, "events.call") == ROWS)
    table = headrace.open(project.folder).lake.sql("select * from raw.events_call where _partition = 0").arrow()
    append_rows(project.folders.lake, spec, _moved(table.drop_columns(["_hour"]), -1_000), "import")
    before = rows(project)
    event.write_text(f"{EVENT}access: {{partition: day}}\n")
    (done,) = rebuild(headrace.open(tmp_path, flags=flags), ["events.call"])
    assert (done.comparison.is_equal, done.comparison.kept, done.is_swapped) == (True, ROWS // 2, True)
    assert rows(project) == before
    folders = {Path(file).parent.name for file in handle(project).file_uris()}
    assert folders == {f"_hour=2025-01-01T0{hour}" for hour in range(3)}


def test_a_table_by_another_key_is_rebuilt_of_what_was_committed_in_its_periods(broker: Any, tmp_path: Path) -> None:
    event = EVENT.replace("{type: string, required: false}", "{type: string}")
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "call.yaml").write_text(f"{event}access: {{partition: day}}\n")
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "device.yaml").write_text(
        "name: device\nsource: call\nkey: device\nfeatures:\n  - lag: {of: duration_s, steps: 1}\nttl: 24h\n"
    )
    (tmp_path / "headrace.yaml").write_text("name: trial\n")
    prefix = f"t{uuid.uuid4().hex[:8]}."
    flags = {"kafka.bootstrap_servers": broker.bootstrap_servers, "kafka.topic_prefix": prefix}
    project = headrace.open(tmp_path, flags=flags)
    spec = next(one for one in project_tables(project) if one.full_name == "events.call_by_device")
    broker.create_topic(spec.topic, 1)
    producer = KafkaProducer(**broker.connection.client_options(), transactional_id=f"{prefix}rekey")
    producer.init_transactions()
    # What was aborted comes last once, so that the table ends behind what can be read.
    for first, is_committed in ((0, True), (10, False), (20, True), (30, False)):
        producer.begin_transaction()
        for number in range(first, first + 10):
            record = call_record(number, device="d1", started_at=f"2025-01-0{1 + number % 3}T00:00:00Z")
            producer.send(spec.topic, record.value, key=b"d1", headers=list(record.headers))
        producer.flush()
        (producer.commit_transaction if is_committed else producer.abort_transaction)()
    producer.close()
    with running_writer(broker.connection, project.folders.lake, [spec]) as writer:
        until(lambda: rows_written(writer, spec.full_name) == 20)
    (done,) = rebuild(project, [spec.full_name])
    assert (done.comparison.rows, done.comparison.is_equal, done.is_swapped) == (20, True, True)
    lake = headrace.open(tmp_path).lake
    query = "select _day, count(*), min(device) from events.call_by_device group by 1 order by 1"
    assert lake.sql(query).rows == [("2025-01-01", 7, "d1"), ("2025-01-02", 6, "d1"), ("2025-01-03", 7, "d1")]
