"""`headrace lake`: SQL over all that has happened."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.lake_forget import forget
from headrace.cli.lake_import import import_
from headrace.cli.lake_quality import quality
from headrace.cli.lake_rebuild import rebuild
from headrace.cli.lake_rollup import rollup
from headrace.cli.lake_sql import queries, sql
from headrace.cli.lake_tables import describe, profile, register
from headrace.cli.progress import working

if TYPE_CHECKING:
    from datetime import timedelta


def _parsed_age(ctx: click.Context, param: click.Parameter, value: str | None) -> "timedelta | None":
    from headrace_ingestion.durations import parse_duration

    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@click.group()
def group() -> None:
    """Ask SQL over all that has happened."""


group.add_command(sql)
group.add_command(queries)
group.add_command(describe)
group.add_command(register)
group.add_command(profile)
group.add_command(quality)
group.add_command(rollup)
group.add_command(import_)
group.add_command(forget)
group.add_command(rebuild)


@group.command()
@common_options
def tables(call: Invocation) -> None:
    """List the tables: rows, files, small files, bytes, newest event, version, last compaction.

    Of files that were registered, `ext.*`, number and bytes.
    """
    rows: list[tuple[object, ...]] = [
        (f"{t.schema}.{t.name}", t.rows, t.files, t.small_files, t.bytes, t.newest, t.version, t.last_compaction)
        for t in call.project.lake.tables()
    ]
    for name, table in call.project.lake.external().items():
        size_bytes = sum(Path(file).stat().st_size for file in table.files)
        rows.append((name, None, len(table.files), None, size_bytes, None, None, None))
    columns = ("table", "rows", "files", "small_files", "bytes", "newest", "version", "last_compaction")
    call.output.table(columns, rows, empty="no tables yet")


_tables_argument = click.argument("tables", nargs=-1, metavar="[TABLE]...")
_dry_run_option = click.option("--dry-run", is_flag=True, help="Only say what would be done.")


@group.command()
@_tables_argument
@click.option(
    "--target-bytes", type=click.IntRange(min=2), help="Size that files are made to have; default: upkeep.target_bytes."
)
@click.option("--rewrite", is_flag=True, help="Write each row anew, in the partitions and order declared now.")
@_dry_run_option
@common_options
def compact(call: Invocation, tables: tuple[str, ...], target_bytes: int | None, rewrite: bool, dry_run: bool) -> None:
    """Merge small files, sorted by key and time, of the tables named or of all. Writer and readers go on meanwhile.

    With --rewrite, the tables named are laid out as the access card of their event says; the writer has to be at rest.
    """
    from headrace.upkeep.tables import compact_tables

    if rewrite and not tables:
        raise click.UsageError(
            "--rewrite writes whole tables: name them\n  try:  headrace lake compact events.call --rewrite"
        )
    if rewrite and target_bytes is not None:
        raise click.UsageError("--target-bytes is of merged files, and --rewrite merges none: leave one of them out")
    with working("compacting"):
        done = compact_tables(call.project, tables, target_bytes=target_bytes, rewrite=rewrite, dry_run=dry_run)
    columns = ("table", "files_before", "files_after", "bytes_before", "bytes_after", "rows", "seconds")
    _show(call, columns, done, dry_run)


@group.command()
@_tables_argument
@_dry_run_option
@common_options
def retain(call: Invocation, tables: tuple[str, ...], dry_run: bool) -> None:
    """Recompress and delete rows that are old enough by their event time, as upkeep.retain of headrace.yaml says."""
    from headrace.upkeep.tables import retain_tables

    with working("retaining"):
        done = retain_tables(call.project, tables, dry_run=dry_run)
    columns = (
        "table",
        "deleted_before",
        "deleted_rows",
        "recompressed_files",
        "files_before",
        "files_after",
        "bytes_before",
        "bytes_after",
        "seconds",
    )
    _show(call, columns, done, dry_run)


@group.command()
@_tables_argument
@click.option("--age", callback=_parsed_age, help="How long ago files left the table; default: upkeep.vacuum_age.")
@_dry_run_option
@common_options
def vacuum(call: Invocation, tables: tuple[str, ...], age: "timedelta | None", dry_run: bool) -> None:
    """Remove files that no reader can mean any more, and the log of that time. Time travel goes back as far as this."""
    from headrace.upkeep.tables import vacuum_tables

    with working("removing files"):
        done = vacuum_tables(call.project, tables, age=age, dry_run=dry_run)
    _show(call, ("table", "files", "bytes", "log_files", "seconds"), done, dry_run)


@group.command()
@click.argument("table")
@click.option("--rows", "limit", type=click.IntRange(min=1), default=20, show_default=True, help="Most versions shown.")
@common_options
def history(call: Invocation, table: str, limit: int) -> None:
    """List the versions of a table, newest first: when, what, how many files and rows came and went, who."""
    from headrace_lake.history import table_history
    from headrace_lake.upkeep.files import kept_tables

    from headrace.tables import lake_path, project_tables

    (kept,) = kept_tables(lake_path(call.project), project_tables(call.project), [table])
    columns = (
        "version",
        "at",
        "operation",
        "files_added",
        "files_removed",
        "rows_added",
        "rows_removed",
        "who",
    )
    call.output.table(columns, _rows(columns, table_history(kept, limit)))


def _show(call: Invocation, columns: Sequence[str], done: Sequence[object], dry_run: bool) -> None:
    call.output.table(columns, _rows(columns, done), empty="no tables yet")
    if dry_run and done and not call.output.is_json:
        call.output.line("dry run: nothing was changed")


def _rows(columns: Sequence[str], things: Iterable[object]) -> list[list[object]]:
    return [[getattr(thing, name) for name in columns] for thing in things]
