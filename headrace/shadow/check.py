"""A view run over a range of its topic beside production, and compared with production's rows event by event."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace_features.duckdb_events import rows_of
from headrace_features.duckdb_ledgers import stored_columns
from headrace_features.history import past_before, seed_past
from headrace_features.shadow import compare_shadow, reach_of_rows
from headrace_features.shadow_report import ShadowReport
from headrace_lake.tables import late_events_table
from headrace_lake.topic_records import rows_by_now

from headrace.shadow.errors import ShadowError
from headrace.shadow.namespace import Namespace, own_namespace
from headrace.shadow.replay import replay, state_of
from headrace.shadow.span import Bound, Span, span_of
from headrace.tables import view_table

if TYPE_CHECKING:
    from headrace_features.view import View

    from headrace.project import Project

_LAKE_SECONDS = 60.0


@dataclass(frozen=True)
class ShadowRequest:
    """What is to be run.

    Attributes:
        begin: Where the range begins; None: where the topic does.
        end: Where it ends; None: as far as production's rows go in the lake.
        tolerance: Doubles are equal when they differ by at most this share of the larger one.
        keep: Whether topics and state of the run stay.
    """

    begin: Bound = None
    end: Bound = None
    tolerance: float = 1e-9
    keep: bool = False


def run_shadow(
    project: Project, view: View, request: ShadowRequest, *, say: Callable[[str], None] = lambda line: None
) -> ShadowReport:
    """Run a view beside production and compare; nothing of production is written.

    Args:
        project: The project; its brokers have to be there.
        view: The view, as it is declared now.
        request: What is to be run.
        say: Called with lines about the progress.

    Raises:
        ShadowError: There is nothing to compare with, or the job has failed.
        NotRunningError: The stack of this project is down.
    """
    connection = project.connection()
    span = _span(project, view, request)
    report = ShadowReport(view.name, view.digest, begins=span.begins, ends=span.ends)
    with own_namespace(project, view.name, [view], keep=request.keep) as namespace:
        report.namespace = namespace.name
        report.seeded = seed(project, namespace, span, say)
        say(f"replaying {span.offsets:,} events in {namespace.prefix}*")
        report.seconds = replay(project, namespace, span.ends, say=say)
        say(f"{span.offsets / report.seconds:,.0f} events/s; comparing")
        partitions = namespace.partitions(project)
        rows, late = view_table(view, namespace.prefix), late_events_table(namespace.prefix)
        with project.lake.connect() as lake:
            compare_shadow(
                lake,
                report,
                view,
                rows_by_now(connection, rows, partitions[rows.topic]),
                rows_by_now(connection, late, partitions[late.topic]),
                tolerance=request.tolerance,
            )
    return report


def seed(project: Project, namespace: Namespace, span: Span, say: Callable[[str], None]) -> int:
    """Leave for a namespace's job what its windows hold where the span begins; return how many events that is.

    Raises:
        ShadowError: The lake lacks events before the span that it has rows of.
    """
    _await_events(project, namespace)
    state, seeds = state_of(namespace), 0
    views = namespace.plan.views
    with project.lake.connect() as lake:
        past = past_before(lake, views[0], dict(span.begins))
        for view in views:
            (state.seed / view.name).mkdir(parents=True, exist_ok=True)
            if past.newest_ms >= 0:
                say(f"computing what {view.name} holds before the range")
                seeds += seed_past(lake, view, past, state.seed / view.name)
    state.write_seam(span.begins, past.newest_ms, past.begin)
    return seeds


def _span(project: Project, view: View, request: ShadowRequest) -> Span:
    topic = view.contract.topic(project.settings.kafka.topic_prefix)
    with project.lake.connect() as lake:
        reach = reach_of_rows(lake, view) if stored_columns(lake, rows_of(view)) else {}
        if not reach:
            raise ShadowError(
                f"the lake holds no row of {view.name}: there is nothing to compare with",
                {"table": f"features.{view.name}", "compared": "a shadow run with the rows of production"},
                "headrace status",
            )
    span = span_of(project.connection(), topic, request.begin, request.end, reach=reach)
    if not span.offsets:
        raise ShadowError(
            f"no event of {topic} is in this range",
            {
                "range": span.text or "the topic is not there",
                "compared": f"up to {', '.join(f'{number}: {offset}' for number, offset in reach.items())}",
            },
            f"headrace features shadow {view.name}, without --from and --to",
        )
    return span


def _await_events(project: Project, namespace: Namespace) -> None:
    from headrace.features.backfill import is_behind_its_rows

    deadline = time.monotonic() + _LAKE_SECONDS
    while is_behind_its_rows(project, namespace.plan):
        if time.monotonic() > deadline:
            contract = namespace.plan.views[0].contract
            raise ShadowError(
                f"the lake lacks events of {contract.stream} that it has rows of",
                {"waited": f"{_LAKE_SECONDS:.0f} s", "expected": "a lake writer that runs"},
                "headrace status",
            )
        time.sleep(1)
