"""Lookups of a model, checked against the views, and joined to the rows of a training set as they stood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from headrace_ingestion.durations import duration_ms, format_duration
from headrace_ingestion.errors import DeclarationError, closest

from headrace_models.declaration import ModelDeclaration
from headrace_models.lookup_declaration import LookupDeclaration
from headrace_models.view import NUMERIC, FeatureView

if TYPE_CHECKING:
    import pyarrow as pa
    from headrace_features.view import View
    from headrace_lake.place import Place

_WHOLE = ("int", "long")


@dataclass(frozen=True)
class ModelLookup:
    """A lookup that fits its views.

    Attributes:
        view: The view that is looked up.
        key: Column of the rows of the model's own view that holds the entity.
        columns: Numeric columns of the view.
        after_ms: How long after its clock a row of the view counts in training, in milliseconds; below the view's ttl.
    """

    view: View
    key: str
    columns: tuple[str, ...]
    after_ms: int

    @property
    def names(self) -> tuple[str, ...]:
        """What the model calls the columns."""
        return tuple(f"{self.view.name}__{column}" for column in self.columns)

    @property
    def reach(self) -> timedelta:
        """How far back of a row's clock its values may look: a row as old as the ttl, and its longest window."""
        return timedelta(milliseconds=self.view.ttl_ms + self.view.longest_window_ms)


def model_lookups(model: ModelDeclaration, own: FeatureView, views: Mapping[str, View]) -> tuple[ModelLookup, ...]:
    """Return the lookups of a model.

    Args:
        model: The declaration.
        own: The view whose rows the model scores.
        views: The views of the project by name.

    Raises:
        DeclarationError: A view, a key or a column is not there or of the wrong type, or `after` is not below the ttl.
    """
    return tuple(_resolved(model, lookup, own, views) for lookup in model.lookups)


def _resolved(
    model: ModelDeclaration, lookup: LookupDeclaration, own: FeatureView, views: Mapping[str, View]
) -> ModelLookup:
    view = views.get(lookup.view)
    if view is None:
        raise DeclarationError(
            f"models/{model.name}.yaml: 'lookups' reads the view {lookup.view!r}, which the project does not declare",
            {"views": ", ".join(views)},
            f"view: {closest(lookup.view, views) or next(iter(views))}",
        )
    after_ms = duration_ms(lookup.after)
    if after_ms >= view.ttl_ms:
        raise DeclarationError(
            f"models/{model.name}.yaml: 'after' of the lookup of {view.name!r} is {format_duration(lookup.after)}: "
            "its values have expired by then",
            {"ttl of the view": format_duration(timedelta(milliseconds=view.ttl_ms))},
            "after: 1s",
        )
    return ModelLookup(view, _key(model, lookup, own, view), _columns(model, lookup, view), after_ms)


def _key(model: ModelDeclaration, lookup: LookupDeclaration, own: FeatureView, view: View) -> str:
    key = lookup.key or view.key
    if key == own.key:
        return key
    types = dict(own.columns)
    of_view = view.contract.fields[view.key].type
    fitting = [name for name, type_ in own.columns if type_ == of_view or (type_ in _WHOLE and of_view in _WHOLE)]
    if key not in fitting:
        failure = f"which is of type {types[key]}" if key in types else f"which the rows of {own.name!r} do not have"
        raise DeclarationError(
            f"models/{model.name}.yaml: the lookup of {view.name!r} takes its key from the column {key!r}, {failure}",
            {"columns that hold a key": ", ".join((own.key, *fitting)), "key of the view": f"{view.key} ({of_view})"},
            f"features/{own.name}.yaml: - expression: {{name: {view.key}, sql: …}}, which puts the field into the rows",
        )
    return key


def _columns(model: ModelDeclaration, lookup: LookupDeclaration, view: View) -> tuple[str, ...]:
    numeric = tuple(column.name for column in view.columns if column.type in NUMERIC)
    unknown = next((name for name in lookup.features or () if name not in numeric), None)
    if unknown is not None or not numeric:
        raise DeclarationError(
            f"models/{model.name}.yaml: the lookup of {view.name!r} names {unknown!r}, which is no numeric column",
            {"numeric columns": ", ".join(numeric) or "none"},
            closest(unknown or "", numeric),
        )
    return lookup.features or numeric


@dataclass(frozen=True)
class TrainingLookups:
    """The lookups of a model over the rows of a lake.

    Attributes:
        lake: Folder of the lake, or its place on object storage.
        lookups: The lookups.
    """

    lake: Place
    lookups: Sequence[ModelLookup]

    @property
    def names(self) -> tuple[str, ...]:
        """What the model calls the columns, in order."""
        return tuple(name for lookup in self.lookups for name in lookup.names)

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns of the model's own rows that the join needs."""
        return tuple(dict.fromkeys(lookup.key for lookup in self.lookups))

    @property
    def declarations(self) -> dict[str, str]:
        """View → hash of its declaration."""
        return {lookup.view.name: lookup.view.digest for lookup in self.lookups}

    def join(self, rows: pa.Table, known_at: datetime | None) -> pa.Table:
        """Return the rows, in their order, with the columns of the lookups as doubles.

        The last row of an entity counts whose clock is `after` or more before that of the row, and at most the ttl:
        what stood online then, whether it was computed live or later from history.

        Args:
            rows: Have `_clock_ms`, and the keys as `_key_<column>`.
            known_at: Rows that were made later do not count; None: all do.
        """
        import pyarrow as pa
        from headrace_features.feature_store.point_in_time import Lookup, join_features

        for lookup in self.lookups:
            instants = pa.array(rows.column("_clock_ms").to_numpy() - lookup.after_ms, pa.timestamp("ms", "UTC"))
            spine = pa.table({"_instant": instants, "_entity_key": rows.column(f"_key_{lookup.key}")})
            wanted = Lookup(
                view=lookup.view.name,
                key=lookup.view.key,
                columns={column: ("double", name) for column, name in zip(lookup.columns, lookup.names, strict=True)},
                ttl_ms=lookup.view.ttl_ms - lookup.after_ms,
                declaration=lookup.view.digest,
                spine_key="_entity_key",
            )
            found = join_features(self.lake, spine, [wanted], at="event_time", time_column="_instant", made_by=known_at)
            for name in lookup.names:
                rows = rows.append_column(name, found.column(name))
        return rows
