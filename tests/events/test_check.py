"""Rows judged by their contract, without sending."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from headrace_ingestion.testing import FakeBroker

from headrace.events import Events
from headrace.events.check import RefusedRow
from headrace.events.mapping import Reading

GOOD = '{"series": "s", "at": "2026-01-31T12:00:00Z", "value": 1}\n'


def test_json_lines_are_judged_as_the_sdk_judges_them(events: Events, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        GOOD
        + '{"series": "s", "at": "2026-01-31T12:00:00Z", "value": -1}\n'
        + '{"series": "s", "at": "2026-01-31T12:00:00", "value": 1}\n'
        + '{"series": "s", "at": "2026-01-31T12:00:00Z", "value": 1, "extra": 2}\n'
        + "nothing\n"
    )
    report = events.check("reading", [path])
    assert (report.accepted, report.refused) == (1, 4)
    assert report.reasons == {"out_of_range": 1, "wrong_type": 1, "unknown_field": 1, "not_a_row": 1}
    wanted = "timestamp (an aware datetime, or RFC 3339 text with Z or an offset)"
    assert report.refusals == [
        RefusedRow(str(path), 2, "out_of_range", "field 'value' expects at least 0, got a value below it"),
        RefusedRow(str(path), 3, "wrong_type", f"field 'at' expects {wanted}, got string '2026-01-31T12:00:00'"),
        RefusedRow(str(path), 4, "unknown_field", "field 'extra' is not in the contract"),
        RefusedRow(str(path), 5, "not_a_row", "the line is not JSON"),
    ]


def test_standard_input_holds_json_lines(events: Events) -> None:
    report = events.check("reading", [io.BytesIO(GOOD.encode() * 2)])
    assert (report.files, report.accepted, report.refused) == (["-"], 2, 0)


def test_columns_of_a_table_that_the_contract_does_not_have_are_listed(events: Events, tmp_path: Path) -> None:
    pq.write_table(pa.table({"series": [1], "at": ["2026-01-31"], "value": [2], "note": ["x"]}), tmp_path / "a.parquet")
    report = events.check("reading", [tmp_path / "a.parquet"])
    assert (report.accepted, report.ignored) == (1, ["note"])


def test_an_empty_cell_of_a_required_field_is_missing(events: Events, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("at,value\n2026-01-31,\n")
    report = events.check("reading", [path], Reading(key="{stem}"))
    assert report.refusals == [RefusedRow(str(path), 2, "missing_field", "field 'value' is missing")]


def test_the_first_refusals_are_kept_and_all_are_counted(events: Events, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("x\n" * 50)
    report = events.check("reading", [path], shown=3, limit=40)
    assert (report.refused, len(report.refusals)) == (40, 3)


def test_nothing_is_sent(events: Events, fake: FakeBroker) -> None:
    events.check("reading", [io.BytesIO(GOOD.encode())])
    assert fake.records("events.reading") == []
