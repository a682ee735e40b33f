"""What a sink sends of records."""

import json
from pathlib import Path
from typing import Any

from headrace_ingestion.records import StoredRecord

import headrace
from headrace.sinks.declaration import SinkDeclaration
from headrace.sinks.letters import sink_letter
from headrace.sinks.project_sinks import sink_parts
from headrace.sinks.rows import Outgoing
from headrace.sinks.target import Refusal

AT = "2026-01-31T12:00:00.5Z"
RECORDED_MS = 1_769_860_801_000


def record(offset: int, value: object, *, event_id: str | None = None, **more: object) -> StoredRecord:
    """A reading at a place."""
    fields = {"series": "s", "at": AT, "value": value, **more}
    headers = [("event_id", (event_id or f"id-{offset}").encode())]
    return StoredRecord("events.reading", 1, offset, RECORDED_MS, b"s", json.dumps(fields).encode(), headers)


def sent(folder: Path, records: list[StoredRecord], **parts: Any) -> list[Outgoing]:
    """What a sink of these parts makes of the records."""
    sink = SinkDeclaration.model_validate(
        {"name": "crm", "table": "events.reading", "http": {"url": "http://x"}, **parts}
    )
    return sink_parts(headrace.open(folder), sink, environ={}).rows(records)


def bodies(outgoing: list[Outgoing]) -> list[tuple[str, Any]]:
    """Key and JSON of each."""
    return [(one.key, json.loads(one.body or b"null")) for one in outgoing]


def test_without_a_selection_the_columns_of_the_record_are_sent_under_its_event_id(folder: Path) -> None:
    assert bodies(sent(folder, [record(3, 1.5, cost="12.25")])) == [
        ("id-3", {"event_id": "id-3", "series": "s", "at": "2026-01-31T12:00:00.500000Z", "value": 1.5, "cost": 12.25})
    ]


def test_where_and_select_are_sql_over_the_columns_of_the_table(folder: Path) -> None:
    found = sent(
        folder,
        [record(n, float(n)) for n in range(4)],
        where="value >= 2",
        select="upper(series) AS name, value * 2 AS twice, {'offset': _offset} AS place",
    )
    assert bodies(found) == [
        ("id-2", {"name": "S", "twice": 4.0, "place": {"offset": 2}}),
        ("id-3", {"name": "S", "twice": 6.0, "place": {"offset": 3}}),
    ]


def test_a_comment_in_sql_ends_with_the_expression(folder: Path) -> None:
    found = sent(folder, [record(1, 1.0), record(2, 2.0)], where="value > 1 -- large", select="value AS v -- alone")
    assert bodies(found) == [("id-2", {"v": 2.0})]


def test_a_function_that_wants_to_end_the_process_fails_by_itself(folder: Path) -> None:
    (folder / "shaping_exit.py").write_text("def shape(row):\n    raise SystemExit(3)\n")
    (found,) = sent(folder, [record(1, 1.0)], transform="shaping_exit:shape")
    assert found.problem == "the transform raised SystemExit: 3"


def test_what_the_contract_refuses_is_left_out(folder: Path) -> None:
    assert [one.key for one in sent(folder, [record(0, "x"), record(1, 1.0), record(2, None)])] == ["id-1"]


def test_a_row_that_spoils_the_sql_is_told_and_the_others_are_sent(folder: Path) -> None:
    records = [record(0, 1.0), record(1, 2.0, cost="1"), record(2, 3.0)]
    found = sent(folder, records, select="CASE WHEN value = 2 THEN error('no twos') ELSE value END AS v")
    assert [(one.key, one.body, one.problem) for one in found] == [
        ("id-0", b'{"v":1.0}', None),
        ("id-1", None, "the expression fails: no twos"),
        ("id-2", b'{"v":3.0}', None),
    ]


def test_a_function_of_the_project_shapes_leaves_out_and_fails_by_itself(folder: Path) -> None:
    (folder / "shaping_rows.py").write_text(
        "def shape(row):\n"
        "    if row['value'] == 0:\n"
        "        return None\n"
        "    return [row['event_id'], 1 / (row['value'] - 1)]\n"
    )
    found = sent(folder, [record(n, float(n)) for n in range(3)], transform="shaping_rows:shape")
    assert [(one.key, one.body, one.problem) for one in found] == [
        ("id-1", None, "the transform raised ZeroDivisionError: float division by zero"),
        ("id-2", b'["id-2",1.0]', None),
    ]


def test_a_record_of_a_ledger_has_its_place_as_its_key_and_letters_of_sinks_do_not_go_round(folder: Path) -> None:
    def letter(offset: int, event: str) -> StoredRecord:
        row = {"reason": "not_json", "event": event, "topic": "t", "partition": 0, "offset": 9, "recorded_at_ms": 5}
        return StoredRecord("dead_letters", 0, offset, 1, None, json.dumps(row).encode())

    found = sent(folder, [letter(4, "reading"), letter(5, "sinks.crm")], table="ops.dead_letters", select="event")
    assert bodies(found) == [("dead_letters/0/4", {"event": "reading"})]


def test_a_letter_is_never_larger_than_its_topic_takes() -> None:
    def letter(key: bytes, value: bytes) -> dict[str, Any]:
        outgoing = Outgoing(StoredRecord("events.reading", 0, 1, 1, key, value, ()), "k", "e", None)
        return sink_letter("sinks.crm", Refusal(outgoing, "sink_refused", "HTTP 400"), RECORDED_MS)

    largest = letter(b"\x01" * 8_192, b"x" * 700_000)
    assert largest["detail"] == "HTTP 400"
    assert len(json.dumps(largest)) + 8_192 < 1_000_000
    wide = letter(b"k" * 500_000, b"x" * 700_000)
    assert (wide["key"], wide["detail"]) == (None, "HTTP 400 (too large to be kept here: the key)")
    assert len(json.dumps(wide)) < 1_000_000
    both = letter(b"k" * 500_000, b"x" * 700_001)
    assert (both["value"], both["detail"]) == (None, "HTTP 400 (too large to be kept here: the key and value)")
