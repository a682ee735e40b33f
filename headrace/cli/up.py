"""`headrace up`."""

from threading import Event

import click

from headrace.cli.common import Invocation, common_options


@click.command()
@click.option("--detach", "-d", is_flag=True, help="Return when all processes are ready, and leave them running.")
@common_options
def command(call: Invocation, detach: bool) -> None:
    """Start the local stack of a project: broker, feature jobs, writers, scorer.

    It runs until Ctrl-C, or with --detach until `headrace down`. All its data is below .headrace of the project folder.
    """
    from headrace.cli.live import StackView
    from headrace.stack.up import run_stack, start_detached, stop_on_signals

    project = call.project
    with StackView() as view:
        if not detach:
            stop = Event()
            stop_on_signals(stop)
            run_stack(project, stop, flags=call.flags, on_change=view.show)
            return
        state = start_detached(project, flags=call.flags, on_change=view.show)
    call.output.data(
        {"phase": state.phase, "pid": state.pid, "bootstrap_servers": state.bootstrap_servers},
        f"{project.settings.name} is up: {len(state.processes)} processes, Kafka on {state.bootstrap_servers}",
    )
