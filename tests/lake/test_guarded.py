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
    file = str(next(Path(str(lake.path), "events", "call").glob("*.parquet")))
    with pytest.raises(QueryError):
        lake.sql(query.replace("{file}", file), guard=guard)


def test_the_kafka_key_is_masked_with_the_columns_however_their_names_are_written(lake: Lake) -> None:
    answer = lake.sql(
        "select subscriber_id, _key from events.call", guard=lambda _: Shown(None, frozenset({"SUBSCRIBER_id"}))
    )
    assert set(answer.rows) == {("***", "***")}


@pytest.mark.parametrize(
    "query",
    [
        "select current_setting('allowed_directories')",
        "select b.* from (with pg_views as (select 1 as z) select * from pg_views) a, pg_views b",
        "select b.* from (with pg_settings as (select 1 as z) select * from pg_settings) a, pg_settings b, events.call",
    ],
)
def test_what_tells_of_the_connection_is_refused(lake: Lake, query: str) -> None:
    with pytest.raises(QueryError, match="a guarded query reads tables of the lake, nothing else"):
        lake.sql(query, guard=guard)


def test_a_condition_that_does_not_fit_shows_nothing_and_not_itself(lake: Lake) -> None:
    with pytest.raises(QueryError) as refused:
        lake.sql("select 1 from events.call", guard=lambda _: Shown("secret_column = 'x'"))
    assert str(refused.value) == (
        "a condition of the policy does not fit the table events.call, so nothing of it is shown\n"
        "  expected:  'where' over columns of each table in 'resources', without a comment\n"
        "  try:       correct 'where' or 'resources' of the rule in policy.yaml"
    )
