"""`headrace lake`: SQL over all that has happened."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.common import Invocation, common_options

if TYPE_CHECKING:
    import pyarrow as pa


@click.group()
def group() -> None:
    """Ask SQL over all that has happened."""


@group.command()
@click.argument("query", required=False)
@click.option("--file", "file", type=click.Path(path_type=Path), help="Read the query from a file.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    help="Form of the answer; json is one object a line.",
)
@click.option("--rows", "max_rows", type=click.IntRange(min=1), help="Fail when there are more rows.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60,
    show_default=True,
    help="Stop after this time.",
)
@common_options
def sql(
    call: Invocation, query: str | None, file: Path | None, form: str | None, max_rows: int | None, seconds: float
) -> None:
    """Answer one query: a text, a file, or the name of a file in queries/ (alerts for queries/alerts.sql).

    Views: events.<event>, features.<view>, scores.<model>, and dead_letters, late_events, duplicates, alerts in ops.
    """
    from headrace_lake.query import Limits

    text = _query_text(call, query, file)
    table = call.project.lake.sql(text, limits=Limits(seconds=seconds, rows=max_rows)).arrow()
    if form == "csv":
        _write_csv(table)
    elif form == "json":
        _write_json_lines(table)
    else:
        call.output.table(
            table.column_names, zip(*(column.to_pylist() for column in table.columns), strict=True), empty="no rows"
        )


@group.command()
@common_options
def tables(call: Invocation) -> None:
    """List the tables: rows, files, bytes, newest event, version."""
    rows = [(f"{t.schema}.{t.name}", t.rows, t.files, t.bytes, t.newest, t.version) for t in call.project.lake.tables()]
    call.output.table(("table", "rows", "files", "bytes", "newest", "version"), rows, empty="no tables yet")


def _query_text(call: Invocation, query: str | None, file: Path | None) -> str:
    from headrace_ingestion.errors import HeadraceError

    if (query is None) == (file is None):
        raise click.UsageError("give a query, or --file\n  try:  headrace lake sql 'select count(*) from events.call'")
    if query is not None:
        named = call.project.folder / "queries" / f"{query}.sql"
        if not query.isidentifier() or not named.is_file():
            return query
        file = named
    try:
        return (file or Path()).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise HeadraceError(
            f"the query file {file} cannot be read: {why}",
            {
                "queries": ", ".join(sorted(p.stem for p in (call.project.folder / "queries").glob("*.sql")))
                or "none in queries/"
            },
            "headrace lake sql 'select 1'",
        ) from error


def _write_csv(table: "pa.Table") -> None:
    import pyarrow.csv

    pyarrow.csv.write_csv(table, sys.stdout.buffer)


def _write_json_lines(table: "pa.Table") -> None:
    import orjson

    for row in table.to_pylist():
        sys.stdout.buffer.write(orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE))
