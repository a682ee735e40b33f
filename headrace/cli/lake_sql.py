"""`headrace lake sql` and `headrace lake queries`: one query, or a conversation."""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.progress import working

if TYPE_CHECKING:
    import pyarrow as pa
    from headrace_lake.guarded import Guard
    from headrace_lake.query import Limits

    from headrace.queries import FileFormat

Form = Literal["table", "csv", "json", "parquet"]

_WAIT_SECONDS = 0.1


@dataclass(frozen=True)
class Asking:
    """How queries are asked and answered.

    Attributes:
        call: Output and project.
        limits: What a query may use.
        as_of: Which versions are read.
        form: Form of the answer.
        out: File of the answer; None: stdout.
        principal: Who asks, by `policy.yaml`; None: who may see everything.
    """

    call: Invocation
    limits: "Limits"
    as_of: tuple[str, ...] = ()
    form: Form = "table"
    out: Path | None = None
    principal: str | None = None

    def ask(self, text: str, parameters: Mapping[str, str]) -> None:
        """Answer one query.

        Raises:
            QueryError: It is wrong, beyond its limits, or Ctrl-C was pressed.
            QueryFileError: The file of the answer cannot be written.
        """
        from headrace.queries import write_answer

        with working("asking"):
            table = self._answer(text, parameters)
        if self.out is None:
            self._show(table)
            return
        write_answer(table, self.out, cast("FileFormat", self.form))
        sys.stderr.write(f"{table.num_rows} rows written to {self.out}\n")

    def in_form(self, form: Form) -> "Asking":
        """Return the same with another form of answers."""
        return replace(self, form=form)

    def _answer(self, text: str, parameters: Mapping[str, str]) -> "pa.Table":
        from concurrent.futures import ThreadPoolExecutor, wait

        from headrace_lake.query import Cancel

        cancel = Cancel()
        # DuckDB looks for no signal while it works: it does so in another thread, and this one hears Ctrl-C.
        with self._guard(text) as guard, ThreadPoolExecutor(1) as threads:
            asked = threads.submit(
                self.call.project.lake.sql,
                text,
                parameters or None,
                limits=self.limits,
                as_of=self.as_of or None,
                cancel=cancel,
                guard=guard,
            )
            try:
                wait([asked])
            except KeyboardInterrupt:
                while not asked.done():
                    cancel()
                    wait([asked], _WAIT_SECONDS)
            return asked.result().arrow()

    def _guard(self, text: str) -> "AbstractContextManager[Guard | None]":
        if self.principal is None:
            return nullcontext()
        from headrace.policy.reading import audited_guard

        return audited_guard(self.call.project, self.principal, text)

    def _show(self, table: "pa.Table") -> None:
        if self.form == "csv":
            import pyarrow.csv

            from headrace.queries import flat

            pyarrow.csv.write_csv(flat(table), sys.stdout.buffer)
        elif self.form == "json":
            from headrace.queries import json_lines

            sys.stdout.buffer.writelines(json_lines(table))
        else:
            columns = (column.to_pylist() for column in table.columns)
            self.call.output.table(table.column_names, zip(*columns, strict=True), empty="no rows")


def _parsed_parameters(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    parsed = {}
    for pair in value:
        name, separator, text = pair.partition("=")
        if not separator or not name.isidentifier():
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE, such as country=DE", ctx, param)
        parsed[name] = text
    return parsed


@click.command()
@click.argument("query", required=False)
@click.option("--file", "file", type=click.Path(path_type=Path), help="Read the query from a file.")
@click.option("--name", help="A query of the project: NAME for queries/NAME.sql.")
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_parsed_parameters,
    help="Value of $NAME in the query. It is bound, and takes the type it is used as.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Form)),
    help="Form of the answer; json is one object a line. Default: table, or what the name of --out says.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the answer to a file.")
@click.option("--workgroup", help="Whose limits hold; default: the workgroup `default` of the settings.")
@click.option("--rows", "max_rows", type=click.IntRange(min=1), help="Fail when there are more rows.")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after this time; default: the workgroup's, 60."
)
@click.option(
    "--as-of",
    "as_of",
    multiple=True,
    metavar="TIME|TABLE=VERSION",
    help="Read all tables as they were at a time (2026-01-31T12:00:00Z), or a table at a version (events.call=12).",
)
@click.option("--as", "principal", metavar="PRINCIPAL", help="See what policy.yaml shows to this principal.")
@common_options
def sql(
    call: Invocation,
    query: str | None,
    file: Path | None,
    name: str | None,
    parameters: dict[str, str],
    form: Form | None,
    out: Path | None,
    workgroup: str | None,
    max_rows: int | None,
    seconds: float | None,
    as_of: tuple[str, ...],
    principal: str | None,
) -> None:
    """Answer one query: a text, a file, or the name of a file in queries/. Without one, on a terminal: a conversation.

    Views: events.<event>, features.<view>, scores.<model>, ext.<name> of registered files, and dead_letters,
    late_events, duplicates, alerts, upkeep in ops. Ctrl-C cancels.
    """
    from headrace.queries import query_limits

    text = _query_text(call, query, file, name)
    limits = query_limits(call.project, workgroup, seconds=seconds, rows=max_rows)
    asking = Asking(call, limits, as_of, _form(form, out), out, principal)
    if text is not None:
        asking.ask(text, parameters)
        return
    from headrace.cli.lake_shell import converse

    converse(asking, parameters)


@click.command()
@common_options
def queries(call: Invocation) -> None:
    """List the named queries of the project: queries/*.sql."""
    from headrace.queries import named_queries

    rows = [(one.name, ", ".join(one.parameters), one.description) for one in named_queries(call.project).values()]
    call.output.table(("query", "parameters", "description"), rows, empty="none: queries/*.sql is empty")


def _form(form: Form | None, out: Path | None) -> Form:
    if out is None:
        if form == "parquet":
            raise click.UsageError("parquet is written to a file\n  try:  --out answer.parquet")
        return form or "table"
    named = out.suffix.removeprefix(".").replace("jsonl", "json")
    chosen = form or (named if named in get_args(Form) else "table")
    if chosen == "table":
        raise click.UsageError(
            f"the form of {out.name} is not known\n  forms:  csv, json, parquet\n  try:    --format parquet"
        )
    return cast("Form", chosen)


def _query_text(call: Invocation, query: str | None, file: Path | None, name: str | None) -> str | None:
    from headrace.queries import named_queries, named_query, read_query

    given = sum(one is not None for one in (query, file, name))
    if given > 1:
        raise click.UsageError("give one query: a text, --file or --name")
    if name is not None:
        return named_query(call.project, name).text
    if file is not None:
        return read_query(file)
    if query is not None:
        named = named_queries(call.project).get(query) if query.isidentifier() else None
        return named.text if named else query
    if sys.stdin.isatty() and sys.stdout.isatty() and not call.output.is_json:
        return None
    raise click.UsageError("give a query, or --file\n  try:  headrace lake sql 'select count(*) from events.call'")
