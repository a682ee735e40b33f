"""`headrace sinks`: what leaves a project over HTTP."""

import getpass
import sys
from datetime import datetime

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.event_options import parsed_time
from headrace.cli.progress import working


@click.group()
def group() -> None:
    """Hand records over to endpoints of others, over HTTP: what sinks/*.yaml declares, while the stack is up."""


@group.command("list")
@common_options
def list_(call: Invocation) -> None:
    """Show the declared sinks."""
    sinks = call.project.sinks.values()
    rows = [[one.name, one.table, one.where, one.http.url, one.http.batch, one.description] for one in sinks]
    call.output.table(("sink", "table", "where", "url", "batch", "description"), rows, empty="no sinks")


@group.command()
@click.argument("name", required=False)
@common_options
def check(call: Invocation, name: str | None) -> None:
    """Check declarations, SQL, functions and variables of the sinks, or of one; nothing is sent."""
    from headrace.sinks.project_sinks import sink_declaration, sink_parts

    sinks = [sink_declaration(call.project, name)] if name else [*call.project.sinks.values()]
    checked = [sink_parts(call.project, one) for one in sinks]
    rows = [(one.declaration.name, one.declaration.table, one.spec.topic, "ok") for one in checked]
    call.output.table(("sink", "table", "topic", "check"), rows, empty="no sinks")


@group.command()
@click.argument("name")
@click.option("--reason", help="Of this reason alone: sink_refused, sink_unreachable or sink_transform.")
@click.option("--since", metavar="TIME", callback=parsed_time, help="Written at this time or later.")
@click.option("--until", metavar="TIME", callback=parsed_time, help="Written before this time.")
@click.option("--limit", type=click.IntRange(min=1), help="Most letters to look at.")
@click.option("-n", "shown", type=click.IntRange(min=0), default=20, show_default=True, help="Most letters to list.")
@click.option("--dry-run", is_flag=True, help="Only show what would be sent.")
@common_options
def replay(
    call: Invocation,
    name: str,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    shown: int,
    dry_run: bool,
) -> None:
    """Send dead letters of a sink again, by what it declares now; exit status 1 when some are left.

    What was done stands in ops.replays; a letter that the endpoint has taken is not sent again.
    """
    from headrace.sinks.letters import letters_of
    from headrace.sinks.project_sinks import sink_declaration, sink_parts
    from headrace.sinks.replay import replay_letters

    parts = sink_parts(call.project, sink_declaration(call.project, name))
    lake = call.project.lake
    with working(f"sending dead letters of the sink {name}"):
        letters = letters_of(lake, name, reason, since, until)
        who = f"{getpass.getuser()}: headrace sinks replay"
        report = replay_letters(lake, parts, letters, who, limit=limit, dry_run=dry_run)
    if call.output.is_json:
        call.output.data(report.as_dict(), "")
    else:
        call.output.record({"sink": report.sink, **report.counts, "done_before": report.done_before})
        columns = ("topic", "partition", "offset", "reason", "outcome", "detail")
        rows = [[getattr(one, column) for column in columns] for one in report.answers if one.outcome != "sent"]
        if rows[:shown]:
            call.output.line("")
            call.output.table(columns, rows[:shown])
    if not report.is_clean:
        sys.exit(1)
