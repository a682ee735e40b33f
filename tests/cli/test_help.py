"""`headrace --help` answers at once: nothing heavy is imported for it."""

import subprocess
import sys
import time

import pytest

HEAVY = ("pyflink", "mlflow", "feast", "sklearn", "deltalake", "duckdb", "pandas", "pyarrow", "kafka", "numpy", "rich")
HELP = "import sys; sys.argv = ['headrace', '--help']; from headrace.cli import main; main()"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process."""
    command = [sys.executable, "-m", "headrace", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_answers_in_less_than_half_a_second() -> None:
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        answer = run("--help")
        seconds.append(time.perf_counter() - started)
    assert answer.returncode == 0
    assert "Stop the local stack." in answer.stdout
    assert min(seconds) < 0.5


def test_help_imports_nothing_heavy() -> None:
    code = f"{HELP.replace('main()', '')}\ntry: main()\nexcept SystemExit: print('loaded', *sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = answer.stdout.splitlines()[-1].split()
    assert loaded[0] == "loaded"
    assert sorted(set(HEAVY) & set(loaded)) == []


def test_an_unknown_command_is_a_usage_error_that_proposes_the_closest() -> None:
    answer = run("stauts")
    assert answer.returncode == 2
    assert "Error: 'stauts' is not a command\n  commands:  init, demo, up, " in answer.stderr
    assert answer.stderr.endswith("  try:       headrace status\n")


@pytest.mark.parametrize("command", ["up", "down", "status", "logs", "doctor"])
def test_every_command_of_the_stack_takes_the_common_options(command: str) -> None:
    answer = run(command, "--help")
    assert answer.returncode == 0
    for option in ("--output", "--project", "--set"):
        assert option in answer.stdout


def test_a_setting_that_is_no_pair_is_a_usage_error() -> None:
    answer = run("status", "--set", "kafka.port")
    assert answer.returncode == 2
    assert "'kafka.port' is not NAME=VALUE, such as kafka.port=9092" in answer.stderr
