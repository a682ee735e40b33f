"""The example projects that come with headrace, and how one becomes a project of its own."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

from headrace_ingestion.errors import HeadraceError, closest

_INSTALLED = Path(__file__).parent / "_examples"
_CHECKOUT = Path(__file__).parent.parent / "examples"


class ExampleError(HeadraceError):
    """There is no such example, or its folder cannot be made."""


def examples() -> dict[str, Path]:
    """Return the folders of the examples by name."""
    root = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    return {folder.name: folder for folder in sorted(root.iterdir()) if (folder / "headrace.yaml").is_file()}


def copy_example(name: str, target: Path) -> None:
    """Make `target` a project from an example.

    Raises:
        ExampleError: There is no such example, or `target` holds something already.
    """
    known = examples()
    if name not in known:
        raise ExampleError(
            f"there is no example {name!r}", {"examples": ", ".join(known)}, closest(name, known) or next(iter(known))
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExampleError(
            f"{target} exists and is not an empty folder",
            {"expected": "a folder that does not exist yet"},
            f"headrace init {target}-2",
        )
    shutil.copytree(known[name], target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".headrace"))


def load_simulator(project: Path) -> ModuleType:
    """Return the module `simulate.py` of a project folder."""
    name = f"headrace_simulator_{project.name}"
    spec = importlib.util.spec_from_file_location(name, project / "simulate.py")
    if spec is None or spec.loader is None or not (project / "simulate.py").is_file():
        raise ExampleError(f"{project} has no simulator", {"expected": "simulate.py"}, "headrace init DIR")
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their module up by name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
