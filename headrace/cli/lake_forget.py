"""`headrace lake forget`: a subject out of tables, the online store and saved training sets."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.progress import working

if TYPE_CHECKING:
    from headrace.forget.forgetting import ForgetReport, OutOfReach
    from headrace.forget.remains import Checked


@click.command()
@click.argument("key")
@click.option("--event", "events", multiple=True, help="An event that it is a key of; may be given several times.")
@click.option("--dry-run", is_flag=True, help="Only count the rows.")
@click.option("--check", is_flag=True, help="Scan all files for the key; exit status 1 while a query finds it.")
@common_options
def forget(call: Invocation, key: str, events: tuple[str, ...], dry_run: bool, check: bool) -> None:
    """Delete every row that names a key: events, features, scores, ledgers, the online store, saved training sets.

    KEY is clear, or its hash. No query finds it from then on; the bytes go with the vacuum. Writer and readers go on.
    Without --event all events are searched, if one field is the key of all. Events that come later are new events.
    """
    import getpass

    now = datetime.now(UTC)
    if check:
        from headrace.forget.remains import check as look

        with working("scanning files"):
            found = look(call.project, key, events, now=now)
        _show_remains(call, found)
        if found.is_visible:
            sys.exit(1)
        return
    from headrace.forget.forgetting import COMMAND
    from headrace.forget.forgetting import forget as run

    report = run(
        call.project, key, events, now=now, who=f"{getpass.getuser()}: {COMMAND}", dry_run=dry_run,
        say=lambda line: click.echo(line, err=True),
    )  # fmt: skip
    _show(call, report)


def _show(call: Invocation, report: "ForgetReport") -> None:
    if call.output.is_json:
        call.output.data(report.as_dict(), "")
        return
    rows = [(name, count) for name, count in report.tables.items()]
    rows += [(f"online: {name}", count) for name, count in report.online.items()]
    rows += [(f"training set: {name}", count) for name, count in report.files.items()]
    call.output.table(("where", "rows"), rows, empty="nothing names the key")
    if report.is_dry_run:
        call.output.line("dry run: nothing was changed")
    elif report.gone_after is not None:
        at = report.gone_after.isoformat(timespec="seconds")
        call.output.line(f"\nno query finds them; their bytes go with the first vacuum after {at}")
    _show_out_of_reach(call, report.out_of_reach)


def _show_remains(call: Invocation, found: "Checked") -> None:
    if call.output.is_json:
        from dataclasses import asdict

        call.output.data({**asdict(found), "is_visible": found.is_visible}, "")
        return
    columns = ("table", "file", "rows", "visible", "gone after")
    rows = [(one.table, one.file, one.rows, one.is_visible, one.gone_after) for one in found.remains]
    call.output.table(columns, rows, empty=f"{found.files} files were read: none holds the key")
    _show_out_of_reach(call, found.out_of_reach)


def _show_out_of_reach(call: Invocation, places: "list[OutOfReach]") -> None:
    call.output.line("\nout of reach:")
    call.output.table(("what", "where", "until", "why"), [(one.what, one.where, one.until, one.why) for one in places])
