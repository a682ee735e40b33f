"""`headrace events sql`: Flink SQL over the topics, as they stand there."""

import json
import sys
from contextlib import closing, suppress
from datetime import datetime
from typing import TYPE_CHECKING

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.event_options import parsed_time
from headrace.cli.output import shown
from headrace.cli.progress import working

if TYPE_CHECKING:
    from headrace.flink_sql.tables import Start


def _start(context: click.Context, parameter: click.Parameter, text: str) -> "Start":
    if text == "earliest":
        return "earliest"
    if text == "latest":
        return "latest"
    at: datetime | None = parsed_time(context, parameter, text)
    if at is None:
        raise click.BadParameter("expected earliest, latest or a time", context, parameter)
    return at


@click.command()
@click.argument("statement")
@click.option(
    "--from",
    "start",
    default="earliest",
    show_default=True,
    metavar="earliest|latest|TIME",
    callback=_start,
    help="Where reading begins; a time is that of the records.",
)
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C or --limit.")
@click.option("--limit", type=click.IntRange(min=1), help="Most rows.")
@common_options
def sql(call: Invocation, statement: str, start: "Start", follow: bool, limit: int | None) -> None:
    """Ask Flink SQL over the topics of events, views, scores and ledgers: SELECT, EXPLAIN, DESCRIBE, SHOW.

    Tables are called as in the lake: events.<event>, features.<view>, scores.<model>, ops.alerts. Without --follow the
    statement reads what stands on the topics now, and ends. With it, rows come as Flink makes them: op says whether
    a row is new (+I, +U) or taken back (-U, -D).
    """
    from headrace.flink_sql.session import FlinkSql

    with working("starting Flink"):
        session = FlinkSql(call.project, start, follow=follow)
        answer = session.run(statement, limit)
    with closing(answer.rows()) as rows, suppress(KeyboardInterrupt):
        if not follow:
            call.output.table(answer.columns, rows, empty="no rows")
            return
        for row in rows:
            one = dict(zip(answer.columns, row, strict=True))
            call.output.data(one, "  ".join(f"{name}={_cell(value)}" for name, value in one.items()))
            sys.stdout.flush()


def _cell(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, (dict, list)) else shown(value)
