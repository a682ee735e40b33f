"""The supervisor as a process of its own: what `headrace up --detach` leaves behind."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from threading import Event

from headrace_ingestion.errors import HeadraceError

from headrace.project import open_project
from headrace.stack.leash import LEASH_VARIABLE, hold_leash
from headrace.stack.up import run_stack, stop_on_signals
from headrace.workers.runtime import set_up_logging


def main() -> int:
    """Run the stack until a signal stops it; 1 when it failed to start."""
    parser = ArgumentParser(prog="headrace.workers.supervisor")
    parser.add_argument("--project", type=Path, required=True, help="the project folder")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting")
    arguments = parser.parse_args()
    if os.environ.get(LEASH_VARIABLE):
        hold_leash()
    flags = dict(pair.split("=", 1) for pair in arguments.set)
    stop = Event()
    stop_on_signals(stop)
    try:
        project = open_project(arguments.project, flags=flags)
        set_up_logging(project.settings.log)
        run_stack(project, stop, flags=flags)
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
