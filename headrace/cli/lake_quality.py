"""`headrace lake quality`: whether tables are as expected."""

import sys

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.progress import working


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@common_options
def quality(call: Invocation, tables: tuple[str, ...]) -> None:
    """Check what quality/*.yaml expects of tables; exit status 1 when a rule has failed.

    What was found stands in ops.quality, rows of rules with `quarantine: true` in ops.quarantine. `headrace up` does
    the same by itself, every upkeep.quality_every.
    """
    from headrace.upkeep.quality import check_quality

    with working("checking"):
        findings = check_quality(call.project, tables)
    columns = ("table", "rule", "status", "measure", "expected", "rows", "failing", "quarantined", "detail")
    rows = [[getattr(finding, name) for name in columns] for finding in findings]
    call.output.table(columns, rows, empty="nothing is expected: quality/*.yaml is empty")
    if any(finding.status == "failed" for finding in findings):
        sys.exit(1)
