"""Where the stack keeps things: in the project, or where `HEADRACE_DATA` says."""

from pathlib import Path

import pytest

from headrace.stack.folders import StackFolders


def test_everything_stands_below_one_folder_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_DATA", raising=False)
    assert StackFolders(tmp_path).ready_file("scorer") == tmp_path / ".headrace" / "run" / "scorer.ready"


def test_a_variable_names_another_folder_for_a_project_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_DATA", str(tmp_path / "data"))
    folders = StackFolders(Path("/project"))
    assert folders.lake == tmp_path / "data" / "lake"
    assert folders.ready_file("scorer") == tmp_path / "data" / "run" / "scorer.ready"


def test_an_empty_variable_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_DATA", "")
    assert StackFolders(tmp_path).root == tmp_path / ".headrace"
