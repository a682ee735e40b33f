"""`headrace logs`."""

import sys
import time

import click

from headrace.cli.common import Invocation, common_options

_LOOK_SECONDS = 0.2


@click.command()
@click.argument("name", required=False)
@click.option("--lines", "-n", default=100, show_default=True, help="Lines of each process to begin with.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is printed from now on, until Ctrl-C.")
@common_options
def command(call: Invocation, name: str | None, lines: int, follow: bool) -> None:
    """Show what the processes print: of all, or of the one called NAME."""
    from headrace.stack.logs import FollowedLogs, log_files, tail

    files = log_files(call.project.folders, name)
    width = max((len(process) for process in files), default=0)

    def write(process: str, line: str) -> None:
        prefix = f"{process:<{width}} | " if len(files) > 1 else ""
        call.output.data({"process": process, "line": line}, f"{prefix}{line}")

    followed = FollowedLogs(files)
    for process, path in files.items():
        for line in tail(path, lines):
            write(process, line)
    try:
        while follow:
            for process, line in followed.new_lines():
                write(process, line)
            sys.stdout.flush()
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        return
