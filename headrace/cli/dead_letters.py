"""`headrace events dead-letters` and `fix-and-replay`: refused records, looked at and sent again."""

import getpass
import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.event_options import parsed_time
from headrace.cli.progress import working

R = TypeVar("R")


def _choosing(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say which letters are meant."""
    for option in (
        click.option("--until", metavar="TIME", callback=parsed_time, help="Refused before this time."),
        click.option("--since", metavar="TIME", callback=parsed_time, help="Refused at this time or later."),
        click.option("--reason", help="Of this reason alone, such as missing_field."),
    ):
        command = option(command)
    return command


@click.command("dead-letters")
@click.option("--event", help="Of this event alone.")
@_choosing
@click.option("-n", "count", type=click.IntRange(min=1), default=20, show_default=True, help="Most records to show.")
@common_options
def dead_letters(
    call: Invocation,
    event: str | None,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    count: int,
) -> None:
    """Show the newest refused records in the lake, with the beginning of their values."""
    found = call.project.events.dead_letters(event, reason, count, since=since, until=until)
    columns = ("recorded_at", "event", "reason", "detail", "topic", "partition", "offset", "key", "value")
    if call.output.is_json:
        call.output.data([letter.as_dict() for letter in found], "")
        return
    rows = [[getattr(letter, name) for name in columns] for letter in found]
    call.output.table(columns, rows, empty="no dead letters")


@click.command("fix-and-replay")
@click.argument("event")
@click.option("--sql", metavar="EXPRESSION AS FIELD, …", help="Give fields anew: abs(duration_s) AS duration_s.")
@click.option("--python", metavar="MODULE:FUNCTION", help="A function of the project: (fields, letter) -> fields.")
@_choosing
@click.option("--limit", type=click.IntRange(min=1), help="Most letters to look at.")
@click.option("-n", "shown", type=click.IntRange(min=0), default=20, show_default=True, help="Most letters to list.")
@click.option("--dry-run", is_flag=True, help="Only show each record before and after.")
@click.option("--wait-seconds", type=click.FloatRange(min=0.1), default=30, help="How long the broker may take.")
@common_options
def fix_and_replay(
    call: Invocation,
    event: str,
    sql: str | None,
    python: str | None,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    shown: int,
    dry_run: bool,
    wait_seconds: float,
) -> None:
    """Mend dead letters of an event, check them again and send each once; exit status 1 when some are left.

    Without --sql and --python they are sent as they are. Fields that become null are left out. SQL may read all fields
    of the record and of the contract, and _value (the raw text), _key, _reason, _detail, _record_timestamp. What was
    done stands in ops.replays; a letter that was sent is not sent again.
    """
    if sql is not None and python is not None:
        raise click.UsageError("give --sql or --python, not both")
    with working(f"replaying dead letters of {event}"):
        report = call.project.events.fix_and_replay(
            event,
            sql=sql,
            python=python,
            reason=reason,
            since=since,
            until=until,
            limit=limit,
            dry_run=dry_run,
            who=f"{getpass.getuser()}: headrace events fix-and-replay",
            wait_seconds=wait_seconds,
        )
    if call.output.is_json:
        call.output.data(report.as_dict(), "")
    else:
        call.output.record({"event": report.event, **report.counts, "done_before": report.done_before})
        rows = [
            (one.partition, one.offset, one.reason, one.outcome, one.detail, _text(one.before), _text(one.after))
            for one in report.answers
            if dry_run or one.outcome in ("refused", "failed")
        ]
        if rows[:shown]:
            call.output.line("")
            columns = ("partition", "offset", "reason", "outcome", "detail", "before", "after")
            call.output.table(columns, rows[:shown])
    if not report.is_clean:
        sys.exit(1)


def _text(fields: Any) -> str | None:
    return None if fields is None else json.dumps(dict(fields), ensure_ascii=False, default=str)
