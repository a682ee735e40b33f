"""What a sink may declare, and what is said to the rest."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from headrace_ingestion.errors import DeclarationError, HeadraceError, SettingsError

import headrace
from headrace.cli.root import root
from headrace.sinks.declaration import SinkDeclaration, completed
from headrace.sinks.project_sinks import sink_declaration, sink_parts


def declared(folder: Path, text: str) -> SinkDeclaration:
    """The sink of one file."""
    (folder / "sinks" / "crm.yaml").write_text(text)
    return sink_declaration(headrace.open(folder), "crm")


def refusal(folder: Path, text: str) -> str:
    """Why a file is refused."""
    with pytest.raises(DeclarationError) as caught:
        declared(folder, text)
    return str(caught.value)


def problem(folder: Path, **parts: str) -> str:
    """Why a sink of these parts cannot run."""
    lines = "".join(f"{name}: {text}\n" for name, text in parts.items())
    sink = declared(folder, f"name: crm\n{lines}http: {{url: 'https://crm.example/in'}}\n")
    with pytest.raises(HeadraceError) as caught:
        sink_parts(headrace.open(folder), sink, environ={})
    return str(caught.value)


def test_a_url_of_another_scheme_or_with_a_login_is_refused(folder: Path) -> None:
    for url in (
        "file:///etc/passwd",
        "ftp://crm.example/in",
        "https:///in",
        "//crm.example",
        "https://crm.example/a b",
    ):
        text = refusal(folder, f"name: crm\ntable: events.reading\nhttp: {{url: '{url}'}}\n")
        assert text == (
            "sinks/crm.yaml line 3: 'url' is no address of HTTP\n"
            "  expected:  http://HOST/… or https://HOST/…\n"
            "  try:       https://example.com/events"
        )
    assert "'url' holds a login" in refusal(
        folder, "name: crm\ntable: events.reading\nhttp: {url: 'https://me:secret@crm.example/'}\n"
    )


def test_what_looks_like_a_variable_and_is_none_is_not_sent_as_it_stands(folder: Path) -> None:
    start = "name: crm\ntable: events.reading\nhttp:\n  url: '%s'\n  headers: {Authorization: '%s'}\n"
    for url, header, what, line in (
        ("https://crm.example/${A:-b}", "x", "url", 4),
        ("https://crm.example/$A", "x", "url", 4),
        ("https://crm.example/in", "Bearer $TOKEN", "Authorization", 5),
        ("https://crm.example/in", "Bearer ${TOKEN-x}", "Authorization", 5),
    ):
        assert refusal(folder, start % (url, header)) == (
            f"sinks/crm.yaml line {line}: '{what}' has a $ that begins no variable\n"
            "  expected:  ${NAME}, of letters, digits and underscores; there are no defaults\n"
            '  try:       Authorization: "Bearer ${TOKEN}"'
        )


def test_an_answer_has_some_time_to_come(folder: Path) -> None:
    text = "name: crm\ntable: events.reading\nhttp:\n  url: https://crm.example/in\n  timeout: 0s\n"
    assert refusal(folder, text) == (
        "sinks/crm.yaml line 5: 'timeout' is no time in which an answer can come\n"
        "  expected:  more than 0\n"
        "  try:       10s"
    )


def test_a_header_that_the_sink_sets_itself_is_refused(folder: Path) -> None:
    start = "name: crm\ntable: events.reading\nhttp:\n  url: https://crm.example/in\n  headers: "
    for header in ("{idempotency-key: a}", "{'a b': c}", "{Host: other.example}"):
        assert "is no header that a sink can set" in refusal(folder, start + header)


def test_secrets_come_from_the_environment_and_are_never_shown(folder: Path) -> None:
    sink = declared(
        folder,
        "name: crm\ntable: events.reading\nhttp:\n  url: https://${CRM_HOST}/in\n"
        "  headers: {Authorization: 'Bearer ${CRM_TOKEN}'}\n",
    )
    environ = {"CRM_HOST": "crm.example", "CRM_TOKEN": "s3cret"}
    assert completed(sink, environ) == ("https://crm.example/in", {"Authorization": "Bearer s3cret"})
    with pytest.raises(SettingsError) as caught:
        completed(sink, {"CRM_HOST": "crm.example"})
    assert str(caught.value) == (
        "the sink 'crm' needs the variable CRM_TOKEN, which is not set\n"
        "  where:  sinks/*.yaml, the sink 'crm'\n"
        "  try:    export CRM_TOKEN=…"
    )
    with pytest.raises(SettingsError) as caught:
        completed(sink, {**environ, "CRM_TOKEN": "s3cret\r\nX: y"})
    assert "s3cret" not in str(caught.value)
    with pytest.raises(SettingsError, match="holds a login"):
        completed(sink, {**environ, "CRM_HOST": "me:s3cret@crm.example"})


def test_a_table_without_a_topic_is_refused_by_name(folder: Path) -> None:
    assert problem(folder, table="events.readings").splitlines()[0] == (
        "sinks/*.yaml: the sink 'crm' is of the table 'events.readings', which has no topic"
    )


def test_sql_over_several_records_or_of_unknown_columns_is_refused(folder: Path) -> None:
    several = ("sum(value) AS value", "lag(value) OVER () AS v", "(SELECT 1) AS one", "unnest([1, 2]) AS n", "1 FROM a")
    for select in several:
        text = problem(folder, table="events.reading", select=f"'{select}'")
        assert text.splitlines()[0] == "the expression looks at more than one record", select
    assert "Referenced column" in problem(folder, table="events.reading", where="valeu > 1")
    assert "cannot be read" in problem(folder, table="events.reading", where="value >")


def test_sql_reaches_no_file(folder: Path) -> None:
    own = folder / "headrace.yaml"
    text = problem(folder, table="events.reading", select=f"\"(content) AS c FROM read_text('{own}')\"")
    assert text.splitlines()[0] == "the expression looks at more than one record"
    text = problem(folder, table="events.reading", select="getenv('HOME') AS home")
    assert text.splitlines()[0].startswith("the expression fails: ")


def test_a_function_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "shaping_of_sinks.py").write_text("def shape(row):\n    return row\n")
    text = problem(folder, table="events.reading", transform="shaping_of_sinks:shap")
    assert text == (
        f"the module 'shaping_of_sinks' has no function 'shap'\n  where:  {folder}\n  try:    def shap(row)"
    )


def test_a_reason_that_no_sink_has_is_named(folder: Path) -> None:
    (folder / "sinks" / "crm.yaml").write_text("name: crm\ntable: events.reading\nhttp: {url: 'http://127.0.0.1:9'}\n")
    answer = CliRunner().invoke(root, ["sinks", "replay", "crm", "--reason", "sink_refuse", "--project", str(folder)])
    assert answer.exit_code == 1
    assert answer.stderr == (
        "UnknownReasonError: no record is refused for the reason 'sink_refuse'\n"
        "  reasons:  sink_refused, sink_unreachable, sink_transform\n"
        "  try:      --reason sink_refused\n"
    )
