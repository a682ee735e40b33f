"""How columns, constants and parts of a file's path become the fields of an event."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from headrace.events.errors import MappingError, SourceError
from headrace.events.mapping import FieldPlan, Reading, plan_fields, reading_digest
from headrace.events.rows import header
from headrace.events.sources import Source, find_source
from headrace.project import Project

ROW = {"series": "s", "at": "2026-01-31 12:00:00", "value": "1.5"}


def source(folder: Path, name: str = "a.csv", text: str = "series,at,value,count,good\n") -> Source:
    """A file with this header."""
    path = folder / name
    path.write_text(text)
    return find_source(path)


def plan(project: Project, reading: Reading, found: Source) -> FieldPlan:
    """How rows of the file become events of the project."""
    return plan_fields(project.contracts["reading"], reading, found, header(found))


def test_a_field_takes_the_column_of_its_name_in_its_type(project: Project, tmp_path: Path) -> None:
    fields = plan(project, Reading(), source(tmp_path)).fields({**ROW, "count": " 7", "good": "False"})
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert fields == {"series": "s", "at": at, "value": 1.5, "count": 7, "good": False}


@pytest.mark.parametrize(
    ("column", "text"),
    [("count", "1.0"), ("count", "1_000"), ("count", "x"), ("value", "1,5"), ("value", "nan"), ("good", "yes")],
)
def test_a_text_that_is_no_value_of_the_type_is_left_for_the_contract(
    project: Project, tmp_path: Path, column: str, text: str
) -> None:
    assert plan(project, Reading(), source(tmp_path)).fields({**ROW, column: text})[column] == text


def test_a_timestamp_without_a_zone_is_in_the_given_one(project: Project, tmp_path: Path) -> None:
    fields = plan(project, Reading(time_zone="Europe/Oslo"), source(tmp_path)).fields(ROW)
    assert fields["at"] == datetime(2026, 1, 31, 12, tzinfo=ZoneInfo("Europe/Oslo"))
    with_zone = {**ROW, "at": "2026-01-31T12:00:00-05:00"}
    assert plan(project, Reading(time_zone="Europe/Oslo"), source(tmp_path)).fields(with_zone)["at"] == datetime(
        2026, 1, 31, 17, tzinfo=UTC
    )


def test_json_lines_keep_their_types_and_get_a_zone_only_when_asked(project: Project, tmp_path: Path) -> None:
    lines = source(tmp_path, "a.jsonl", "")
    assert plan(project, Reading(), lines).fields({**ROW, "count": "7"}) == {**ROW, "count": "7"}
    assert plan(project, Reading(time_zone="UTC"), lines).fields(ROW)["at"] == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_whole_numbers_of_parquet_become_texts_and_bools(project: Project, tmp_path: Path) -> None:
    parquet = Source(tmp_path / "a.parquet", "parquet", is_gzip=False)
    found = plan_fields(project.contracts["reading"], Reading(), parquet, ("series", "at", "value", "good"))
    values: dict[str, Any] = {"series": 17, "at": date(2026, 1, 31), "value": 2, "good": 1}
    assert found.fields(values) == {"series": "17", "at": datetime(2026, 1, 31, tzinfo=UTC), "value": 2, "good": True}
    assert found.fields({**values, "good": 2})["good"] == 2


def test_map_value_key_and_shift_say_where_fields_come_from(project: Project, tmp_path: Path) -> None:
    (tmp_path / "traffic").mkdir()
    found = source(tmp_path / "traffic", "speed_7.csv", "timestamp,v,extra\n")
    reading = Reading(
        columns={"at": "timestamp", "value": "v"},
        constants={"good": "true"},
        key="{parent}/{stem} of {name}",
        shifts={"at": timedelta(hours=24)},
    )
    made = plan(project, reading, found)
    assert made.fields({"timestamp": "2026-01-31", "v": "2"}) == {
        "series": "traffic/speed_7 of speed_7.csv",
        "at": datetime(2026, 2, 1, tzinfo=UTC),
        "value": 2.0,
        "good": True,
    }
    assert made.ignored == ("extra",)
    assert made.columns == ("timestamp", "v")


def test_a_key_without_placeholders_is_a_column(project: Project, tmp_path: Path) -> None:
    made = plan(project, Reading(key="sensor"), source(tmp_path, text="sensor,at,value\n"))
    assert made.fields({"sensor": "x", "at": ROW["at"], "value": "1"})["series"] == "x"


def test_an_event_id_comes_from_its_column(project: Project, tmp_path: Path) -> None:
    with_ids = source(tmp_path, text="event_id,series,at,value,other\n")
    assert plan(project, Reading(), with_ids).event_id({"event_id": 17, "other": "x"}) == "17"
    assert plan(project, Reading(event_id="other"), with_ids).event_id({"event_id": 17, "other": "x"}) == "x"
    assert plan(project, Reading(), source(tmp_path, "b.csv")).event_id(ROW) is None


def test_the_digest_follows_content_and_reading_and_not_the_place(project: Project, tmp_path: Path) -> None:
    contract = project.contracts["reading"]
    (tmp_path / "other").mkdir()
    first, moved = source(tmp_path, text="x\n"), source(tmp_path / "other", "b.csv", "x\n")
    changed = source(tmp_path / "other", "c.csv", "y\n")
    assert reading_digest(contract, Reading(), first) == reading_digest(contract, Reading(), moved)
    assert reading_digest(contract, Reading(), first) != reading_digest(contract, Reading(), changed)
    assert reading_digest(contract, Reading(), first) != reading_digest(contract, Reading(columns={"at": "t"}), first)
    # Equal files of two series are different events.
    named = Reading(key="{stem}")
    assert reading_digest(contract, named, first) != reading_digest(contract, named, moved)


def message(project: Project, reading: Reading, found: Source) -> str:
    """What is wrong with the reading."""
    with pytest.raises((MappingError, SourceError)) as caught:
        plan(project, reading, found)
    return str(caught.value)


def test_a_required_field_without_a_column_proposes_one(project: Project, tmp_path: Path) -> None:
    found = source(tmp_path, text="series,timestamp,value\n")
    assert message(project, Reading(), found) == (
        f"the file {found.path} has no column for the required field 'at'\n"
        "  columns:   series, timestamp, value\n"
        "  contract:  events/reading.yaml line 7\n"
        "  try:       --map at=timestamp, or --value at=TEXT"
    )


def test_a_file_without_its_key_proposes_the_option_key(project: Project, tmp_path: Path) -> None:
    found = source(tmp_path, text="at,value\n")
    assert message(project, Reading(), found).endswith("  try:       --key COLUMN, or --key '{stem}'")


def test_a_mapped_column_that_is_not_there_is_named(project: Project, tmp_path: Path) -> None:
    found = source(tmp_path, text="series,timestamp,value\n")
    assert message(project, Reading(columns={"at": "timestmp"}), found) == (
        f"the file {found.path} has no column 'timestmp'\n"
        "  columns:   series, timestamp, value\n"
        "  contract:  events/reading.yaml line 7\n"
        "  try:       --map at=timestamp, or --value at=TEXT"
    )


def test_a_field_that_the_contract_does_not_have_is_named(project: Project, tmp_path: Path) -> None:
    assert message(project, Reading(columns={"vlaue": "v"}), source(tmp_path)) == (
        "--map names the field 'vlaue', which event 'reading' version 1 does not have\n"
        "  fields:    series, at, value, count, good\n"
        "  contract:  events/reading.yaml\n"
        "  try:       --map value=…"
    )


def test_only_timestamps_can_be_shifted(project: Project, tmp_path: Path) -> None:
    assert message(project, Reading(shifts={"value": timedelta(hours=1)}), source(tmp_path)) == (
        "--shift names the field 'value' of type double\n  timestamps:  at\n  try:         --shift at=24h"
    )


def test_a_field_is_given_once(project: Project, tmp_path: Path) -> None:
    reading = Reading(constants={"series": "x"}, key="{stem}")
    assert message(project, reading, source(tmp_path)) == (
        "the field 'series' is given twice\n"
        "  expected:  one of --map, --value and --key for a field\n"
        "  try:       keep one of them"
    )


def test_an_unknown_placeholder_is_named(project: Project, tmp_path: Path) -> None:
    assert message(project, Reading(key="{steam}"), source(tmp_path)) == (
        "the text '{steam}' for the field 'series' has the placeholder {steam}\n"
        "  known:  {stem}, {parent}, {name}\n"
        "  try:    {stem}"
    )


def test_an_unknown_time_zone_is_named(project: Project, tmp_path: Path) -> None:
    assert message(project, Reading(time_zone="Europe/Olso"), source(tmp_path)) == (
        "--time-zone 'Europe/Olso' is not a time zone\n"
        "  expected:  a name of the IANA database\n"
        "  try:       --time-zone Europe/Oslo"
    )
