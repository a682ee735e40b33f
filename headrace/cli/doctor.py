"""`headrace doctor`."""

import sys

import click

from headrace.cli.common import Invocation, common_options


@click.command()
@common_options
def command(call: Invocation) -> None:
    """Look for what could keep a stack from running here. Exit status 1 when something would."""
    from headrace.stack.doctor import examine

    findings = examine(call.folder, call.flags)
    rows = [(each.level, each.subject, each.text, each.try_) for each in findings]
    call.output.table(("result", "subject", "found", "try"), rows)
    if any(each.level == "fail" for each in findings):
        sys.exit(1)
