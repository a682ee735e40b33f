"""`headrace bench lake`: what it counts is what stands in the table."""

from pathlib import Path

import pytest

from headrace.bench.errors import BenchError
from headrace.bench.lake import LakeBench, LakeResult, check_pruned, compact_all, count_reads, time_queries, write_rows
from headrace.bench.lake_report import query_columns, query_rows
from headrace.bench.project import contract_of, make_project

BENCH = LakeBench(rows=2_000, batch_rows=500, keys=20, visible_events=0)


def test_every_row_is_written_and_found_before_and_after_the_compaction(tmp_path: Path) -> None:
    contract = contract_of(make_project(tmp_path / "project", partitions=1))
    lake = tmp_path / "lake"
    written = write_rows(BENCH, lake, contract)
    assert (written.rows, written.files, len(written.commits_ms)) == (2_000, 4, 4)
    before = time_queries(lake, contract, BENCH)
    reads_before = count_reads(lake, contract, BENCH)
    compaction = compact_all(lake, contract)
    after, reads_after = time_queries(lake, contract, BENCH), count_reads(lake, contract, BENCH)
    data = LakeResult(BENCH, written, [], before, after, compaction, reads_before, reads_after).as_data()
    # The ten minutes begin in the middle of the rows: the first two of the four files have none of them.
    assert data["row_groups_before"]["ten minutes"] == {"read": 2, "there": 4}
    assert data["row_groups_before"]["group by country"] == {"read": 4, "there": 4}
    assert data["row_groups_after"]["ten minutes"] == {"read": 1, "there": 1}
    assert (data["compaction"]["files_before"], data["compaction"]["files_after"]) == (4, 1)
    assert [row[2::2] for row in query_rows(data)][2:] == [["4 of 4", "1 of 1"], ["2 of 4", "1 of 1"]]
    assert query_columns(data)[1::2] == ("4 files", "1 files")
    assert data["rows_per_second"] == round(2_000 / written.seconds)
    assert data["bytes_per_row"] == round(written.bytes / 2_000, 1)
    assert list(before) == list(after) == ["count", "group by country", "one key", "ten minutes"]
    with pytest.raises(BenchError, match=r"^the table holds 2,000 rows\n"):
        time_queries(lake, contract, LakeBench(rows=3_000))


def test_a_query_that_reads_files_of_other_times_is_an_error() -> None:
    bench = LakeBench(rows=500_000, batch_rows=20_000)
    check_pruned({"ten minutes": (3, 25)}, bench)
    with pytest.raises(BenchError) as caught:
        check_pruned({"ten minutes": (25, 25)}, bench)
    assert str(caught.value) == (
        "a query for ten minutes read 25 of 25 files\n"
        "  expected:  at most 3, with 20,000 rows in each\n"
        "  try:       headrace bench lake --rows 100000"
    )
