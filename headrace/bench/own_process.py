"""A part of a measurement in a process of its own, which ends when this one does and says its outcome as JSON."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from headrace.bench.errors import BenchError
from headrace.stack.broker import stop_process
from headrace.stack.leash import end_group
from headrace.stack.logs import tail

_SHOWN_LINES = 5


def outcome_of(module: str, spec: str, log_file: Path, *, longest_seconds: float, smaller: str) -> dict[str, Any]:
    """Run `python -m module spec` and return the JSON object that is the last line of its output.

    Args:
        module: Name of the module.
        spec: Its one argument.
        log_file: Where its output goes.
        longest_seconds: When it is given up.
        smaller: What to type for a measurement that takes less.

    Raises:
        BenchError: It failed, or took longer.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    errors = log_file.with_suffix(".err")
    with log_file.open("wb") as said, errors.open("wb") as failed:
        # The pipe is a leash: nothing is written to it.
        process = subprocess.Popen(
            [sys.executable, "-m", module, spec],
            stdin=subprocess.PIPE, stdout=said, stderr=failed, start_new_session=True,
        )  # fmt: skip
    try:
        code = process.wait(longest_seconds)
    except subprocess.TimeoutExpired as error:
        raise BenchError(
            f"{module} has not ended after {longest_seconds:.0f} s",
            {"said": "\n    ".join(tail(errors, _SHOWN_LINES))},
            smaller,
        ) from error
    finally:
        stop_process(process, grace_seconds=5)
        end_group(process.pid)
        if process.stdin:
            process.stdin.close()
    if code:
        raise BenchError(f"{module} ended with {code}", {"said": "\n    ".join(tail(errors, _SHOWN_LINES))}, smaller)
    found: dict[str, Any] = json.loads(log_file.read_text().splitlines()[-1])
    return found
