"""`headrace features shadow`: a view over a range of its topic beside production, compared with production's rows."""

import sys
from collections.abc import Mapping
from datetime import datetime

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.event_options import parsed_time


def _parsed_bound(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> "datetime | Mapping[int, int] | None":
    if value is None:
        return None
    try:
        return {int(number): int(offset) for number, offset in (part.split(":") for part in value.split(","))}
    except ValueError:
        pass
    try:
        return parsed_time(ctx, param, value)
    except click.BadParameter as error:
        raise click.BadParameter(f"{error.message}, nor PARTITION:OFFSET,…", ctx, param) from None


@click.command()
@click.argument("view", required=False)
@click.option(
    "--from",
    "begin",
    metavar="TIME|P:O,…",
    callback=_parsed_bound,
    help="Begin with records of this time or later, or at these offsets; default: where the topic begins.",
)
@click.option(
    "--to",
    "end",
    metavar="TIME|P:O,…",
    callback=_parsed_bound,
    help="End before records of this time, or these offsets; default: where production's rows end in the lake.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-9,
    show_default=True,
    help="Doubles are equal when they differ by at most this share of the larger one; 0: bit for bit.",
)
@click.option("--keep", is_flag=True, help="Leave the topics and the state of the run, to be looked at.")
@click.option("--clear", is_flag=True, help="Only remove what runs have left that were kept or killed.")
@common_options
def shadow(
    call: Invocation,
    view: str | None,
    begin: "datetime | Mapping[int, int] | None",
    end: "datetime | Mapping[int, int] | None",
    tolerance: float,
    keep: bool,
    clear: bool,
) -> None:
    """Run a view, as declared now, over a range of its topic beside production, and compare event by event.

    The same job as production's, at full speed, with topics, transactions and state of its own, which are removed
    afterwards; production is only read. Where the range begins later than the topic, it starts with what the windows
    hold there, computed from the lake. Exit status 1 unless all rows are equal.
    """
    if clear:
        from headrace.shadow.namespace import clear_namespaces

        removed = clear_namespaces(call.project)
        call.output.table(("removed",), [(name,) for name in removed], empty="nothing was left")
        return
    if view is None:
        raise click.UsageError("Missing argument 'VIEW'.")
    report = call.project.features.shadow(
        view, begin=begin, end=end, tolerance=tolerance, keep=keep, say=lambda line: click.echo(line, err=True)
    )
    call.output.data(report.as_dict(), report.text())
    if keep:
        click.echo(f"kept: headrace events tail shadow.{report.namespace}.features.{view}", err=True)
    if not report.passed:
        sys.exit(1)
