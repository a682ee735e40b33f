"""`headrace lake describe` and `register` as they are typed."""

import gzip
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from headrace_ingestion.contract import Contract
from headrace_lake import Lake
from lake_project import Run, answer, failure, make_project


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `headrace lake` on a project of 50 calls."""
    folder = tmp_path / "project"
    folder.mkdir()
    return make_project(folder)


def test_describe_says_columns_contract_files_and_freshness(run: Run) -> None:
    found = answer(run("describe", "events.call", "--output", "json"))
    columns = {one["column"]: (one["type"], one["field"]) for one in found.pop("columns")}
    assert columns["duration_s"] == ("DOUBLE", {"type": "double", "minimum": 0})
    assert columns["_offset"] == ("BIGINT", None)
    assert found.pop("bytes") > 1_000
    assert found.pop("newest_commit") > "2026"
    assert found == {
        "contract": "call/1",
        "description": None,
        "owner": None,
        "tags": [],
        "readers": None,
        "table": "events.call",
        "key": "subscriber_id",
        "time": "started_at",
        "version": 1,
        "partitioned_by": [],
        "declared_partition": None,
        "sorted_by": ["subscriber_id", "started_at", "_partition", "_offset"],
        "files": 1,
        "rows": 50,
        "oldest_event": "2025-01-01T00:00:00.123000+00:00",
        "newest_event": "2025-01-01T00:00:00.123000+00:00",
        "newest_record": "2025-01-01T00:00:00.049000+00:00",
        "deleted_before": None,
    }
    assert "double, minimum 0" in run("describe", "events.call").stdout


def test_describe_says_who_answers_for_a_table(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "project" / "events" / "call.yaml"
    before = Contract.load(file).digest
    file.write_text(f"owner: billing@example.com\ntags: [revenue, daily]\n{file.read_text()}")
    found = answer(run("describe", "events.call", "--output", "json"))
    assert (found["owner"], found["tags"], found["rows"]) == ("billing@example.com", ["revenue", "daily"], 50)
    assert "revenue, daily" in run("describe", "events.call").stdout
    assert Contract.load(file).digest == before


def test_describe_says_how_a_table_is_laid_out_and_what_its_card_says_since(run: Run, tmp_path: Path) -> None:
    event = tmp_path / "project" / "events" / "call.yaml"
    card = "access: {partition: day, sort: [device], readers: ['fraud desk: one subscriber, 30 days']}\n"
    event.write_text(event.read_text() + card)
    found = answer(run("describe", "events.call", "--output", "json"))
    assert (found["partitioned_by"], found["declared_partition"]) == ([], "_day")
    assert found["sorted_by"] == ["device", "subscriber_id", "started_at", "_partition", "_offset"]
    assert found["readers"] == ["fraud desk: one subscriber, 30 days"]
    said = run("describe", "events.call").stdout.splitlines()[-1]
    assert said == "its card says otherwise: headrace lake compact events.call --rewrite lays the table out by _day"
    (done,) = answer(run("compact", "events.call", "--rewrite", "--output", "json"))
    assert (done["table"], done["rows"], done["files_after"]) == ("events.call", 50, 1)
    found = answer(run("describe", "events.call", "--output", "json"))
    assert (found["partitioned_by"], found["declared_partition"]) == (["_day"], None)
    assert "name them" in failure(run("compact", "--rewrite"))
    assert "leave one of them out" in failure(run("compact", "events.call", "--rewrite", "--target-bytes", "9999"))
    event.rename(event.with_suffix(".txt"))
    assert failure(run("compact", "events.call", "--rewrite")).startswith(
        "LakeError: the project declares no table 'events.call', and so no order to write its rows in\n"
    )
    event.with_suffix(".txt").rename(event)
    shutil.rmtree(tmp_path / "project" / ".headrace" / "lake")
    found = answer(run("describe", "events.call", "--output", "json"))
    assert (found["partitioned_by"], found["declared_partition"]) == (["_day"], None)
    assert {"column": "_day", "type": "VARCHAR", "field": None} in found["columns"]
    assert "fraud desk" in run("describe", "events.call").stdout


def test_a_table_that_is_declared_and_empty_is_described_and_an_unknown_one_is_an_error(run: Run) -> None:
    found = answer(run("describe", "ops.dead_letters", "--output", "json"))
    assert (found["version"], found["rows"], found["newest_commit"]) == (None, 0, None)
    assert failure(run("describe", "events.cal")).endswith("  try:     events.call")


def test_registered_files_are_tables_beside_the_lake(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "project" / "data"
    folder.mkdir()
    (folder / "rates.csv").write_text("subscriber_id,rate\ns1,0.5\ns2,1.5\n")
    with gzip.open(folder / "notes.jsonl.gz", "wt") as file:
        file.write('{"subscriber_id": "s1", "note": "x"}\n')
    for part in (1, 2):
        pa.parquet.write_table(pa.table({"n": [part]}), folder / f"part-{part}.parquet")
    made = answer(run("register", "data/rates.csv", "--name", "rates", "--output", "json"))
    assert made == {
        "table": "ext.rates", "format": "csv", "files": 1, "columns": {"subscriber_id": "VARCHAR", "rate": "DOUBLE"},
    }  # fmt: skip
    assert run("register", "data/notes.jsonl.gz", "--name", "notes").exit_code == 0
    assert run("register", "data/*.parquet", "--name", "parts").exit_code == 0
    query = (
        "select count(*) as calls, sum(rate) as rate, max(note) as note, (select sum(n) from ext.parts) as n "
        "from events.call join ext.rates using (subscriber_id) left join ext.notes using (subscriber_id)"
    )
    assert answer(run("sql", query, "--output", "json")) == [{"calls": 2, "rate": 2.0, "note": "x", "n": 3}]
    assert answer(run("describe", "ext.rates", "--output", "json"))["files"] == 1
    listed = {one["table"]: one for one in answer(run("tables", "--output", "json"))}
    assert (listed["ext.rates"]["files"], listed["ext.rates"]["rows"]) == (1, None)
    assert listed["ext.rates"]["bytes"] == (folder / "rates.csv").stat().st_size
    # Its types are those of the catalogue.
    catalogue = tmp_path / "project" / "external" / "rates.yaml"
    catalogue.write_text(catalogue.read_text().replace("DOUBLE", "DECIMAL(9,2)"))
    assert answer(run("sql", "select typeof(rate) as r from ext.rates", "--output", "json"))[0] == {"r": "DECIMAL(9,2)"}


def test_files_outside_the_allowed_folders_are_refused_also_behind_a_link(run: Run, tmp_path: Path) -> None:
    outside = tmp_path / "secret.csv"
    outside.write_text("a\n1\n")
    link = tmp_path / "project" / "link.csv"
    link.symlink_to(outside)
    for path in (str(outside), "link.csv", "../secret.csv"):
        assert failure(run("register", path, "--name", "secret")) == (
            f"RegisterError: {outside} is outside the folders that queries may read\n"
            f"  folders:  {tmp_path / 'project'}\n"
            "  setting:  lake.external_folders in headrace.yaml\n"
            f"  try:      lake: {{external_folders: [{tmp_path}]}}"
        )
    allowed = ("--set", f"lake.external_folders={tmp_path}")
    assert run("register", str(outside), "--name", "secret", *allowed).exit_code == 0
    assert answer(run("sql", "from ext.secret", *allowed, "--output", "json")) == [{"a": 1}]
    # The setting was for that call only: without it the file is out of reach again.
    assert failure(run("sql", "from ext.secret")).startswith("QueryError: the files of ext.secret are gone\n")
    assert run("sql", "show all tables").exit_code == 0


def test_what_cannot_be_registered_says_why(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    (folder / "broken.parquet").write_text("not parquet")
    (folder / "a.csv").write_text("a\n1\n")
    assert failure(run("register", "none.csv", "--name", "a")).startswith("RegisterError: there is no file none.csv\n")
    assert "cannot be read as parquet" in failure(run("register", "broken.parquet", "--name", "a"))
    assert failure(run("register", "headrace.yaml", "--name", "a")).startswith(
        "LakeError: the name of headrace.yaml does not say what is in it\n"
    )
    (lake_file,) = (folder / ".headrace" / "lake" / "events" / "call").glob("*.parquet")
    assert "is outside the folders" in failure(run("register", str(lake_file), "--name", "a"))
    assert run("register", "a.csv", "--name", "a").exit_code == 0
    assert failure(run("register", "a.csv", "--name", "a")) == (
        "RegisterError: ext.a is registered already\n"
        "  file:  external/a.yaml\n"
        "  try:   headrace lake register a.csv --name a --replace"
    )
    assert not Lake(folder / ".headrace" / "lake").external()
    (folder / "external" / "b.yaml").write_text((folder / "external" / "a.yaml").read_text())
    assert failure(run("sql", "from ext.a")).startswith(
        "DeclarationError: external/b.yaml: the external table 'a' is declared twice\n  first:     external/a.yaml\n"
    )
