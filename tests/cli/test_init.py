"""`headrace init` as it is typed; and no two parameters of a command share a name."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import headrace
from headrace.cli.root import root
from headrace.templates import examples


@pytest.mark.parametrize("example", sorted(examples()))
def test_every_example_becomes_a_project(example: str, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    done = CliRunner().invoke(root, ["init", str(target), "--example", example, "--output", "json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["folder"] == str(target)
    assert sorted(answer["files"]) == sorted(str(p.relative_to(target)) for p in target.rglob("*") if p.is_file())
    assert headrace.open(target).views


def test_the_answer_says_what_to_type_next(tmp_path: Path) -> None:
    target = tmp_path / "mine"
    done = CliRunner().invoke(root, ["init", str(target)])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == f"  next:  headrace up --detach --project {target}"


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    done = CliRunner().invoke(root, ["init", str(tmp_path / "mine")])
    assert done.exit_code == 1
    assert done.stderr == (
        f"ExampleError: {tmp_path / 'mine'} exists and is not an empty folder\n"
        "  expected:  a folder that does not exist yet\n"
        f"  try:       headrace init {tmp_path / 'mine'}-2\n"
    )
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_an_unknown_example_names_those_that_exist(tmp_path: Path) -> None:
    done = CliRunner().invoke(root, ["init", str(tmp_path / "mine"), "--example", "card"])
    assert done.exit_code == 1
    assert done.stderr == (
        "ExampleError: there is no example 'card'\n  examples:  cards, metrics, roaming\n  try:       cards\n"
    )


def _commands(command: click.Command, context: click.Context, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(found, context, f"{path} {name}")


def test_no_two_parameters_of_a_command_share_a_name() -> None:
    found = dict(_commands(root, click.Context(root), "headrace"))
    assert len(found) > 20
    for path, command in found.items():
        names = [parameter.name for parameter in command.params]
        assert sorted(names, key=str) == sorted(set(names), key=str), path
