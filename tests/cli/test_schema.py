"""`headrace schema` as it is typed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from headrace.cli.root import root
from headrace.schemas import KINDS, project_schema


def typed(*arguments: str) -> str:
    done = CliRunner().invoke(root, ["schema", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("output", ["text", "json"])
def test_a_kind_of_file_has_its_schema_on_stdout(kind: str, output: str) -> None:
    assert json.loads(typed(kind, "--output", output)) == project_schema(kind)


def test_without_a_kind_the_kinds_are_listed() -> None:
    rows = json.loads(typed("--output", "json"))
    assert [(row["kind"], row["files"]) for row in rows] == [(name, entry.files) for name, entry in KINDS.items()]


def test_all_of_them_are_written_into_a_folder_that_is_made(tmp_path: Path) -> None:
    rows = json.loads(typed("--to", str(tmp_path / "a" / "schemas"), "--output", "json"))
    assert [row["files"] for row in rows] == [entry.files for entry in KINDS.values()]
    for kind, row in zip(KINDS, rows, strict=True):
        assert json.loads(Path(row["schema"]).read_text()) == project_schema(kind)


def test_one_of_them_is_written_by_itself(tmp_path: Path) -> None:
    typed("event", "--to", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["event.schema.json"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = CliRunner().invoke(root, ["schema", "--to", str(tmp_path / "taken")])
    assert done.exit_code == 1
    assert done.stderr == (
        f"SchemaError: {tmp_path / 'taken'} cannot be written: File exists\n"
        "  expected:  a folder, or a name that is free\n"
        "  try:       headrace schema --to .headrace/schemas\n"
    )


def test_an_unknown_kind_is_a_usage_error() -> None:
    done = CliRunner().invoke(root, ["schema", "events"])
    assert done.exit_code == 2
    kinds = "'event', 'features', 'model', 'rollup', 'sink', 'external', 'quality', 'policy', 'settings'"
    assert f"'events' is not one of {kinds}" in done.stderr
