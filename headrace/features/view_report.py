"""What a project knows of its views: what they are, where their rows come from and go to, and what the lake holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from headrace_features.column_words import words_of
from headrace_features.lake_report import Freshness, Quality, StoredRows, freshness, quality, stored_rows
from headrace_features.view import View

from headrace.project import Project


@dataclass(frozen=True)
class ListedView:
    """What `features list` shows of a view.

    Attributes:
        view: Its name.
        event: The event it reads.
        key: The entity.
        order: How the events of a key are ordered.
        job: The job that computes it.
        columns: Number of feature columns.
        ttl_seconds: How long a value may be served online after its clock.
        declaration: Hash of the declaration.
        models: The models that read it.
        rows: Rows of this declaration in the lake.
        other_rows: Rows of earlier declarations in the lake.
        newest_event_time: Largest event time of this declaration's rows; None when there are none.
        newest_clock: Their largest clock.
    """

    view: str
    event: str
    key: str
    order: str
    job: str
    columns: int
    ttl_seconds: float
    declaration: str
    models: tuple[str, ...]
    rows: int
    other_rows: int
    newest_event_time: datetime | None
    newest_clock: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class ColumnDefinition:
    """A column as it was declared.

    Attributes:
        name: Name of the column.
        type: Its type.
        entry: Kind of the entry that declares it, such as `window`.
        means: What it is, in a few words.
    """

    name: str
    type: str
    entry: str
    means: str


@dataclass(frozen=True)
class Definition:
    """A view as it was declared.

    Attributes:
        file: The file, relative to the project.
        description: For people; None: there is none.
        owner: Who answers for it; None: nobody is named.
        tags: Words to find it by.
        key: The entity.
        order: How the events of a key are ordered.
        ttl_seconds: How long a value may be served online after its clock.
        dedup_seconds: How long a repeated event id is a duplicate.
        retain_seconds: A longer jump of a key's clock starts its history anew.
        declaration: Hash of the declaration.
        derived: Name → expression of the values that are derived from the event's own.
        columns: The columns, in order.
    """

    file: str
    description: str | None
    owner: str | None
    tags: tuple[str, ...]
    key: str
    order: str
    ttl_seconds: float
    dedup_seconds: float
    retain_seconds: float
    declaration: str
    derived: dict[str, str]
    columns: tuple[ColumnDefinition, ...]


@dataclass(frozen=True)
class Lineage:
    """The way of a view's rows, from the topic of the event to the models.

    Attributes:
        topic: Topic of the event.
        event: The event.
        contract_version: Version of its contract.
        contract_file: Where it is declared.
        job: The job that computes the view.
        feature_topic: Topic of the rows.
        table: Their table in the lake.
        online_store: Kind of the online store.
        models: Model → topic of its scores.
    """

    topic: str
    event: str
    contract_version: int
    contract_file: str
    job: str
    feature_topic: str
    table: str
    online_store: str
    models: dict[str, str]


@dataclass(frozen=True)
class ViewReport:
    """What `features describe` shows of a view.

    Attributes:
        view: Its name.
        definition: How it was declared.
        lineage: Where its rows come from and go to.
        stored: How many of them the lake holds.
        freshness: How fresh the newest are; None when the lake holds none.
        quality: What stands in the columns; None when the lake holds none.
    """

    view: str
    definition: Definition
    lineage: Lineage
    stored: StoredRows
    freshness: Freshness | None
    quality: Quality | None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


def list_views(project: Project) -> list[ListedView]:
    """Return every view of the project, by name, with what the lake holds of it.

    Raises:
        DeclarationError: A declaration is wrong.
    """
    views = [project.views[name] for name in sorted(project.views)]
    return [_listed(project, view, stored) for view, stored in zip(views, _stored(project, views), strict=True)]


def report_view(project: Project, view: View, *, now: datetime, last: timedelta | None = None) -> ViewReport:
    """Return what is known of a view.

    Args:
        project: The project.
        view: One of its views.
        now: The instant that ages are counted to, timezone-aware.
        last: Judge the columns by rows whose event time lies less than this before the newest one; None: by all.

    Raises:
        DeclarationError: A declaration is wrong.
    """
    (stored,) = _stored(project, [view])
    has_rows = stored.rows > 0
    return ViewReport(
        view=view.name,
        definition=_definition(view),
        lineage=_lineage(project, view),
        stored=stored,
        freshness=freshness(project.lake, view, now=now) if has_rows else None,
        quality=quality(project.lake, view, stored, last=last) if has_rows else None,
    )


def _stored(project: Project, views: Sequence[View]) -> list[StoredRows]:
    from pathlib import Path

    from headrace.tables import lake_path

    lake = lake_path(project)
    if isinstance(lake, Path) and not lake.is_dir():
        # Nothing has run yet: no need to load an engine to find nothing.
        return [StoredRows(0, 0, None, None) for _ in views]
    return stored_rows(project.lake, views)


def _listed(project: Project, view: View, stored: StoredRows) -> ListedView:
    return ListedView(
        view=view.name,
        event=view.contract.name,
        key=view.key,
        order=view.order,
        job=view.group,
        columns=len(view.columns),
        ttl_seconds=view.ttl_ms / 1000,
        declaration=view.digest,
        models=tuple(models_of(project, view)),
        rows=stored.rows,
        other_rows=stored.other_rows,
        newest_event_time=stored.newest_event_time,
        newest_clock=stored.newest_clock,
    )


def _definition(view: View) -> Definition:
    columns = zip(view.columns, view.kinds, strict=True)
    return Definition(
        file=view.origin,
        description=view.description,
        owner=view.owner,
        tags=view.tags,
        key=view.key,
        order=view.order,
        ttl_seconds=view.ttl_ms / 1000,
        dedup_seconds=view.dedup_ms / 1000,
        retain_seconds=view.retain_ms / 1000,
        declaration=view.digest,
        derived=dict(view.derived),
        columns=tuple(ColumnDefinition(c.name, c.type, kind, words_of(view, c)) for c, kind in columns),
    )


def _lineage(project: Project, view: View) -> Lineage:
    prefix = project.settings.kafka.topic_prefix
    return Lineage(
        topic=view.contract.topic(prefix),
        event=view.contract.name,
        contract_version=view.contract.version,
        contract_file=view.contract.place_of(None),
        job=view.group,
        feature_topic=view.topic(prefix),
        table=f"features.{view.name}",
        online_store=project.settings.online.store,
        models={name: f"{prefix}scores.{name}" for name in models_of(project, view)},
    )


def models_of(project: Project, view: View) -> list[str]:
    """Return the names of the models that read columns of the view, directly or by a lookup."""
    return [
        name
        for name, model in project.model_declarations.items()
        if view.name in (model.view, *(lookup.view for lookup in model.lookups))
    ]
