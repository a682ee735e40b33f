"""`headrace status`."""

import sys

import click

from headrace.cli.common import Invocation, common_options

_MEBIBYTE = 1 << 20


@click.command()
@common_options
def command(call: Invocation) -> None:
    """Show what runs: processes, ports, memory. Exit status 0 when all is healthy, 1 otherwise."""
    from headrace.stack.status import stack_status

    status = stack_status(call.project.folders)
    if call.output.is_json:
        call.output.data(status.as_dict(), "")
    elif not status.processes:
        call.output.line(f"{call.project.settings.name}: {status.phase}")
    else:
        columns = ("process", "state", "pid", "uptime_s", "restarts", "port", "rss_mib", "message")
        rows = [
            (
                process.name,
                process.phase,
                process.pid,
                None if process.uptime_seconds is None else int(process.uptime_seconds),
                process.restarts,
                process.port,
                None if process.rss_bytes is None else process.rss_bytes // _MEBIBYTE,
                process.message,
            )
            for process in status.processes
        ]
        call.output.table(columns, rows)
    if status.phase != "healthy":
        sys.exit(1)
