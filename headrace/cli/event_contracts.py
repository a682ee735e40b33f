"""`headrace events compat`, `schema`, `codegen` and `hash`: contracts compared, in other languages, and applied."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.common import Invocation, common_options

if TYPE_CHECKING:
    from headrace.events.compat import Mode


@click.command()
@click.argument("event", required=False)
@click.option(
    "--against",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Compare the running version with this contract instead of with the versions beside it.",
)
@click.option(
    "--mode",
    type=click.Choice(["backward", "forward", "full"]),
    default="full",
    show_default=True,
    help="What has to hold: the newer reads the older, the older reads the newer, or both.",
)
@common_options
def compat(call: Invocation, event: str | None, against: Path | None, mode: "Mode") -> None:
    """Check versions of contracts against each other and against the lake; exit status 1 when they do not fit.

    Each version is compared with the next, events/call.v1.yaml with events/call.v2.yaml and so on up to
    events/call.yaml, and the columns of the event's table with the running version. Without EVENT, all events.
    """
    if against is not None and event is None:
        raise click.UsageError("--against is for one event\n  try:  headrace events compat EVENT --against FILE")
    report = call.project.events.compat(event, against)
    wrong = [problem for comparison in report.comparisons for problem in comparison.demanded(mode)]
    if call.output.is_json:
        call.output.data({"mode": mode, "compatible": not wrong, **report.as_dict()}, "")
    else:
        shown = ("backward", "forward", "lake")
        rows = [
            (one.event, one.older, one.newer, *(one.holds(direction) for direction in shown))  # type: ignore[arg-type]  # of the literal
            for one in report.comparisons
        ]
        call.output.table(("event", "older", "newer", *shown), rows, empty="one version, and no table in the lake")
        problems = [
            (one.newer, problem.direction, problem.field, problem.problem)
            for one in report.comparisons
            for problem in one.problems
        ]
        if problems:
            call.output.line("")
            call.output.table(("version", "direction", "field", "problem"), problems)
        if report.written:
            call.output.line("")
            call.output.table(
                ("event", "written by", "rows", "declared"),
                [(one.event, one.version, one.rows, one.is_declared) for one in report.written],
            )
    if wrong:
        sys.exit(1)


@click.command()
@click.argument("event")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json-schema", "avro"]),
    default="json-schema",
    show_default=True,
    help="In which language.",
)
@common_options
def schema(call: Invocation, event: str, form: str) -> None:
    """Show the contract of an event as JSON Schema of its records, or as an Avro schema."""
    from headrace.events.export import avro_schema, json_schema

    contract = call.project.events.contract(event)
    found = json_schema(contract) if form == "json-schema" else avro_schema(contract)
    call.output.data(found, json.dumps(found, indent=2, ensure_ascii=False))


@click.command()
@click.argument("event")
@common_options
def codegen(call: Invocation, event: str) -> None:
    """Show a Python module with a typed dataclass of the event; its fields() are what Producer.send takes."""
    from headrace.events.export import python_module

    contract = call.project.events.contract(event)
    source = python_module(contract)
    call.output.data({"event": contract.name, "version": contract.version, "source": source}, source.rstrip("\n"))


@click.command("hash")
@click.argument("event")
@click.argument("field")
@click.argument("value")
@common_options
def hash_(call: Invocation, event: str, field: str, value: str) -> None:
    """Show what stands for VALUE in the records and tables of EVENT: the hash of a field with pii: hash.

    FIELD is a field of the contract; one inside others is called as errors call it, lines[].article.
    """
    from headrace.pii import hashed

    found = hashed(call.project, event, field, value)
    call.output.data({"event": event, "field": field, "hash": found}, found)
