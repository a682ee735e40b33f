"""What the tests of the examples share: the labelled data, and an example that runs as a project of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running_example import Example, StartExample

from headrace.templates import copy_example

DATA_VARIABLE = "HEADRACE_TEST_DATA"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of the labelled data sets, or a skip that says where it was looked for."""
    given = os.environ.get(DATA_VARIABLE)
    folder = Path(given) if given else Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the labelled data sets are not at {folder}; {DATA_VARIABLE} names their folder")
    return folder


@pytest.fixture(scope="module")
def start_example(tmp_path_factory: pytest.TempPathFactory) -> StartExample:
    """Starts a copy of an example in a temporary folder."""

    @contextmanager
    def start(name: str) -> Iterator[Example]:
        folder = tmp_path_factory.mktemp(name) / name
        copy_example(name, folder)
        example = Example(folder)
        command = [sys.executable, "-m", "headrace", "up", "--detach", "--project", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr[-3000:]
        try:
            yield example
        finally:
            down = [sys.executable, "-m", "headrace", "down", "--project", str(folder)]
            subprocess.run(down, capture_output=True, check=False, stdin=subprocess.DEVNULL)

    return start
