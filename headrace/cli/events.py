"""`headrace events`: check, send, replay and read events, and compare their contracts."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.dead_letters import dead_letters, fix_and_replay
from headrace.cli.event_contracts import codegen, compat, hash_, schema
from headrace.cli.event_options import parsed_speed, parsed_time, reading_options
from headrace.cli.event_sql import sql

if TYPE_CHECKING:
    from headrace.events.check import RefusedRow
    from headrace.events.mapping import Reading
    from headrace.events.replay import ReplayReport
    from headrace.events.sources import Format

_WAIT = click.option(
    "--wait-seconds",
    type=click.FloatRange(min=0.1),
    default=30,
    show_default=True,
    help="How long the broker may take to answer.",
)


@click.group()
@click.pass_context
def group(context: click.Context) -> None:
    """Check, send, replay and read events."""
    context.with_resource(_said_once())


@contextmanager
def _said_once() -> Iterator[None]:
    """What fails is said by the error of the command, not by the log of the client as well; put back afterwards."""
    loggers = [logging.getLogger(name) for name in ("kafka", "headrace_ingestion")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


for command in (compat, schema, codegen, hash_):
    group.add_command(command)


@group.command()
@click.argument("event")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--limit", type=click.IntRange(min=1), help="Most rows to read.")
@click.option(
    "-n", "shown", type=click.IntRange(min=0), default=20, show_default=True, help="Most refused rows to list."
)
@reading_options
@common_options
def check(
    call: Invocation,
    event: str,
    files: tuple[str, ...],
    limit: int | None,
    shown: int,
    reading: "Reading",
    form: "Format | None",
) -> None:
    """Check the rows of files against the contract without sending them; exit status 1 when any is refused.

    CSV, JSON Lines or Parquet, each also with .gz; - reads JSON Lines from standard input.
    """
    opened: list[str | Path | BinaryIO] = [sys.stdin.buffer if file == "-" else Path(file) for file in files]
    report = call.project.events.check(event, opened, reading, form=form, shown=shown, limit=limit)
    if call.output.is_json:
        call.output.data(report.as_dict(), "")
    else:
        call.output.record({"event": report.event, "accepted": report.accepted, "refused": report.refused})
        if report.ignored:
            call.output.record({"ignored": ", ".join(report.ignored)})
        if report.refused:
            call.output.line("")
            call.output.table(("reason", "rows"), report.reasons.items())
            call.output.line("")
            _show_refusals(call, report.refusals)
    if report.refused:
        sys.exit(1)


@group.command()
@click.argument("event")
@click.argument("json_text", metavar="JSON|-", default="-")
@click.option("--event-id", help="Id of the event; a new one by default. A repeat of an id is dropped downstream.")
@_WAIT
@common_options
def send(call: Invocation, event: str, json_text: str, event_id: str | None, wait_seconds: float) -> None:
    """Send one event given as JSON, or JSON Lines from standard input, and show where they stand.

    In JSON Lines the id of an event stands in `event_id`; the answers are JSON Lines too with --output json.
    """
    from headrace.events.sending import parse_object

    events = call.project.events
    columns = ("event", "topic", "partition", "offset", "event_id")
    if json_text != "-":
        fields = parse_object(json_text, events.sent_contract(event), "the argument")
        sent = events.send(event, fields, event_id=event_id, wait_seconds=wait_seconds)
        call.output.record(sent.as_dict() if call.output.is_json else {name: getattr(sent, name) for name in columns})
        return
    if event_id is not None:
        raise click.UsageError("--event-id is for one event\n  try:  put event_id into each line")
    for sent in events.send_lines(event, sys.stdin.buffer, wait_seconds=wait_seconds):
        text = f"{sent.topic}  {sent.partition}  {sent.offset}  {sent.event_id}"
        call.output.data(sent.as_dict(), text)


@group.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--event", required=True, metavar="NAME", help="The event that the rows are.")
@click.option(
    "--speed",
    default="max",
    show_default=True,
    metavar="N|max",
    callback=parsed_speed,
    help="1 is the pace at which the events happened, 60 a minute a second, all files together; max: file after file.",
)
@click.option(
    "--start",
    metavar="TIME",
    callback=parsed_time,
    help="Leave out events before this time, such as 2026-01-31T00:00:00Z.",
)
@click.option("--end", metavar="TIME", callback=parsed_time, help="Leave out events at or after this time.")
@click.option("--limit", type=click.IntRange(min=1), help="Most events to send.")
@click.option("--resume", is_flag=True, help="Go on after what an interrupted run of the same command has sent.")
@click.option("--strict", is_flag=True, help="Exit status 1 when a row is refused; the others are sent all the same.")
@reading_options
@_WAIT
@common_options
def replay(
    call: Invocation,
    files: tuple[Path, ...],
    event: str,
    speed: float | None,
    start: datetime | None,
    end: datetime | None,
    limit: int | None,
    resume: bool,
    strict: bool,
    reading: "Reading",
    form: "Format | None",
    wait_seconds: float,
) -> None:
    """Send the rows of files as events, with the event time as the time of the record.

    CSV, JSON Lines or Parquet, each also with .gz. Ids are those of the column event_id, or made of the file's content
    and the row, so that a second replay is recognised as one. Columns that the contract does not have are ignored.
    """
    from headrace.cli.counting import counting
    from headrace.events.replay import Selection

    with counting(f"replaying {event}") as on_progress:
        report = call.project.events.replay(
            event,
            files,
            reading,
            selection=Selection(start, end, limit),
            speed=speed,
            resume=resume,
            form=form,
            wait_seconds=wait_seconds,
            say=lambda text: click.echo(text, err=True),
            on_progress=on_progress,
        )
    _show_replay(call, report)
    if strict and report.refused:
        sys.exit(1)


@group.command()
@click.argument("event")
@click.option(
    "--from",
    "start",
    type=click.Choice(["earliest", "latest"]),
    default="latest",
    show_default=True,
    help="The first records, or the last.",
)
@click.option("-n", "count", type=click.IntRange(min=0), default=10, show_default=True, help="How many; 0: all.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--where", metavar="EXPRESSION", help="Only records for which this SQL is true: duration_s > 60.")
@_WAIT
@common_options
def tail(
    call: Invocation,
    event: str,
    start: Literal["earliest", "latest"],
    count: int,
    follow: bool,
    where: str | None,
    wait_seconds: float,
) -> None:
    """Show records of an event's topic as they stand there, refused ones too; with --output json one object a line.

    The columns of --where are those of events.EVENT in the lake, and _reason of a refused record.
    """
    found = call.project.events.tail(
        event, start=start, count=count or None, follow=follow, wait_seconds=wait_seconds, where=where
    )
    with suppress(KeyboardInterrupt):
        for record in found:
            place = f"{record.record_timestamp or '-'}  {record.partition}/{record.offset}"
            if record.fields is None:
                text = f"{place}  refused: {record.reason}: {record.detail}  {record.value}"
            else:
                shown = "  ".join(f"{name}={value}" for name, value in record.fields.items() if value is not None)
                text = f"{place}  {record.event_id}  {shown}"
            call.output.data(record.as_dict(), text)
            sys.stdout.flush()


group.add_command(dead_letters)
group.add_command(sql)
group.add_command(fix_and_replay)


def _show_replay(call: Invocation, report: "ReplayReport") -> None:
    if call.output.is_json:
        call.output.data(report.as_dict(), "")
        return
    call.output.record(
        {
            "event": report.event,
            "files": report.files,
            "sent": report.sent,
            **({"resumed_after": report.resumed_after} if report.resumed_after else {}),
            "refused": report.refused,
            **({"left_out": report.left_out} if report.left_out else {}),
            "seconds": round(report.seconds, 1),
            "events_per_second": round(report.events_per_second),
        }
    )
    if report.refused:
        click.echo(f"refused: {report.refused:,} of the rows; the first of them:", err=True)
        _show_refusals(call, report.refusals)


def _show_refusals(call: Invocation, refusals: list["RefusedRow"]) -> None:
    rows = [(refused.file, refused.line, refused.reason, refused.detail) for refused in refusals]
    call.output.table(("file", "line", "reason", "detail"), rows)
