"""SQL of others: it reads the tables of the lake and nothing else, within its limits, and errors say what to type."""

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable
from headrace_lake import FlushPolicy, Lake, Limits, QueryError, events_table, scores_table
from headrace_lake.feed import Feed
from headrace_lake.layout import table_folder
from headrace_lake.query import time_limit
from headrace_lake.stream import ResultStream
from lake_records import CALL, HandClock, call_record, until

TABLES = "events.call, scores.fraud"
SPECS = (events_table(CALL), scores_table("fraud"))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake of 100 calls."""
    folder = tmp_path_factory.mktemp("lake")
    fill(folder, 0, 100)
    (folder / "secret.csv").write_text("a\n1\n")
    return Lake(folder, SPECS)


def fill(folder: Path, first: int, last: int) -> None:
    """Commit calls to the lake."""
    feed = Feed(folder, SPECS[0], FlushPolicy(), HandClock())
    feed.start("topic-uuid", (0,))
    feed.take(0, [call_record(number) for number in range(first, last)], last)
    assert feed.write() == "committed"


def refusal(lake: Lake, query: str, limits: Limits | None = None) -> str:
    """The text of the error of a query."""
    with pytest.raises(QueryError) as error:
        lake.sql(query, limits=limits)
    return str(error.value)


def test_a_result_is_rows_an_arrow_table_and_a_frame(lake: Lake) -> None:
    result = lake.sql("select _offset, started_at, duration_s from events.call where _offset = ?", [7])
    assert result.columns == ["_offset", "started_at", "duration_s"]
    assert result.rows == [(7, datetime(2025, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC), 7.0)]
    assert result.arrow().num_rows == 1
    assert str(result.df().dtypes["started_at"]) == "datetime64[us, UTC]"
    assert result.versions == {"events.call": 1}


def test_sums_of_integers_are_integers(lake: Lake) -> None:
    assert lake.sql("select sum(_offset) from events.call").rows == [(4_950,)]
    assert lake.sql("select sum(x::hugeint) from (values (170141183460469231731687303715884105727)) t(x)").rows


@pytest.mark.parametrize(
    "query",
    [
        "with c as (select 1 as a) select * from c",
        "from events.call limit 1",
        "describe events.call",
        "summarize events.call",
        "show all tables",
        "explain select * from events.call",
        "select * from query_table('events.' || 'call') limit 1",
        "select $n::int as n -- a comment",
    ],
)
def test_whatever_reads_is_allowed(lake: Lake, query: str) -> None:
    assert lake.sql(query, {"n": 1} if "$n" in query else None).rows


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("create table t (a int)", "CREATE"),
        ("insert into events.call values (1)", "INSERT"),
        ("drop view events.call", "DROP"),
        ("copy events.call to 'out.csv'", "COPY"),
        ("attach 'x.db'", "ATTACH"),
        ("install httpfs", "LOAD"),
        ("load httpfs", "LOAD"),
        ("set memory_limit = '1TB'", "SET"),
        ("pragma database_list", "PRAGMA"),
        ("call pragma_version()", "CALL"),
        ("export database 'x'", "EXPORT"),
    ],
)
def test_whatever_changes_something_is_refused_by_its_kind(lake: Lake, query: str, kind: str) -> None:
    assert refusal(lake, query) == (
        f"{kind} is not allowed here\n"
        "  allowed:  SELECT, WITH, EXPLAIN, DESCRIBE, SUMMARIZE, SHOW\n"
        "  try:      select … from events.…"
    )


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('{folder}/secret.csv')",
        "select * from '{folder}/secret.csv'",
        "select * from read_text('/etc/hostname')",
        "select * from read_blob('{folder}/events/call/_delta_log/00000000000000000000.json')",
        "select * from glob('{folder}/*')",
        "select * from read_parquet('https://example.org/x.parquet')",
        "select * from sniff_csv('/etc/hostname')",
    ],
)
def test_no_other_file_can_be_read(lake: Lake, query: str) -> None:
    text = refusal(lake, query.format(folder=lake.path))
    assert text.startswith(("a query reads tables of the lake, nothing else: ", "the query is wrong: "))
    assert "secret" not in text or "Cannot access file" in text


def test_explain_runs_nothing_that_changes_a_file(lake: Lake, tmp_path: Path) -> None:
    refusal(lake, f"explain analyze copy (select 1) to '{tmp_path}/out.csv'")
    assert list(tmp_path.iterdir()) == []


def test_a_name_never_means_a_variable_of_the_caller(lake: Lake) -> None:
    frame = lake.sql("select 1 as a").df()
    assert refusal(lake, "select * from frame").startswith("there is no table 'frame'")
    assert len(frame) == 1


def test_a_query_is_stopped_at_its_time_limit(lake: Lake) -> None:
    query = "select count(*) from range(100000000000) a, range(1000000) b"
    assert refusal(lake, query, Limits(seconds=0.2)) == (
        "the query was stopped after 0.2 seconds\n"
        "  limit:  0.2 seconds\n"
        f"  query:  {query}\n"
        "  try:    read less with where …, or allow more seconds"
    )


def test_a_query_is_stopped_at_its_time_limit_also_between_its_rows(lake: Lake) -> None:
    text = refusal(lake, "select range from range(100000000000)", Limits(seconds=0.2))
    assert text.startswith("the query was stopped after 0.2 seconds\n")


@pytest.fixture
def one_thread_at_a_time() -> Iterator[None]:
    """Another thread runs only where this one waits."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(60)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("one_thread_at_a_time")
def test_a_time_limit_has_let_go_of_the_connection_when_it_ends() -> None:
    # A program that ends while something holds the connection prints that DuckDB has leaked it.
    before = set(threading.enumerate())
    with duckdb.connect() as connection:
        with time_limit(connection, 60):
            assert set(threading.enumerate()) != before
        assert set(threading.enumerate()) == before


@pytest.mark.usefixtures("one_thread_at_a_time")
def test_a_stream_has_let_go_of_the_connection_when_it_ends() -> None:
    before = set(threading.enumerate())
    with duckdb.connect() as connection:
        reader = connection.sql("select 1").to_arrow_reader()
        with ResultStream(connection, reader, Limits(), ExitStack()):
            assert set(threading.enumerate()) != before
        assert set(threading.enumerate()) == before


def test_a_query_is_refused_more_memory_than_its_limit(lake: Lake) -> None:
    text = refusal(lake, "select list(a) from range(100000000) t(a)", Limits(memory_bytes=50_000_000))
    assert text.splitlines()[0] == "the query needs more than 50,000,000 bytes of memory"


def test_more_rows_than_the_limit_are_an_error_and_never_a_part_of_the_result(lake: Lake) -> None:
    assert len(lake.sql("select * from events.call", limits=Limits(rows=100)).rows) == 100
    assert refusal(lake, "select * from events.call", Limits(rows=99)) == (
        "the result has more than 99 rows\n  limit:  99 rows\n  try:    select * from events.call limit 99"
    )


def test_a_limit_of_zero_is_refused() -> None:
    with pytest.raises(QueryError, match=r"^the limit 'seconds' of a query is 0\n"):
        Limits(seconds=0)


@pytest.mark.parametrize(
    ("query", "name", "near"),
    [
        ("select * from events.cal", "events.cal", "events.call"),
        ("select * from call", "call", "events.call"),
        ("select * from scores.fraud_2", "scores.fraud_2", "scores.fraud"),
        ("select * from nothing.like_it", "nothing.like_it", "headrace lake tables"),
    ],
)
def test_an_unknown_table_is_answered_with_the_tables_and_the_closest(
    lake: Lake, query: str, name: str, near: str
) -> None:
    assert refusal(lake, query) == f"there is no table {name!r}\n  tables:  {TABLES}\n  try:     {near}"


def test_an_unknown_column_is_answered_with_the_closest(lake: Lake) -> None:
    text = refusal(lake, "select duration from events.call")
    assert text.splitlines()[0] == 'the query is wrong: Referenced column "duration" not found in FROM clause!'
    assert text.endswith("try:      duration_s")


def test_a_syntax_error_shows_its_line(lake: Lake) -> None:
    assert refusal(lake, "select *\nform events.call") == (
        'the query is wrong: syntax error at or near "events"\n'
        "  query:  line 2: form events.call\n"
        "  try:    headrace lake tables"
    )


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("select at from events.call", "at"),
        ("select * from events.call where at > 3", "at"),
        ("select to from events.call", "to"),
        ("select end, device from events.call", "end"),
    ],
)
def test_a_column_that_is_a_word_of_sql_is_to_be_quoted(lake: Lake, query: str, word: str) -> None:
    assert f"{word}:" in refusal(lake, query)
    assert refusal(lake, query).endswith(f'try:    "{word}"')


@pytest.mark.parametrize("query", ["select device from where", "select from events.call", "select (1 from events.call"])
def test_a_clause_is_not_taken_for_a_column(lake: Lake, query: str) -> None:
    assert refusal(lake, query).endswith("headrace lake tables")


@pytest.mark.parametrize(("query", "count"), [("", 0), ("-- nothing", 0), ("select 1; select 2", 2)])
def test_one_statement_is_expected(lake: Lake, query: str, count: int) -> None:
    assert refusal(lake, query).splitlines()[:2] == [
        f"the query has {count} statements", "  expected:  one statement"
    ]  # fmt: skip


def test_queries_survive_appends_compaction_and_vacuum_and_each_sees_whole_batches(tmp_path: Path) -> None:
    lake = Lake(tmp_path, SPECS)
    fill(tmp_path, 0, 10)
    seen: list[int] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                ((rows, offsets),) = lake.sql("select count(*), sum(_offset) from events.call").rows
                assert rows % 10 == 0
                assert offsets == rows * (rows - 1) // 2
                seen.append(rows)
        except BaseException as error:  # noqa: BLE001 - the border of the thread
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    folder = table_folder(tmp_path, "events", "call")
    for first in range(10, 60, 10):
        fill(tmp_path, first, first + 10)
        DeltaTable(folder).optimize.compact()
        # Far below the age that upkeep keeps to: files go while a query may still mean to read them.
        DeltaTable(folder).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        queries = len(seen)
        until(lambda queries=queries: len(seen) >= queries + 2 or bool(failures))  # type: ignore[misc]  # bound now
    done.set()
    thread.join()
    assert failures == []
    assert (seen == sorted(seen), seen[-1]) == (True, 60)


def test_what_outgrows_the_memory_of_a_connection_is_put_aside_in_the_folder_for_temporary_files(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with lake.connect() as connection:
        connection.execute("SET memory_limit = '24MB'; SET threads = 1")
        connection.execute(
            "CREATE TEMP TABLE large AS SELECT hash(range) AS a, hash(range + 7) AS b FROM range(2_000_000)"
        )
        (folder,) = tmp_path.iterdir()
        assert sum(file.stat().st_size for file in folder.iterdir()) > 1_000_000
        assert connection.sql("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
    assert list(tmp_path.iterdir()) == []
