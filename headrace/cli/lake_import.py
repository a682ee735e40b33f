"""`headrace lake import`: files straight into the lake."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.event_options import reading_options

if TYPE_CHECKING:
    from headrace.events.mapping import Reading
    from headrace.events.sources import Format


@click.command(name="import")
@click.argument("event")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--bad", type=click.Path(path_type=Path, dir_okay=False), help="Add refused rows to this file.")
@click.option("--strict", is_flag=True, help="Exit status 1 when a row is refused; the others are added all the same.")
@reading_options
@common_options
def import_(
    call: Invocation,
    event: str,
    files: tuple[Path, ...],
    bad: Path | None,
    strict: bool,
    reading: "Reading",
    form: "Format | None",
) -> None:
    """Add the rows of files to the table of an event, without Kafka: history of before its topic.

    CSV, JSON Lines or Parquet, each also with .gz, in the order in which they happened. The contract checks each row.
    A file that is there already is left out, one that was begun goes on. Before the first start of the event's jobs.
    """
    from headrace.cli.counting import counting
    from headrace.events.importing import import_files

    with counting(f"importing {event}") as on_progress:
        report = import_files(call.project, event, list(files), reading, form=form, bad=bad, on_progress=on_progress)
    if call.output.is_json:
        call.output.data(report.as_dict(), "")
    else:
        names = ("event", "files", "done_before", "added", "repeats", "refused", "resumed_after", "seconds")
        call.output.record({name: getattr(report, name) for name in names})
        if report.refusals:
            rows = [(one.file, one.line, one.reason, one.detail) for one in report.refusals]
            call.output.table(("file", "line", "reason", "detail"), rows)
        if report.views:
            click.echo(
                f"rows of {', '.join(report.views)} are computed at the next start: headrace up, "
                "or headrace features backfill",
                err=True,
            )
    if strict and report.refused:
        sys.exit(1)
