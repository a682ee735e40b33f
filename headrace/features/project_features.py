"""What a project does with its features, from the plan to reading them. Commands and notebooks call this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from headrace_features.feature_store.point_in_time import EVENT_TIMESTAMP
from headrace_features.view import View
from headrace_ingestion.errors import HeadraceError, closest

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from feast import FeatureStore
    from headrace_features.online.lookup import OnlineValues
    from headrace_features.reconcile_report import ReconcileReport
    from headrace_features.repair import RepairReport
    from headrace_features.shadow_report import ShadowReport
    from headrace_features.verify import ParityReport
    from headrace_models.impact import Impact
    from headrace_streaming.state_size import StateSize

    from headrace.features.backfill import BackfillReport, Engine
    from headrace.features.view_report import ListedView, ViewReport
    from headrace.project import Project
    from headrace.shadow.span import Bound


class UnknownViewError(HeadraceError):
    """The project declares no view of that name."""


class UnknownJobError(HeadraceError):
    """The project has no feature job of that name."""


@dataclass(frozen=True)
class PlannedView:
    """What `features plan` shows of a view.

    Attributes:
        view: The resolved view.
        group: The job that computes it.
        flink_sql: Everything that the job runs, in order.
        duckdb_sql: The same features over the lake.
        rows: Rows of this declaration in the lake.
        other_rows: Rows of earlier declarations in the lake.
        state: What a key holds in the job's state.
        state_backend: Where that lives: `heap` or `rocksdb`.
        hints: What is not wrong, and may not be meant.
    """

    view: View
    group: str
    flink_sql: tuple[str, ...]
    duckdb_sql: str
    rows: int
    other_rows: int
    state: StateSize
    state_backend: str
    hints: tuple[str, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether the lake knows the view, but not as it is declared now."""
        return self.other_rows > 0 and self.rows == 0

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Name and type of each feature column, in order."""
        return [(column.name, column.type) for column in self.view.columns]


class Features:
    """The features of one project.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project

    def view(self, name: str) -> View:
        """Return a declared view.

        Raises:
            UnknownViewError: There is none of that name.
            DeclarationError: A declaration is wrong.
        """
        views = self._project.views
        if name not in views:
            raise UnknownViewError(
                f"the project declares no view {name!r}",
                {"views": ", ".join(views) or "none", "where": str(self._project.folder / "features")},
                closest(name, views) or "headrace features plan",
            )
        return views[name]

    def plan(self) -> list[PlannedView]:
        """Return the SQL and the columns of every view; needs nothing that runs.

        Raises:
            DeclarationError: A declaration is wrong.
        """
        from headrace_features.duckdb_compiler import compile_view
        from headrace_features.lake_report import stored_rows
        from headrace_features.zones import zone_hints
        from headrace_streaming.plan import KafkaTables
        from headrace_streaming.state_size import state_size

        from headrace.topics import known_servers

        planned = []
        views = list(self._project.views.values())
        stored = {view.name: rows for view, rows in zip(views, stored_rows(self._project.lake, views), strict=True)}
        servers = known_servers(self._project)
        for group, plan in self._project.plans.items():
            name = f"headrace-{self._project.settings.name}-{group}"
            kafka = KafkaTables(servers, group_id=name, transactional_id_prefix=f"{name}-{plan.digest}")
            statements = plan.statements(kafka)
            for view in plan.views:
                there = stored[view.name]
                sql = compile_view(view).sql
                size, backend = state_size(view), self._project.settings.flink.state_backend
                rows, hints = (there.rows, there.other_rows), zone_hints(self._project.folder / view.origin)
                planned.append(PlannedView(view, group, statements, sql, *rows, size, backend, hints))
        return planned

    def verify(self, name: str) -> ParityReport:
        """Recompute every row of a view from the events in the lake and compare.

        Raises:
            UnknownViewError: There is no such view.
        """
        from headrace_features.verify import verify

        return verify(self._project.lake, self.view(name))

    def reconcile(
        self, name: str, *, mend: bool = False, limit: int = 20, patience_seconds: float = 2.0
    ) -> ReconcileReport:
        """Compare the newest row of each key in the lake with what the online store holds.

        Args:
            name: The view.
            mend: Put the lake's row of each key that is missing, stale or different into the store.
            limit: How many differences are listed.
            patience_seconds: How long the online writer may take to store what the lake has.

        Raises:
            UnknownViewError: There is no such view.
            OnlineStoreUnavailableError: The store does not answer.
        """
        from headrace_features.reconcile import reconcile

        from headrace.features.online import open_online_store

        view = self.view(name)
        with open_online_store(self._project) as store:
            return reconcile(
                self._project.lake, store, view, mend=mend, most_differences=limit, patience_seconds=patience_seconds
            )

    def backfill(
        self, name: str, *, engine: Engine = "duckdb", say: Callable[[str], None] = lambda line: None
    ) -> BackfillReport:
        """Compute the past of a view, and of those in the same job, from the lake; the job goes on behind it.

        For a declaration that was changed while the stack runs: its processes read it anew.

        Args:
            name: The view.
            engine: `duckdb`, or `flink`: the job itself, run bounded over what its topic holds.
            say: Called with lines about the progress.

        Raises:
            UnknownViewError: There is no such view.
            NotRunningError: The stack of this project is down.
            BackfillError: The past of the present declaration is complete.
        """
        from headrace.features.backfill import backfill_running

        return backfill_running(self._project, self._project.plans[self.view(name).group], engine, say=say)

    def shadow(
        self,
        name: str,
        *,
        begin: Bound = None,
        end: Bound = None,
        tolerance: float = 1e-9,
        keep: bool = False,
        say: Callable[[str], None] = lambda line: None,
    ) -> ShadowReport:
        """Run a view, as it is declared now, over a range of its topic beside production, and compare the rows.

        Args:
            name: The view.
            begin: An instant with a zone, or partition → offset, where the range begins; None: where the topic does.
            end: Likewise, where it ends; None: as far as production's rows go in the lake.
            tolerance: Doubles are equal when they differ by at most this share of the larger one.
            keep: Leave topics and state of the run.
            say: Called with lines about the progress.

        Raises:
            UnknownViewError: There is no such view.
            NotRunningError: The stack of this project is down.
            ShadowError: There is nothing to compare with, or the job has failed.
        """
        from headrace.shadow.check import ShadowRequest, run_shadow

        return run_shadow(self._project, self.view(name), ShadowRequest(begin, end, tolerance, keep), say=say)

    def repair(self, name: str, *, dry_run: bool = False) -> RepairReport:
        """Push every row of a view, ordered by event time, that is not what it would be, had no event come late.

        Args:
            name: The view.
            dry_run: Only count them; then nothing needs to run.

        Raises:
            UnknownViewError: There is no such view.
            RepairError: The view is ordered by arrival.
            NotRunningError: The stack of this project is down.
            RowTopicError: The broker has not stored them.
        """
        from headrace_features.repair import repair
        from headrace_features.row_topic import RowTopic

        view = self.view(name)
        if dry_run or view.order == "arrival":
            return repair(self._project.lake, view, None)
        with RowTopic(self._project.connection(), view) as topic:
            return repair(self._project.lake, view, topic)

    def get(self, name: str, key: str, *, allow_expired: bool = False) -> OnlineValues | None:
        """Return the newest values of an entity from the online store, or None when it has none.

        A key that producers hash is given clear, or as its hash.

        Raises:
            UnknownViewError: There is no such view.
            OnlineStoreUnavailableError: The store does not answer.
        """
        from headrace_features.online.lookup import get_online

        from headrace.features.online import open_online_store
        from headrace.pii import stored_key

        view = self.view(name)
        stored = stored_key(self._project, view.contract, view.key, key)
        with open_online_store(self._project) as store:
            return get_online(store, view, stored, datetime.now(UTC), allow_expired=allow_expired)

    def training_set(
        self,
        views: str | Sequence[str],
        spine: Any = None,
        *,
        sql: str | None = None,
        at: str = "known",
        time_column: str = EVENT_TIMESTAMP,
        keys: Mapping[str, str] | None = None,
        exclude: Sequence[str] = (),
    ) -> pa.Table:
        """Return the values of views as they stood at each row of a spine, beside the columns of the spine.

        A column keeps its name; where two of the views have one of a name, both are called `<view>__<column>`. Values
        with a clock older than the `ttl` of their view are null.

        Args:
            views: One view or several.
            spine: Arrow table, pandas frame, or the path of a Parquet or CSV file, with the key of each view and the
                time column. Without a spine: every row of one view at its own event, as it was streamed.
            sql: The spine as a query of the lake, instead.
            at: `known`: only values that had been written by then. `event_time`: all that had happened by then.
            time_column: Column of the spine with the instants: timestamps with a zone.
            keys: View → column of the spine that holds its entities, where it is not named like the view's key.
            exclude: Columns of the result to leave out.

        Raises:
            UnknownViewError: There is no such view.
            FeatureStoreError: The spine does not fit, or there is none for several views.
            QueryError: The query is wrong.
        """
        from headrace.features.training_sets import Request, training_set

        names = [views] if isinstance(views, str) else list(dict.fromkeys(views))
        chosen = tuple(self.view(name) for name in names)
        return training_set(
            self._project, Request(chosen, spine, sql, at, time_column, dict(keys or {}), tuple(exclude))
        )

    def impact(
        self,
        name: str,
        without: Sequence[str],
        *,
        seeds: int = 3,
        say: Callable[[str], None] = lambda line: None,
    ) -> dict[str, Impact]:
        """Return, for each model that reads a view, what it is with some of the view's columns and without them.

        Args:
            name: The view.
            without: Columns to leave out, or patterns such as `amount_*`.
            seeds: How often each is trained.
            say: Called with lines about the progress.

        Raises:
            UnknownViewError: There is no such view.
            TrainingDataError: No model reads the view or the columns, or the lake does not hold what a model needs.
        """
        from headrace_models.errors import TrainingDataError

        from headrace.features.view_report import models_of

        models = models_of(self._project, self.view(name))
        if not models:
            raise TrainingDataError(
                f"no model reads the view {name!r}",
                {"models": ", ".join(self._project.model_declarations) or "none: models/*.yaml is empty"},
                f"view: {name} in a model",
            )
        return {model: self._project.models.impact(model, without, seeds=seeds, say=say) for model in models}

    def apply(self) -> FeatureStore:
        """Generate the Feast repository in `.headrace/feast`, apply it to its registry, and return it open.

        Raises:
            DeclarationError: A declaration is wrong.
        """
        from headrace_features.feature_store.repository import generate_repository

        from headrace.features.online import online_config
        from headrace.tables import local_lake

        project = self._project
        folder, lake = project.folders.feast, local_lake(project, "headrace features apply")
        return generate_repository(folder, project.settings.name, project.views, lake, online_config(project))

    def hold_jobs(self, group: str | None = None, *, held: bool, timeout_seconds: float = 180) -> dict[str, str]:
        """Stop the feature jobs with a savepoint, or let them go on from there; return each one's state then.

        Args:
            group: Name of one job, `call.subscriber_id`; None: all.
            held: Whether they are to be stopped.
            timeout_seconds: How long it may take.

        Raises:
            UnknownJobError: There is no such job.
            NotRunningError: The stack of this project is down.
            ProcessFailedError: A job did not reach the state in time.
        """
        from headrace.stack.hold import hold

        groups = list(self._project.plans)
        if group is not None and group not in groups:
            raise UnknownJobError(
                f"the project has no job {group!r}",
                {"jobs": ", ".join(groups) or "none"},
                closest(group, groups) or "headrace features plan",
            )
        names = [f"job-{name}" for name in groups if group in (None, name)]
        return hold(self._project.folders, names, held=held, timeout_seconds=timeout_seconds)

    def describe(self, name: str, *, last: timedelta | None = None) -> ViewReport:
        """Return what a view is, where its rows come from and go to, how fresh they are and what stands in them.

        Args:
            name: The view.
            last: Judge the columns by rows whose event time lies less than this before the newest one; None: by all.

        Raises:
            UnknownViewError: There is no such view.
            DeclarationError: A declaration is wrong.
            QueryError: The lake holds more than can be judged in ten minutes.
        """
        from headrace.features.view_report import report_view

        return report_view(self._project, self.view(name), now=datetime.now(UTC), last=last)

    def list(self) -> list[ListedView]:
        """Return every view with what the lake holds of it; needs nothing that runs.

        Raises:
            DeclarationError: A declaration is wrong.
        """
        from headrace.features.view_report import list_views

        return list_views(self._project)
