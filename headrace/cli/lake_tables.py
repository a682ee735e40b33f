"""`headrace lake describe`, `register` and `profile`: what tables are and what stands in them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.progress import working

if TYPE_CHECKING:
    from headrace.project import Project

_PROFILE_SECONDS = 600.0


@click.command()
@click.argument("table")
@common_options
def describe(call: Invocation, table: str) -> None:
    """Say what a table is: columns and types, contract, files, bytes, rows, newest event and commit."""
    from dataclasses import asdict

    found = call.project.lake.describe(table)
    contract = _contract(call.project, table)
    fields: dict[str, Any] = contract.pop("fields", {})
    facts = {**contract, **asdict(found)}
    columns = [{"column": name, "type": kind, "field": fields.get(name)} for name, kind in facts.pop("columns").items()]
    if call.output.is_json:
        call.output.record({**facts, "columns": columns})
        return
    for name in ("partitioned_by", "sorted_by", "tags", "readers"):
        facts[name] = ", ".join(facts.get(name) or ()) or None
    call.output.record({name: value for name, value in facts.items() if value is not None})
    call.output.line("")
    call.output.table(
        ("column", "type", "in the contract"),
        [(one["column"], one["type"], _field_text(one["field"])) for one in columns],
    )
    if found.declared_partition is not None:
        call.output.line(
            f"\nits card says otherwise: headrace lake compact {table} --rewrite lays the table out by "
            f"{found.declared_partition}"
        )


@click.command()
@click.argument("path")
@click.option("--name", required=True, help="Its name in SQL: ext.NAME.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv", "jsonl"]),
    help="Form of the files; default: by their names.",
)
@click.option("--replace", is_flag=True, help="A table of this name may be there already.")
@common_options
def register(
    call: Invocation, path: str, name: str, form: Literal["parquet", "csv", "jsonl"] | None, replace: bool
) -> None:
    """Read foreign files as the table ext.NAME: PATH is a file or a pattern, of Parquet, CSV or JSON Lines.

    The columns are inferred and kept in external/NAME.yaml, where their types can be changed. Files stand in the
    project folder or in one of lake.external_folders; they are read where they are.
    """
    from headrace.external import register as add

    with working("looking into the files"):
        made = add(call.project, path, name, form=form, replace=replace)
    if call.output.is_json:
        call.output.record(
            {"table": made.full_name, "format": made.format, "files": len(made.files), "columns": dict(made.columns)}
        )
        return
    call.output.table(("column", "type"), made.columns.items())
    call.output.line(
        f"\n{made.full_name} is in external/{name}.yaml: headrace lake sql 'from {made.full_name} limit 10'"
    )


def _contract(project: "Project", table: str) -> dict[str, Any]:
    schema, _, name = table.partition(".")
    view = project.views.get(name) if schema == "features" else None
    if view is not None:
        return {"description": view.description, "owner": view.owner, "tags": view.tags}
    contract = project.readable.get(name) if schema == "events" else None
    if contract is None:
        return {}
    shown = {
        field: declared.model_dump(mode="json", exclude_defaults=True) for field, declared in contract.fields.items()
    }
    readers = None if contract.access is None else contract.access.readers
    people = {"description": contract.description, "owner": contract.owner, "tags": contract.tags, "readers": readers}
    return {"contract": contract.label, **people, "fields": shown}


def _field_text(field: dict[str, Any] | None) -> str | None:
    if not field:
        return None
    return ", ".join(str(value) if name == "type" else f"{name} {value}" for name, value in field.items())


@click.command()
@click.argument("table")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The page; default: profile-TABLE.html.")
@click.option("--column", "columns", multiple=True, help="A number to follow over time; default: the first three.")
@click.option("--key", help="What sequences are counted by; default: the declared key.")
@click.option("--time", help="The column of time; default: the declared one.")
@click.option(
    "--sample",
    "sample_rows",
    type=click.IntRange(min=100),
    default=100_000,
    show_default=True,
    help="Most rows that distributions are computed from.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after this time; default: the limit of the workgroup `default`, where it is set, else 600.",
)
@common_options
def profile(
    call: Invocation,
    table: str,
    out: Path | None,
    columns: tuple[str, ...],
    key: str | None,
    time: str | None,
    sample_rows: int,
    seconds: float | None,
) -> None:
    """Draw what stands in a table: distributions, nulls, skew, correlation, and what numbers do over time.

    Writes one page that needs nothing else; with --output json, the figures go to standard output, and a page is
    written only with --out.
    """
    from dataclasses import asdict

    from headrace_lake.profile.figures import profile as figures_of

    from headrace.queries import query_limits
    from headrace.settings.lake import DEFAULT_WORKGROUP

    is_limited = DEFAULT_WORKGROUP in call.project.settings.lake.workgroups
    limits = query_limits(call.project, seconds=seconds or (None if is_limited else _PROFILE_SECONDS))
    with working("computing the figures"):
        found = figures_of(
            call.project.lake, table, columns=columns, key=key, time=time, sample_rows=sample_rows, limits=limits
        )
    target = out or (None if call.output.is_json else Path(f"profile-{table}.html"))
    if target is not None:
        from headrace_lake.profile.page import page

        from headrace.queries import write_text

        with working("drawing"):
            write_text(page(found), target)
    if call.output.is_json:
        call.output.record(asdict(found))
    else:
        call.output.line(f"{found.rows} rows, {len(found.columns)} columns: {target}")
