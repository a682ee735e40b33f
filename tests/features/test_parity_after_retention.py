"""`verify` after retention has deleted events: what they were needed for is not verifiable, and never a mismatch."""

from datetime import timedelta
from pathlib import Path

import pytest
from headrace_features.parity_report import ParityReport
from headrace_features.verify import verify
from headrace_lake import events_table, features_table
from headrace_lake.upkeep.files import kept_tables
from headrace_lake.upkeep.retain import Tiers, retain
from parity_lake import ParityLake
from reference import Event
from test_view_parity import reading, readings
from view_cases import READING, START_MS

SPECS = (events_table(READING), features_table("series", "series", "string", []))
# A key of its own, far enough after what is deleted that its generation would have ended by itself.
NEW_KEY = [reading(30 + number, key="c", at_ms=70_000 + number * 100) for number in range(5)]


def report_after(folder: Path, events: list[Event], tables: list[str]) -> ParityReport:
    """Compare after the rows of these tables from before half a second have been deleted."""
    made = ParityLake(folder, events)
    lake = made.lake()
    for table in kept_tables(lake.path, SPECS, tables):
        done = retain(table, Tiers(delete_after=timedelta(seconds=1)), START_MS + 1_500)
        assert done.deleted_rows > 0
    return verify(lake, made.view)


@pytest.mark.parametrize("tables", [["events.reading"], ["events.reading", "features.series"]])
def test_rows_of_keys_that_had_deleted_events_are_not_verifiable_and_new_keys_pass(
    tmp_path: Path, tables: list[str]
) -> None:
    report = report_after(tmp_path, [*readings(30), *NEW_KEY], tables)
    assert report.first_differences == []
    assert (report.outcome, report.rows) == ("passed", 5)
    left = 30 if len(tables) == 1 else 25
    assert report.not_verifiable == {"their events are gone, or those before them": left}


def test_an_old_event_that_came_late_leaves_no_row_without_its_event(tmp_path: Path) -> None:
    # The order is that of arrival: its offset is in the middle of those that stay.
    events = [*(reading(number, at_ms=1_000 + number * 100) for number in range(10)), reading(10, at_ms=100), *NEW_KEY]
    report = report_after(tmp_path, events, ["events.reading"])
    assert report.first_differences == []
    assert (report.outcome, report.rows) == ("passed", 5)
