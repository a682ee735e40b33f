"""`headrace features`: plan, list, verify, reconcile, repair and read features."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from headrace.cli.common import Invocation, common_options
from headrace.cli.progress import working
from headrace.cli.shadow import shadow
from headrace.cli.training_set import training_set

if TYPE_CHECKING:
    from headrace_features.parity_report import ParityReport
    from headrace_features.reconcile_report import ReconcileReport

    from headrace.features.backfill import Engine


@click.group()
def group() -> None:
    """Plan, list, start, verify, reconcile, repair and read features."""


def _parsed_last(ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    from headrace_ingestion.documents import DeclarationProblem
    from headrace_ingestion.durations import parse_duration

    try:
        last = parse_duration(value)
    except DeclarationProblem:
        last = timedelta(0)
    if not last:
        raise click.BadParameter(f"{value!r} is not a length of time above zero, such as 7d", ctx, param)
    return last


@group.command()
@click.argument("view", required=False)
@click.option(
    "--sql",
    "engine",
    type=click.Choice(["flink", "duckdb", "both"]),
    default="both",
    show_default=True,
    help="Which SQL to show.",
)
@common_options
def plan(call: Invocation, view: str | None, engine: str) -> None:
    """Show what the declarations become: jobs, columns, SQL. Needs nothing that runs."""
    from headrace.cli.view_text import state_words

    planned = call.project.features.plan()
    if view is not None:
        call.project.features.view(view)
        planned = [entry for entry in planned if entry.view.name == view]
    if call.output.is_json:
        call.output.data(
            [
                {
                    "view": entry.view.name,
                    "declaration": entry.view.digest,
                    "job": entry.group,
                    "key": entry.view.key,
                    "rows": entry.rows,
                    "other_rows": entry.other_rows,
                    "changed": entry.is_changed,
                    "hints": list(entry.hints),
                    "state": {"backend": entry.state_backend, **asdict(entry.state)},
                    "columns": [{"name": name, "type": kind} for name, kind in entry.columns],
                    "flink_sql": list(entry.flink_sql),
                    "duckdb_sql": entry.duckdb_sql,
                }
                for entry in planned
            ],
            "",
        )
        return
    for entry in planned:
        call.output.line(
            f"view {entry.view.name}  key {entry.view.key}  declaration {entry.view.digest}  job {entry.group}"
        )
        if entry.is_changed:
            call.output.line(
                f"changed: the lake has {entry.other_rows} rows of earlier declarations and none of this one;"
                f" headrace features backfill {entry.view.name}"
            )
        for hint in entry.hints:
            call.output.line(f"hint: {entry.view.origin} {hint}")
        call.output.line(f"state in {entry.state_backend}: {state_words(entry.state)}")
        call.output.table(("column", "type"), entry.columns)
        call.output.line("")
    shown_jobs = set()
    for entry in planned:
        if engine in ("flink", "both") and entry.group not in shown_jobs:
            shown_jobs.add(entry.group)
            call.output.line(f"-- Flink SQL of the job {entry.group}")
            call.output.line("\n".join(f"{statement};\n" for statement in entry.flink_sql))
        if engine in ("duckdb", "both"):
            call.output.line(f"-- DuckDB SQL of the view {entry.view.name}\n{entry.duckdb_sql};\n")


@group.command("list")
@common_options
def list_(call: Invocation) -> None:
    """List the views, with what the lake holds of each. Needs nothing that runs."""
    views = call.project.features.list()
    if call.output.is_json:
        call.output.data([view.as_dict() for view in views], "")
        return
    from headrace.cli.view_text import show_list

    show_list(call.output, views)


@group.command()
@click.argument("view")
@click.option(
    "--last",
    metavar="DURATION",
    callback=_parsed_last,
    help="Judge the columns by rows less than this older, by event time, than the newest one, such as 7d.",
)
@common_options
def describe(call: Invocation, view: str, last: timedelta | None) -> None:
    """Show what a view is, its way from topic to models, how fresh its rows are, and what stands in its columns."""
    report = call.project.features.describe(view, last=last)
    if call.output.is_json:
        call.output.data(report.as_dict(), "")
        return
    from headrace.cli.view_text import show_report

    show_report(call.output, report)


@group.command()
@common_options
def apply(call: Invocation) -> None:
    """Generate the Feast repository from the declarations, below .headrace/feast; Feast's own tools work on it."""
    with working("applying the Feast repository"):
        store = call.project.features.apply()
    folder = call.project.folders.feast
    views = [view.name for view in store.list_feature_views()]
    services = [service.name for service in store.list_feature_services()]
    entities = [entity.name for entity in store.list_entities() if entity.name != "__dummy"]
    call.output.record({"folder": str(folder), "entities": entities, "views": views, "services": services})


group.add_command(training_set)
group.add_command(shadow)


def _show_verdicts(call: Invocation, reports: "Mapping[str, ParityReport] | Mapping[str, ReconcileReport]") -> None:
    """Show the report of each view; exit with 1 unless all have passed."""
    if call.output.is_json:
        call.output.data({name: report.as_dict() for name, report in reports.items()}, "")
    else:
        for report in reports.values():
            call.output.line(report.text())
    if not all(report.passed for report in reports.values()):
        sys.exit(1)


@group.command()
@click.argument("view", required=False)
@common_options
def verify(call: Invocation, view: str | None) -> None:
    """Recompute every row from the events in the lake and compare; exit status 1 unless all are equal."""
    names = [view] if view else list(call.project.views)
    reports = {name: call.project.features.verify(name) for name in names}
    _show_verdicts(call, reports)


@group.command()
@click.argument("view", required=False)
@click.option("--mend", is_flag=True, help="Put the lake's rows of missing, stale and different keys into the store.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="Differences to list of each view."
)
@click.option(
    "--patience",
    "patience_seconds",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    help="Seconds that the online writer may take to store what the lake has.",
)
@common_options
def reconcile(call: Invocation, view: str | None, mend: bool, limit: int, patience_seconds: float) -> None:
    """Compare the online store with the newest rows of the lake; exit status 1 while a key is wrong.

    A key is wrong when it is missing online, or when an older row or other values stand there. A newer row is not:
    it is on its way to the lake.
    """
    names = [view] if view else list(call.project.views)
    reports = {}
    for name in names:
        with working(f"comparing {name}"):
            reports[name] = call.project.features.reconcile(
                name, mend=mend, limit=limit, patience_seconds=patience_seconds
            )
    _show_verdicts(call, reports)


@group.command()
@click.argument("view")
@click.option(
    "--engine",
    type=click.Choice(["duckdb", "flink"]),
    default="duckdb",
    show_default=True,
    help="What computes the rows: DuckDB, or the same job run bounded over its topic, for what outgrows one machine.",
)
@common_options
def backfill(call: Invocation, view: str, engine: "Engine") -> None:
    """Compute the past of a changed view from the lake; its job goes on behind it without reading the topic again.

    The views of the same job come along. The stack runs on; what reads the declaration is started again.
    """
    report = call.project.features.backfill(view, engine=engine, say=lambda line: click.echo(line, err=True))
    if call.output.is_json:
        call.output.data(report.as_dict(), "")
        return
    rows = [(name, done.rows, done.ledger_entries, done.seeds) for name, done in report.views.items()]
    call.output.table(("view", "rows added", "ledger entries", "events to go on from"), rows)


@group.command()
@click.argument("view", required=False)
@click.option("--dry-run", is_flag=True, help="Only count the rows; then nothing needs to run.")
@common_options
def repair(call: Invocation, view: str | None, dry_run: bool) -> None:
    """Count late events in: push rows that they change again, with a higher revision.

    Only for views in the order of event times; without a name, all of them.
    """
    names = [view] if view else [name for name, one in call.project.views.items() if one.order == "event_time"]
    reports = {}
    for name in names:
        with working(f"repairing {name}"):
            reports[name] = call.project.features.repair(name, dry_run=dry_run)
    if call.output.is_json:
        call.output.data({name: report.as_dict() for name, report in reports.items()}, "")
        return
    for report in reports.values():
        call.output.line(report.text())
    if not reports:
        call.output.line("no view is ordered by event time: nothing comes late")


@group.command()
@click.argument("view")
@click.option(
    "--without",
    multiple=True,
    required=True,
    metavar="COLUMN",
    help="A column to leave out, or a pattern such as 'amount_*'; may be given several times.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="How often each is trained.")
@common_options
def impact(call: Invocation, view: str, without: tuple[str, ...], seeds: int) -> None:
    """Train each model of a view with and without some of its columns, and compare; nothing is registered.

    Compared is the validation part: the test part stays unseen. The interval of the difference is one of 95 %, from
    drawing entities again.
    """
    found = call.project.features.impact(view, without, seeds=seeds, say=lambda line: click.echo(line, err=True))
    if call.output.is_json:
        call.output.data({name: report.as_dict() for name, report in found.items()}, "")
        return
    from headrace.cli.view_text import impact_rows

    for report in found.values():
        left_out = ", ".join(report.without)
        call.output.line(f"{report.model}: {report.recipe}, {report.rows:,} rows, without {left_out}")
        call.output.table(("figure", "with", "without"), impact_rows(report))
        call.output.line(f"{report.verdict}\n")


@group.command()
@click.argument("view")
@click.argument("key")
@click.option("--allow-expired", is_flag=True, help="Show values that are older than the view's ttl.")
@common_options
def get(call: Invocation, view: str, key: str, allow_expired: bool) -> None:
    """Show the newest values of an entity, with their age; ones older than the ttl are withheld, exit status 1."""
    found = call.project.features.get(view, key, allow_expired=allow_expired)
    if found is None:
        from headrace_ingestion.errors import HeadraceError

        raise HeadraceError(
            f"the online store has no values of {key!r} in the view {view!r}",
            {"store": call.project.settings.online.store},
            f'headrace lake sql "select distinct {call.project.views[view].key} from features.{view} limit 10"',
        )
    head = found.as_data()
    if call.output.is_json:
        call.output.data({**head, "values": dict(found.values)}, "")
    else:
        call.output.record(head)
        call.output.table(("feature", "value"), found.values.items())
    if found.freshness == "expired" and not allow_expired:
        click.echo(
            f"warning: the values are older than the ttl of {view}, and withheld\n  try:  --allow-expired", err=True
        )
    if found.freshness != "fresh" and not allow_expired:
        sys.exit(1)


@group.command()
@click.argument("job", required=False)
@common_options
def stop(call: Invocation, job: str | None) -> None:
    """Stop a feature job, or all, with a savepoint; the rest of the stack goes on."""
    _hold(call, job, held=True)


@group.command()
@click.argument("job", required=False)
@common_options
def start(call: Invocation, job: str | None) -> None:
    """Start a stopped feature job, or all, from where it stopped."""
    _hold(call, job, held=False)


def _hold(call: Invocation, job: str | None, *, held: bool) -> None:
    phases = call.project.features.hold_jobs(job, held=held)
    call.output.table(("process", "state"), phases.items())
