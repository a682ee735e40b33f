"""`headrace lake sql` as it is typed: queries with names and parameters, forms of answers, limits, a conversation."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import headrace_lake
import pytest
from headrace_lake.query import Limits
from lake_project import Run, answer, failure, make_project, run_on
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from headrace.cli.common import Invocation
from headrace.cli.lake_shell import SqlCompleter, converse
from headrace.cli.lake_sql import Asking
from headrace.cli.output import Output
from headrace.project import open_project

LONG = """\
-- Long calls
-- of one subscriber.
select _offset from events.call where subscriber_id = $who and _offset > $least;
"""
SETTINGS = "lake: {workgroups: {default: {seconds: 30, rows: 40}, guests: {seconds: 1, rows: 5}}}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of 50 calls, one named query and two workgroups."""
    made = tmp_path_factory.mktemp("project")
    make_project(made, SETTINGS)
    (made / "queries").mkdir()
    (made / "queries" / "long_calls.sql").write_text(LONG)
    return made


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Runs `headrace lake` on it."""
    return run_on(folder)


def test_a_named_query_takes_parameters_of_the_types_it_compares_them_with(run: Run) -> None:
    found = answer(run("sql", "--name", "long_calls", "--param", "who=s7", "--param", "least=6", "--output", "json"))
    assert found == [{"_offset": 7}]
    (listed,) = answer(run("queries", "--output", "json"))
    assert listed == {
        "query": "long_calls", "parameters": "who, least", "description": "Long calls of one subscriber.",
    }  # fmt: skip


def test_a_parameter_is_a_value_and_never_a_part_of_the_query(run: Run) -> None:
    hostile = "s7' or 'a'='a"
    query = "select count(*) as n from events.call where subscriber_id = $who"
    assert answer(run("sql", query, "--param", f"who={hostile}", "--output", "json")) == [{"n": 0}]


def test_a_parameter_that_the_query_does_not_ask_for_is_named(run: Run) -> None:
    assert failure(run("sql", "select $who as who", "--param", "who=a", "--param", "least=6")) == (
        "QueryError: a value was given for the parameter 'least', and the query does not ask for it\n"
        "  not asked for:  least\n"
        "  query:          select $who as who\n"
        "  try:            $least in the query"
    )
    assert failure(run("sql", "select 1 as one", "--param", "least=6")).startswith(
        "QueryError: a value was given for a parameter, and the query does not ask for it\n"
    )


def test_a_missing_parameter_and_an_unknown_query_say_what_to_type(run: Run) -> None:
    query = "select * from events.call where subscriber_id = $who"
    assert failure(run("sql", query)) == (
        "QueryError: the query asks for the parameter 'who', and no value was given\n"
        "  missing:  who\n"
        f"  query:    {query}\n"
        "  try:      --param who=VALUE"
    )
    assert failure(run("sql", "--name", "long_cals")) == (
        "QueryFileError: there is no query 'long_cals'\n"
        "  queries:  long_calls\n"
        "  try:      headrace lake sql --name long_calls"
    )


@pytest.mark.parametrize(
    ("name", "reader"), [("a.parquet", "read_parquet"), ("a.csv", "read_csv"), ("a.jsonl", "read_json")]
)
def test_an_answer_is_written_to_a_file_in_the_form_its_name_says(
    run: Run, tmp_path: Path, name: str, reader: str
) -> None:
    query = "select _offset, started_at, [duration_s, 1] as listed from events.call where _offset < 3 order by 1"
    result = run("sql", query, "--out", str(tmp_path / name))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"3 rows written to {tmp_path / name}\n")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with duckdb.connect() as connection:
        rows = connection.execute(f"select _offset, listed::varchar from {reader}('{tmp_path / name}')").fetchall()
    assert [(at, listed.replace(" ", "")) for at, listed in rows] == [
        (0, "[0.0,1.0]"),
        (1, "[1.0,1.0]"),
        (2, "[2.0,1.0]"),
    ]


def test_forms_of_stdout(run: Run) -> None:
    query = "select _offset as a, 'x' as b from events.call where _offset < 2 order by 1"
    assert run("sql", query, "--format", "csv").stdout == '"a","b"\n0,"x"\n1,"x"\n'
    assert run("sql", query, "--format", "json").stdout == '{"a":0,"b":"x"}\n{"a":1,"b":"x"}\n'
    assert "parquet is written to a file" in failure(run("sql", query, "--format", "parquet"))


def test_a_workgroup_limits_its_queries_and_a_flag_only_narrows_it(run: Run) -> None:
    query = "select * from events.call"
    assert failure(run("sql", query)).startswith("QueryError: the result has more than 40 rows\n")
    assert failure(run("sql", query, "--workgroup", "guests")).startswith(
        "QueryError: the result has more than 5 rows\n"
    )
    assert failure(run("sql", query, "--workgroup", "guests", "--rows", "6")) == (
        "SettingsError: 6 rows are more than the workgroup 'guests' allows\n"
        "  limit:    5\n"
        "  setting:  lake.workgroups.guests.rows in headrace.yaml\n"
        "  try:      --rows 5"
    )
    assert failure(run("sql", query, "--workgroup", "guest")) == (
        "SettingsError: there is no workgroup 'guest'\n"
        "  workgroups:  default, guests\n"
        "  setting:     lake.workgroups in headrace.yaml\n"
        "  try:         --workgroup guests"
    )


def test_ctrl_c_cancels_the_query(folder: Path) -> None:
    endless = "select count(*) from range(100000000000) a, range(1000000) b"
    code = (
        "import threading, sys, _thread; from headrace_lake.query import Cancel; from headrace.cli.root import root\n"
        # Pressed as soon as DuckDB has the query: nothing has to be waited for by the clock.
        "watching = Cancel.watching\n"
        "def pressed(self, connection):\n"
        "    sys.stderr.write('asked\\n'); sys.stderr.flush(); return watching(self, connection)\n"
        "Cancel.watching = pressed\n"
        f"root(['lake', 'sql', {endless!r}, '--project', {str(folder)!r}])"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as asked:
        assert asked.stderr is not None
        assert asked.stderr.readline() == "asked\n"
        os.kill(asked.pid, signal.SIGINT)
        rest = asked.stderr.read()
        assert asked.wait(20) == 1
    assert rest == f"QueryError: the query was cancelled\n  query:  {endless}\n"


def test_completion_knows_tables_their_columns_and_named_queries() -> None:
    completer = SqlCompleter({"events.call": ["duration_s", "device"], "ops.alerts": ["score"]}, ["long_calls"])

    def proposed(text: str, cursor: int | None = None) -> list[str]:
        return [one.text for one in completer.get_completions(Document(text, cursor), CompleteEvent())]

    assert proposed("select * from ev") == ["events.call"]
    assert proposed("select d from events.call", 8) == ["duration_s", "device", "distinct", "desc", "describe"]
    assert proposed("from events.call c select c.du") == ["duration_s"]
    assert proposed(".run ") == ["long_calls"]


def test_a_conversation_asks_over_lines_survives_errors_and_remembers(
    folder: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    asking = Asking(Invocation(Output(), folder), Limits(), form="csv")
    said = (
        "select count(*) as n\rfrom events.call;\r"
        "select * from events.cal;\r"
        ".param who=s9\r.param least=1\r.run long_calls\r"
        ".quit\r"
    )
    with create_pipe_input() as keys, create_app_session(keys, DummyOutput()):
        keys.send_text(said)
        converse(asking, {})
    shown = capsysbinary.readouterr()
    assert b'"n"\n50\n' in shown.out
    assert b'"_offset"\n9\n' in shown.out
    assert b"there is no table 'events.cal'" in shown.err
    history = (folder / ".headrace" / "sql_history").read_text()
    assert "+select count(*) as n\n+from events.call;" in history


def test_connect_gives_all_views_and_no_other_file(folder: Path) -> None:
    with headrace_lake.connect(folder / ".headrace" / "lake") as connection:
        assert connection.execute("select count(*) from events.call").fetchall() == [(50,)]
        connection.execute("create table mine as select 1 as a")
        for refused in (f"from read_text('{folder}/headrace.yaml')", "set memory_limit = '1TB'", "attach 'x.db'"):
            with pytest.raises(duckdb.Error):
                connection.execute(refused)


def test_the_project_opens_its_lake_with_what_it_declares(folder: Path) -> None:
    assert open_project(folder).lake.schemas()["events.call"].names[:2] == ["event_id", "_contract"]
