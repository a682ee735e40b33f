"""Rows of CSV, JSON Lines and Parquet, plain and compressed, and files that are none."""

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.events.errors import SourceError
from headrace.events.rows import CHUNK_ROWS, Row, header, read_rows
from headrace.events.sources import find_source


def rows(path: Path, skip: int = 0, columns: tuple[str, ...] | None = None) -> list[Row]:
    """All rows of a file."""
    return [row for chunk in read_rows(find_source(path), columns, skip) for row in chunk.rows]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_csv_gives_texts_and_nothing_for_an_empty_cell(tmp_path: Path, name: str) -> None:
    text = b'\xef\xbb\xbfat,note\n1,"two\nlines"\n\n2,\n'
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert header(find_source(path)) == ("at", "note")
    assert rows(path) == [Row(0, 3, {"at": "1", "note": "two\nlines"}), Row(1, 5, {"at": "2", "note": None})]


def test_a_csv_line_with_too_few_values_is_a_row_with_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3\n")
    assert rows(path)[1] == Row(1, 3, None, "the line has 1 values, the header has 2")


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson.gz", "a.json"])
def test_json_lines_give_what_stands_in_them(tmp_path: Path, name: str) -> None:
    text = b'{"a": 1, "b": [true]}\n\n17\n{"a":\n'
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert header(find_source(path)) is None
    assert rows(path) == [
        Row(0, 1, {"a": 1, "b": [True]}),
        Row(1, 3, None, "the line is not a JSON object"),
        Row(2, 4, None, "the line is not JSON"),
    ]


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz"])
def test_parquet_gives_python_values_with_timestamps_in_milliseconds(tmp_path: Path, name: str) -> None:
    at_ns = pa.array([1_500_000_000_123_456_789], pa.timestamp("ns", "UTC"))
    table = pa.table(
        {"at": at_ns, "day": [date(2017, 7, 14)], "kind": pa.array(["x"]).dictionary_encode(), "n": [None]}
    )
    plain = tmp_path / "plain.parquet"
    pq.write_table(table, plain)
    path = tmp_path / name
    path.write_bytes(gzip.compress(plain.read_bytes()) if name.endswith(".gz") else plain.read_bytes())
    assert header(find_source(path)) == ("at", "day", "kind", "n")
    at = datetime(2017, 7, 14, 2, 40, 0, 123_000, tzinfo=UTC)
    assert rows(path) == [Row(0, 1, {"at": at, "day": date(2017, 7, 14), "kind": "x", "n": None})]
    assert rows(path, columns=("kind", "missing")) == [Row(0, 1, {"kind": "x"})]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("skip", [0, 1, CHUNK_ROWS, CHUNK_ROWS + 7, 3 * CHUNK_ROWS])
def test_reading_can_begin_at_any_row(tmp_path: Path, form: str, skip: int) -> None:
    count = 2 * CHUNK_ROWS + 11
    path = tmp_path / f"a.{form}"
    if form == "csv":
        path.write_text("n\n" + "".join(f"{n}\n" for n in range(count)))
    elif form == "jsonl":
        path.write_text("".join(f'{{"n": {n}}}\n' for n in range(count)))
    else:
        pq.write_table(pa.table({"n": range(count)}), path, row_group_size=777)
    found = rows(path, skip)
    assert [row.number for row in found] == list(range(skip, count))
    assert [int(row.values["n"]) for row in found if row.values] == list(range(skip, count))


def test_the_last_chunk_has_read_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("n\n" + "1\n" * (CHUNK_ROWS + 1))
    done = [chunk.done_bytes for chunk in read_rows(find_source(path))]
    assert len(done) == 2
    assert done[-1] == path.stat().st_size


def message(path: Path) -> str:
    """What reading the file to its end says."""
    with pytest.raises(SourceError) as caught:
        rows(path)
    return str(caught.value)


def test_a_missing_file_names_its_neighbours_and_the_closest(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SourceError) as caught:
        find_source(tmp_path / "cals.csv")
    assert str(caught.value) == (
        f"the file {tmp_path}/cals.csv does not exist\n"
        "  files:  calls.csv\n"
        f"  where:  {tmp_path}\n"
        f"  try:    {tmp_path}/calls.csv"
    )


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        find_source(tmp_path / "2026" / "january" / "calls.csv")
    assert str(caught.value) == (
        f"the file {tmp_path}/2026/january/calls.csv does not exist\n"
        f"  expected:  the folder {tmp_path}/2026/january, which does not exist either\n"
        f"  try:       ls {tmp_path}"
    )


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").touch()
    with pytest.raises(SourceError) as caught:
        find_source(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is a folder\n"
        "  expected:  files\n"
        "  files:     a.parquet\n"
        f"  try:       {tmp_path}/*.csv or {tmp_path}/*.parquet"
    )


def test_a_name_that_says_no_format_needs_the_option(tmp_path: Path) -> None:
    path = tmp_path / "calls.dat"
    path.write_text("n\n1\n")
    with pytest.raises(SourceError) as caught:
        find_source(path)
    assert str(caught.value) == (
        f"the name of the file {path} does not say its format\n"
        "  suffixes:  .csv, .jsonl, .ndjson, .json, .parquet, each also with .gz\n"
        "  try:       --format csv, --format jsonl or --format parquet"
    )
    assert find_source(path, "csv").format == "csv"


def test_a_csv_that_is_not_utf_8_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("n\nZürich\n".encode("latin-1"))
    assert message(path) == (
        f"the file {path} cannot be read: it is not UTF-8 (byte 0xfc)\n"
        '  expected:  CSV in UTF-8, quoted with "\n'
        f"  try:       ls -l {path}"
    )


def test_a_gzip_file_that_ends_early_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"n": 1}\n' * 9999)[:-20])
    assert message(path) == (
        f"the file {path} cannot be read: Compressed file ended before the end-of-stream marker was reached\n"
        "  expected:  JSON Lines, compressed with gzip\n"
        f"  try:       ls -l {path}"
    )


def test_what_is_not_parquet_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("n\n1\n")
    text = message(path)
    assert text.startswith(f"the file {path} cannot be read: ")
    assert text.endswith(f"\n  expected:  Parquet\n  try:       ls -l {path}")


def test_a_csv_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("n,n\n1,2\n")
    assert message(path) == (
        f"the file {path} has the column 'n' twice\n"
        "  expected:  the names of the columns in the first line, each once\n"
        f"  try:       head -n 3 {path}"
    )
