"""SQL over HTTP: rows as JSON Lines or Arrow, within limits, and nothing but tables of the lake."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from headrace_ingestion.records import StoredRecord
from headrace_lake.decode import compile_decoder
from headrace_lake.delta_table import open_for_append
from headrace_lake.tables import events_table
from served_project import written_project
from serving import Client, serving

from headrace.project import Project

ROWS = 12_000


def fill(project: Project, rows: int) -> None:
    """Put readings of two series into the lake."""
    from headrace_lake.commit import append

    spec = events_table(project.contracts["reading"])
    records = [
        StoredRecord(
            "events.reading", 0, n, 1_790_000_000_000, f"s{n % 2}".encode(),
            json.dumps({"series": f"s{n % 2}", "at": "2026-01-31T12:00:00Z", "value": n, "good": True}).encode(),
        )
        for n in range(rows)
    ]  # fmt: skip
    append(open_for_append(project.folders.lake, spec), compile_decoder(spec)(records).rows, {})


@pytest.fixture(scope="module")
def asked(broker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Asks a project with rows in its lake, which may give 11,000 of them."""
    flags = {"kafka__bootstrap_servers": broker.bootstrap_servers, "http__sql_rows": "11000"}
    project = written_project(tmp_path_factory.mktemp("asked"), **flags)
    fill(project, ROWS)
    with serving(project) as port:
        yield Client(port)


def lines(body: bytes) -> list[Any]:
    """The rows of JSON Lines."""
    return [json.loads(line) for line in body.splitlines()]


def test_rows_are_json_lines_and_parameters_are_bound(asked: Client) -> None:
    query = "select series, count(*) as n, sum(value) as v from events.reading where series = $s group by all"
    answer = asked.post("/sql", {"query": query, "params": {"s": "s1"}})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert lines(answer.body) == [{"series": "s1", "n": 6000, "v": 36_000_000.0}]
    assert lines(asked.post("/sql", {"query": "select ?::hugeint as h", "params": [2**40]}).body) == [{"h": 2**40}]


def test_rows_are_arrow_when_it_is_asked_for(asked: Client) -> None:
    query = {"query": "select _offset, value from events.reading order by _offset limit 10500"}
    answer = asked.post("/sql", query, accept="application/vnd.apache.arrow.stream")
    table = pa.ipc.open_stream(io.BytesIO(answer.body)).read_all()
    assert table.column_names == ["_offset", "value"]
    assert table.column("_offset").to_pylist() == list(range(10_500))


def test_an_answer_that_is_cut_off_says_so_in_its_last_line(asked: Client) -> None:
    answer = asked.post("/sql", {"query": "select value from events.reading"})
    assert answer.status == 200
    *rows, last = lines(answer.body)
    assert len(rows) <= 11_000
    assert last["error"] == "QueryError"
    assert last["message"].startswith("the result has more than 11000 rows")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"query": "select vlaue from events.reading"}, 422, "the query is wrong: "),
        ({"query": "drop table events.reading"}, 422, "DROP is not allowed here"),
        ({"query": "select * from read_text('/etc/hostname')"}, 422, "a query reads tables of the lake, nothing else"),
        ({"query": "select 1", "more": 1}, 400, "the body does not hold a query"),
        ({"query": "select 1", "params": 1}, 400, "params is neither an object nor an array"),
        ({"query": "select $a", "params": {"b": 1}}, 422, "the query asks for "),
        ({"query": "select error('no') from range(2)"}, 422, "the query"),
        ({"query": "select \ud800"}, 400, "the body is not JSON"),
    ],
)
def test_what_is_no_query_is_answered_with_a_reason(asked: Client, body: Any, status: int, message: str) -> None:
    answer = asked.post("/sql", body)
    assert (answer.status, answer.data["message"][: len(message)]) == (status, message)


def test_queries_that_failed_leave_room_for_others(asked: Client) -> None:
    for _ in range(6):
        assert asked.post("/sql", {"query": "select * from events.nothing"}).status == 422
    assert asked.post("/sql", {"query": "select 1"}, accept="text/html").status == 415
    assert lines(asked.post("/sql", {"query": "select 1 as one"}).body) == [{"one": 1}]
