"""The habits of the house that no linter knows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("headrace", "ingestion/headrace_ingestion", "lake/headrace_lake", "features/headrace_features",
            "streaming/headrace_streaming", "models/headrace_models")  # fmt: skip
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LONGEST_MODULE = 400
LONGEST_FUNCTION = 50
SAY_NOTHING = {"utils.py", "helpers.py", "common_utils.py", "manager.py", "misc.py"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_module_fits_in_a_head_and_a_function_on_a_screen(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST_MODULE
    assert path.name not in SAY_NOTHING
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says in a line what it is"
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert {f.name: _length(f) for f in functions if _length(f) > LONGEST_FUNCTION} == {}


def test_no_path_of_a_machine_stands_in_the_project() -> None:
    forbidden = re.compile(r"(?<![\w.$}])/(?:work|farm|root|home)/\w")
    found = [
        f"{_name(path)}: {match.group()}"
        for path in ROOT.rglob("*")
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".java", ".sql", ".ipynb"} and not _is_ignored(path)
        for match in [forbidden.search(path.read_text(errors="replace"))]
        if match
    ]
    assert found == []


def _is_ignored(path: Path) -> bool:
    return any(
        part.startswith(".venv") or part in {".headrace", ".git", "node_modules"}
        for part in path.relative_to(ROOT).parts
    )


def test_the_first_command_of_the_readme_stands_before_line_30() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    first = next(number for number, line in enumerate(lines, 1) if line.startswith("$ uv run headrace demo"))
    assert first < 30


def test_every_command_that_the_readme_shows_exists() -> None:
    import click

    from headrace.cli.root import root

    shown = re.findall(r"uv run headrace ([a-z]+)(?: ([a-z-]+))?", (ROOT / "README.md").read_text())
    assert shown
    for noun, verb in shown:
        context = click.Context(root)
        command = root.get_command(context, noun)
        assert command is not None, noun
        if isinstance(command, click.Group):
            assert verb in command.commands, f"{noun} {verb}"
