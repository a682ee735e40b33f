"""`headrace lake rollup`: the tables of `rollups/*.yaml` brought up to date by hand."""

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.progress import working


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@common_options
def rollup(call: Invocation, names: tuple[str, ...]) -> None:
    """Bring the roll-ups that rollups/*.yaml declares up to date; `headrace up` does the same by itself.

    Only panes that are closed have rows; those whose events have changed since are computed anew.
    """
    from headrace.upkeep.rollups import refresh_rollups

    with working("rolling up"):
        done = refresh_rollups(call.project, names)
    columns = ("table", "rows", "begin", "closed_before", "seconds")
    rows = [[getattr(one, name) for name in columns] for one in done]
    call.output.table(
        ("table", "rows written", "from pane", "closed before", "seconds"),
        rows,
        empty="nothing is declared: rollups/*.yaml is empty",
    )
