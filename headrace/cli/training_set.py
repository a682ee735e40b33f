"""`headrace features training-set`: views joined to a spine, as a file or on standard output."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.progress import working

if TYPE_CHECKING:
    import pyarrow as pa
    from headrace_features.feature_store.training_files import TrainingFormat


def _parsed_views(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    if not names:
        raise click.BadParameter("no view is named", ctx, param)
    return names


def _parsed_keys(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for pair in value:
        view, separator, column = pair.partition("=")
        if not separator or not view or not column:
            raise click.BadParameter(f"{pair!r} is not VIEW=COLUMN, such as subscriber=caller_id", ctx, param)
        pairs[view] = column
    return pairs


@click.command("training-set")
@click.argument("spine", type=click.Path(path_type=Path), required=False)
@click.option("--sql", "query", metavar="QUERY", help="The spine as a query of the lake, instead of a file.")
@click.option("--views", required=True, metavar="A,B,…", callback=_parsed_views, help="The views to join, in order.")
@click.option(
    "--at",
    type=click.Choice(["known", "event_time"]),
    default="known",
    show_default=True,
    help="Which values count: those written by then, or all that had happened by then.",
)
@click.option("--time", "time_column", default="event_timestamp", show_default=True, help="Column of the instants.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="VIEW=COLUMN",
    callback=_parsed_keys,
    help="Column of the spine that holds the entities of a view, where it is not named like the view's key.",
)
@click.option(
    "--exclude", multiple=True, metavar="COLUMN", help="Leave a column of a view out, by its name in the result."
)
@click.option("--to", "target", type=click.Path(path_type=Path), help="File to write; default: standard output.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv", "jsonl", "libsvm"]),
    help="Format; default: as the name of the file says, and a table on standard output.",
)
@click.option("--label", metavar="COLUMN", help="The label of each line; for libsvm, which needs one.")
@common_options
def training_set(
    call: Invocation,
    spine: Path | None,
    query: str | None,
    views: tuple[str, ...],
    at: str,
    time_column: str,
    keys: dict[str, str],
    exclude: tuple[str, ...],
    target: Path | None,
    form: "TrainingFormat | None",
    label: str | None,
) -> None:
    """Join views, as they stood, to rows of keys and instants: a Parquet or CSV file, or a query of the lake.

    The spine has a column named like the key of each view, and event_timestamp: timestamps with a zone. A column of a
    view keeps its name; where two views have one of a name, both are called VIEW__COLUMN. Values older than the ttl of
    their view are null.
    """
    form = _checked(spine, query, target, form, label)
    joined = partial(
        call.project.features.training_set,
        views, spine, sql=query, time_column=time_column, keys=keys, exclude=exclude,
    )  # fmt: skip
    with working(f"joining {', '.join(views)}"):
        table = joined(at=at)
        if target is not None and form is not None:
            from headrace_features.feature_store.training_files import save_training_set

            save_training_set(table, target, form, label)
    if at == "known":
        _warn_of_nothing_known(table, joined)
    if target is not None:
        _show_written(call, table, target, form)
    elif form is not None:
        from headrace_features.feature_store.training_files import write_training_set

        write_training_set(table, sys.stdout.buffer, form, label)
    else:
        call.output.table(table.column_names, zip(*(column.to_pylist() for column in table.columns), strict=True))


def _warn_of_nothing_known(table: "pa.Table", joined: "Callable[..., pa.Table]") -> None:
    """Say so where a view has no value at all because all of its rows were written later than the instants."""
    from headrace_features.feature_store.training_set import origin

    empty = [name for name, view in origin(table)["views"].items() if not view["rows_with_values"]]
    if not empty:
        return
    with working(f"looking whether {', '.join(empty)} had values by event time"):
        happened = joined(at="event_time")
    found = {name: view["rows_with_values"] for name, view in origin(happened)["views"].items()}
    for name in empty:
        if found[name]:
            click.echo(
                f"warning: no row has a value of {name}: all that fits was written after its instant, as the rows of "
                f"replayed or backfilled history are\n  would have values:  {found[name]:,} rows, by event time\n"
                "  try:                --at event_time",
                err=True,
            )


def _checked(
    spine: Path | None, query: str | None, target: Path | None, form: "TrainingFormat | None", label: str | None
) -> "TrainingFormat | None":
    """Return the format, None for a table on standard output."""
    if (spine is None) == (query is None):
        raise click.UsageError(
            "give a file, or --sql\n  try:  headrace features training-set labels.csv --views subscriber"
        )
    if target is not None and form is None:
        from headrace_features.feature_store.training_files import format_of

        form = format_of(target)
    if target is None and form == "parquet":
        raise click.UsageError("Parquet goes to a file\n  try:  --to training-set.parquet")
    if label is not None and form != "libsvm":
        raise click.UsageError("--label is for libsvm: the other formats have all columns\n  try:  --format libsvm")
    return form


def _show_written(call: Invocation, table: "pa.Table", target: Path, form: str | None) -> None:
    from headrace_features.feature_store.training_files import libsvm_features
    from headrace_features.feature_store.training_set import origin

    columns = libsvm_features(table) if form == "libsvm" else table.column_names
    views = origin(table)["views"]
    if call.output.is_json:
        call.output.data(
            {"file": str(target), "format": form, "rows": table.num_rows, "columns": columns, "views": views}, ""
        )
        return
    call.output.line(f"{target}: {table.num_rows:,} rows, {len(columns)} columns")
    call.output.table(
        ("view", "key", "rows with values", "columns"),
        [(name, view["key"], view["rows_with_values"], len(view["columns"])) for name, view in views.items()],
    )
