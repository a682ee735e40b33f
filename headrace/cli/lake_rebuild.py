"""`headrace lake rebuild`: tables made anew from the topics."""

from dataclasses import asdict

import click

from headrace.cli.common import Invocation, common_options


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--allow-loss", is_flag=True, help="Give up rows and columns that the topics no longer hold.")
@click.option("--allow-changes", is_flag=True, help="Take what the topics say where a table says otherwise.")
@click.option("--dry-run", is_flag=True, help="Only compare.")
@common_options
def rebuild(call: Invocation, tables: tuple[str, ...], allow_loss: bool, allow_changes: bool, dry_run: bool) -> None:
    """Make tables anew from their topics, prove them equal to the old ones, and swap them in.

    Rows that no topic holds are taken over. The stack runs on. Each table is swapped in one commit: a command that is
    ended leaves the old rows or the new ones.
    """
    from headrace.upkeep.rebuild import rebuild as run

    done = run(
        call.project, tables, allow_loss=allow_loss, allow_changes=allow_changes, dry_run=dry_run,
        say=lambda line: click.echo(line, err=True),
    )  # fmt: skip
    if call.output.is_json:
        shown = [
            {**asdict(one.comparison), "equal": one.comparison.is_equal, "swapped": one.is_swapped} for one in done
        ]
        call.output.data(shown, "")
        return
    columns = ("table", "rows", "rows_anew", "kept", "lost", "added", "changed", "equal", "swapped")
    rows = [
        (*(getattr(one.comparison, name) for name in columns[:7]), one.comparison.is_equal, one.is_swapped)
        for one in done
    ]
    call.output.table(columns, rows, empty="no topics yet")
