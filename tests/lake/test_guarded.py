"""Queries of people who may not see everything: masks and conditions hold however the query is written."""

from pathlib import Path

import pytest
from headrace_lake import FlushPolicy, Lake, QueryError, events_table, scores_table
from headrace_lake.feed import Feed
from headrace_lake.guarded import Shown
from lake_records import CALL, HandClock, call_record


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake of ten calls."""
    specs = (events_table(CALL), scores_table("fraud"))
    folder = tmp_path_factory.mktemp("lake")
    feed = Feed(folder, specs[0], FlushPolicy(), HandClock())
    feed.start("topic-uuid", (0,))
    feed.take(0, [call_record(number) for number in range(10)], 10)
    assert feed.write() == "committed"
    return Lake(folder, specs)


def guard(table: str) -> Shown:
    """Calls of at least five seconds, without their subscribers and times; scores not at all."""
    if table != "events.call":
        raise QueryError(f"no {table}")
    return Shown("duration_s >= 5", frozenset({"subscriber_id", "started_at", "not_a_column"}))


def test_masked_columns_and_hidden_rows_are_never_seen(lake: Lake) -> None:
    query = "select subscriber_id, started_at, duration_s from events.call order by duration_s"
    rows = lake.sql(query, guard=guard).rows
    assert rows == [("***", None, float(n)) for n in range(5, 10)]
    with lake.stream(query, guard=guard) as stream:
        assert [row for batch in stream for row in batch.column("subscriber_id").to_pylist()] == ["***"] * 5
    assert lake.sql("select count(*) from events.call where subscriber_id <> '***'", guard=guard).rows == [(0,)]


@pytest.mark.parametrize("where", ["duration_s >= 5", "regexp_matches(event_id, '[5-9]$')"])
def test_no_expression_of_a_query_is_evaluated_on_a_hidden_row(lake: Lake, where: str) -> None:
    # It would tell of the row by its error.
    tells = "CAST(CASE WHEN duration_s < 5 THEN event_id ELSE '1' END AS INTEGER) = 1"
    for query in (
        f"select count(*) from events.call where {tells}",
        f"select count(*) from (select {tells} as ok from events.call) where ok",
    ):
        assert lake.sql(query, guard=lambda table: Shown(where)).rows == [(5,)]


@pytest.mark.parametrize(
    "query",
    [
        "with c as (from events.call) select count(*) from c",
        "select (select count(*) from EVENTS.Call), n from range(1) as r(n)",
        "select count(*) from (select 1 from events.call a join events.call b using (event_id))",
    ],
)
def test_queries_of_every_form_read_what_is_shown(lake: Lake, query: str) -> None:
    assert lake.sql(query, guard=guard).rows[0][0] == 5


@pytest.mark.parametrize(
    "query",
    [
        "select * from raw.events_call",
        'select * from events."call unmasked"',
        "select * from memory.events.call",
        "select * from scores.fraud",
        "select * from read_parquet('{file}')",
        "select * from '{file}'",
        'select * from "{file}"',
        'with "{file}" as (select 1) select * from "{file}"',
        'select * from (with "{file}" as (select 1) from "{file}") a, "{file}"',
        "select * from query('select * from raw.events_call')",
        "select * from query_table('raw.events_call')",
        "select * from sqlite_master",
        "with sqlite_master as (select 1) from sqlite_master",
        "select * from duckdb_views()",
        "select * from information_schema.tables",
        "select * from glob('*')",
        "describe raw.events_call",
        "summarize raw.events_call",
        "show tables",
        "explain analyze select * from raw.events_call",
        "select * from events.call where exists (from raw.events_call)",
        "select 1 union all (select 2 from raw.events_call)",
        "from (values (1)) v(x), lateral (select * from raw.events_call)",
        "pivot raw.events_call on duration_s using count(*)",
        "select [x for x in (select list(subscriber_id) from raw.events_call)]",
    ],
)
def test_nothing_but_the_tables_that_are_shown_can_be_read(lake: Lake, query: str) -> None:
    file = str(next(Path(lake.path / "events" / "call").glob("*.parquet")))
    with pytest.raises(QueryError):
        lake.sql(query.replace("{file}", file), guard=guard)
