"""`headrace down`."""

import click

from headrace.cli.common import Invocation, common_options


@click.command()
@click.option("--timeout", "timeout_seconds", default=120.0, show_default=True, help="Longest wait, in seconds.")
@common_options
def command(call: Invocation, timeout_seconds: float) -> None:
    """Stop the local stack of a project, feature jobs with a savepoint, and return when all has ended.

    One that does not run is down already.
    """
    from headrace.stack.errors import NotRunningError
    from headrace.stack.up import stop_stack

    said = "is down"
    try:
        stop_stack(call.project.folders, timeout_seconds=timeout_seconds)
    except NotRunningError:
        said = "was down already"
    call.output.data({"phase": "stopped"}, f"{call.project.settings.name} {said}")
