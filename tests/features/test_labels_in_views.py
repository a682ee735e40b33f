"""A terminal's fraud rate as it was known at that time: from the records of its topics to rows, and verified."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from headrace_features.history import Filled, Past, fill, past_of
from headrace_features.verify import verify
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import DeclarationError
from headrace_ingestion.joined import JoinedContract
from headrace_ingestion.merged import MergedContract
from headrace_ingestion.records import StoredRecord
from headrace_lake.commit import append_rows
from headrace_lake.decode import compile_decoder
from headrace_lake.schemas import arrow_schema
from headrace_streaming.labels import Around, label_turn
from headrace_streaming.outgoing import Outgoing, copies

import headrace
from headrace.project import Project
from headrace.tables import lake_path, project_tables

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000
FILES = {
    "headrace.yaml": "name: trial\n",
    "events/payment.yaml": """\
name: payment
version: 1
key: card_id
time: at
fields:
  card_id:     {type: string}
  terminal_id: {type: string}
  at:          {type: timestamp}
""",
    "events/fraud_report.yaml": """\
name: fraud_report
version: 1
key: payment_id
time: at
fields:
  payment_id: {type: string}
  at:         {type: timestamp}
  fraud:      {type: bool}
""",
    "events/payment_outcome.yaml": """\
name: payment_outcome
version: 1
key: terminal_id
join: {label: fraud_report, to: payment, by: payment_id, delay: 7d}
""",
    "events/at_terminal.yaml": """\
name: at_terminal
version: 1
key: terminal_id
merge: [payment, payment_outcome]
""",
    "features/terminal.yaml": """\
name: terminal
source: at_terminal
key: terminal_id
order: event_time
lateness: 1h
features:
  - window: {of: fraud, over: [30d], take: [count, mean], where: event = 'payment_outcome', suffix: known}
ttl: 30d
""",
}


@dataclass(frozen=True)
class Happened:
    """A payment, or a label of one: when it was told, and when it counts."""

    event_id: str
    terminal: str
    told_ms: int
    counts_ms: int
    fraud: bool | None = None


def happened(seed: int) -> list[Happened]:
    """Return payments and labels of 50 days, in the order in which they were told; the last labels still wait."""
    random = Random(seed)
    found = []
    for number in range(random.randrange(80, 200)):
        paid_ms = START_MS + random.randrange(60 * DAY_MS)
        terminal = f"t{random.randrange(3)}"
        found.append(Happened(f"p{number}", terminal, paid_ms, paid_ms))
        if random.random() < 0.7:
            told_ms = paid_ms + random.randrange(1, 10 * DAY_MS)
            visible_ms = max(told_ms, paid_ms + 7 * DAY_MS)
            found.append(Happened(f"p{number}", terminal, told_ms, visible_ms, random.random() < 0.4))
    return sorted((one for one in found if one.told_ms < START_MS + 50 * DAY_MS), key=lambda one: one.told_ms)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The project of this page."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return headrace.open(tmp_path)


def topic_of(project: Project, events: list[Happened]) -> Iterator[Outgoing]:
    """Yield what the worker writes into the merge."""
    join, merge = project.derived["payment_outcome"], project.derived["at_terminal"]
    assert isinstance(join, JoinedContract)
    assert isinstance(merge, MergedContract)
    paid: dict[str, tuple[dict[str, Any], int]] = {}
    label = label_turn(join, lambda ids: {one: paid[one] for one in ids}, Around("", "dead_letters", lambda _: True))
    turns = copies(project.readable, [], [merge])
    for one in events:
        instant = datetime.fromtimestamp(one.told_ms / 1000, UTC)
        if one.fraud is None:
            fields: dict[str, Any] = {"card_id": "c", "terminal_id": one.terminal, "at": instant}
            paid[one.event_id] = (fields, one.told_ms)
            record = record_of("payment", "c", one.event_id, one.told_ms, fields)
        else:
            fields = {"payment_id": one.event_id, "at": instant, "fraud": one.fraud}
            sent = record_of("fraud_report", one.event_id, f"l-{one.event_id}", one.told_ms, fields)
            (made,) = label([sent]).records
            assert made.value is not None
            record = StoredRecord(made.topic, 0, 0, made.timestamp_ms, made.key, made.value, made.headers)
        yield from turns[record.topic]([record]).records


def record_of(event: str, key: str, event_id: str, at_ms: int, fields: dict[str, Any]) -> StoredRecord:
    value = json.dumps(fields, default=lambda instant: instant.isoformat()).encode()
    return StoredRecord(f"events.{event}", 0, 0, at_ms, key.encode(), value, [("event_id", event_id.encode())])


def store(project: Project, table: str, rows: pa.Table) -> None:
    spec = next(one for one in project_tables(project) if one.full_name == table)
    schema = arrow_schema(spec)
    append_rows(lake_path(project), spec, rows.select(schema.names).cast(schema), "test")


def into_lake(project: Project, events: list[Happened]) -> int:
    """Let the lake have the topic of the merge, read by the writer's own decoder; return how many records."""
    records = [
        StoredRecord(made.topic, 0, offset, made.timestamp_ms, made.key, made.value, made.headers)
        for offset, made in enumerate(topic_of(project, events))
    ]
    decoded = compile_decoder(next(one for one in project_tables(project) if one.name == "at_terminal"))(records)
    assert decoded.refused == []
    store(project, "events.at_terminal", decoded.rows)
    return len(records)


def letter(project: Project, reason: str, offset: int) -> None:
    """Let the lake have a dead letter of the topic."""
    spec = next(one for one in project_tables(project) if one.full_name == "ops.dead_letters")
    row = {"reason": reason, "topic": "events.at_terminal", "partition": 0, "offset": offset}
    store(project, "ops.dead_letters", pa.Table.from_pylist([row], schema=arrow_schema(spec)))


def filled(project: Project, folder: Path) -> tuple[Past, Filled]:
    """Give the events up to the seam their rows."""
    view = project.views["terminal"]

    def take(place: str, rows: pa.Table) -> None:
        assert place == "features"
        store(project, "features.terminal", rows)

    with project.lake.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        past = past_of(connection, [view], view.contract.topic())
        return past, fill(connection, view, past, folder, take, now_ms=START_MS)


@pytest.mark.parametrize("seed", range(2))
def test_a_rate_holds_the_labels_that_were_known_then_and_verify_agrees(
    project: Project, tmp_path: Path, seed: int
) -> None:
    events = happened(seed)
    count = into_lake(project, events)
    letter(project, "not_json", count - 1)
    # Those were noted by who writes the topics that are made of others, not by the job.
    letter(project, "unmatched", count + 50)
    letter(project, "too_large", count + 60)
    past, done = filled(project, tmp_path / "seed")
    newest_ms = max(one.told_ms for one in events)
    waiting = [offset for offset, one in enumerate(events) if one.counts_ms > newest_ms]
    assert waiting
    assert (past.offsets, past.newest_ms, past.begin) == ({0: count}, newest_ms, {0: min(waiting)})
    assert done.rows == count - len(waiting)

    columns = "event_id, source_offset, fraud_count_30d_where_known, fraud_mean_30d_where_known"
    rows = project.lake.sql(f"select {columns} from features.terminal order by source_offset").rows
    assert len(rows) == done.rows
    for event_id, offset, known, rate in rows:
        now = events[offset]
        assert event_id.split(":")[0] == ("payment" if now.fraud is None else "payment_outcome")
        labels = [
            one.fraud
            for one in events
            if one.fraud is not None
            and one.terminal == now.terminal
            and now.counts_ms - 30 * DAY_MS < one.counts_ms <= now.counts_ms
        ]
        assert known == len(labels)
        assert rate == (pytest.approx(sum(map(bool, labels)) / len(labels)) if labels else None)
    report = verify(project.lake, project.views["terminal"])
    assert report.first_differences == []
    assert (report.outcome, report.rows, report.missing) == ("passed", done.rows, 0)


def test_labels_do_not_count_in_a_view_by_arrival(project: Project) -> None:
    file = project.folder / "features" / "terminal.yaml"
    file.write_text(FILES["features/terminal.yaml"].replace("order: event_time\nlateness: 1h\n", ""))
    with pytest.raises(DeclarationError) as caught:
        _ = headrace.open(project.folder).views
    assert str(caught.value) == (
        "features/terminal.yaml line 2: 'source' is the event 'at_terminal', which holds labels that come before they"
        " may be known\n"
        "  order:     arrival\n"
        "  expected:  order: event_time, which counts each at its time\n"
        "  try:       order: event_time, and lateness: 5s"
    )


def test_a_view_by_another_key_goes_on_by_when_labels_were_told_too(project: Project) -> None:
    file = project.folder / "features" / "terminal.yaml"
    file.write_text(FILES["features/terminal.yaml"].replace("key: terminal_id", "key: card_id"))
    contract: Contract = headrace.open(project.folder).views["terminal"].contract
    assert (contract.stream, contract.progress) == ("at_terminal.by.card_id", "told_at")
