"""Point-in-time training sets: feature rows as they were streamed, labels as they were known, parts by time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from headrace_ingestion.durations import duration_ms, format_duration

from headrace_models.declaration import LabelSource, ModelDeclaration, Split
from headrace_models.errors import TrainingDataError
from headrace_models.lookups import TrainingLookups
from headrace_models.view import FeatureView

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Sql = Callable[[str, Mapping[str, object]], pa.Table]
"""Runs SQL with named parameters (`$name`) over the views of the lake."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Rows of a training set, oldest first.

    Attributes:
        x: Features, `[rows, features]`, NaN for null.
        y: Whether each row is positive; None without labels.
        event_ids: The events that made the rows.
        keys: The entity of each row.
        clock_ms: The key's clock at each row, in milliseconds since 1970.
    """

    x: Floats
    y: Bools | None
    event_ids: tuple[str, ...]
    keys: npt.NDArray[np.object_]
    clock_ms: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x)

    @property
    def positives(self) -> int:
        """Number of positive rows; 0 without labels."""
        return 0 if self.y is None else int(self.y.sum())

    def rows(self, chosen: Bools) -> Part:
        """Return the chosen rows."""
        return Part(
            x=self.x[chosen],
            y=None if self.y is None else self.y[chosen],
            event_ids=tuple(np.asarray(self.event_ids, dtype=object)[chosen]),
            keys=self.keys[chosen],
            clock_ms=self.clock_ms[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Three parts that do not see each other.

    Attributes:
        features: Names of the columns of `x`.
        train, validation, test: Oldest to newest; between two of them at least the gap is left out.
        as_of: No row and no label is newer than this event time.
        unlabelled: Rows that were left out because nobody could know their label by then.
        in_gaps: Rows that were left out between the parts.
        digest: SHA-256 of all values, in hexadecimal; the same for the same rows in any order of reading.
        lookups: View that was looked up → hash of its declaration.
    """

    features: tuple[str, ...]
    train: Part
    validation: Part
    test: Part
    as_of: datetime
    unlabelled: int
    in_gaps: int
    digest: str
    lookups: Mapping[str, str] = field(default_factory=dict)


def training_set(
    sql: Sql,
    model: ModelDeclaration,
    view: FeatureView,
    labels: LabelSource | None,
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    lookups: TrainingLookups | None = None,
) -> TrainingSet:
    """Return the training set of a model from the rows in the lake.

    Two clocks cut it. `as_of` is event time: rows and labels after it do not exist. `known_at` is the time of records:
    what reached the platform later (a label's record timestamp, the instant a feature row was made) was not known then.

    Args:
        sql: Runs SQL over the lake.
        model: The declaration.
        view: The view it reads.
        labels: Where its labels stand; None without labels.
        as_of: Event time, timezone-aware; by default the newest clock of the view's rows.
        known_at: Time of records, timezone-aware; by default everything in the lake is known.
        lookups: Views with other keys that the model reads; None: none.

    Raises:
        DeclarationError: The model names columns that the view does not have.
        TrainingDataError: There are no rows, no positive ones, or too few for three parts.
    """
    own = model.feature_columns(view)
    newest = as_of or _newest_clock(sql, model, view)
    parameters: dict[str, object] = {"digest": view.digest, "as_of": newest, "known_at": known_at or _FAR_FUTURE}
    table = sql(_rows_query(own, view, labels, () if lookups is None else lookups.keys), parameters)
    if lookups is not None:
        table = lookups.join(table, known_at)
    features = own if lookups is None else (*own, *lookups.names)
    rows = _part(table, features, view, labelled=labels is not None)
    unlabelled = 0
    if labels is not None:
        known = np.asarray(table.column("label").is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
        unlabelled = int((~known).sum())
        rows = rows.rows(known)
    parts, in_gaps = _split(rows, model.split, model.gap(view), model, view)
    return TrainingSet(
        features,
        *parts,
        as_of=newest,
        unlabelled=unlabelled,
        in_gaps=in_gaps,
        digest=_digest(features, parts),
        lookups={} if lookups is None else lookups.declarations,
    )


_FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)


def _newest_clock(sql: Sql, model: ModelDeclaration, view: FeatureView) -> datetime:
    query = f"select max(clock) as newest from features.{_quoted(view.name)} where declaration = $digest"
    newest = sql(query, {"digest": view.digest}).column("newest")[0].as_py()
    if newest is None:
        raise TrainingDataError(
            f"model {model.name!r}: the view {view.name!r} has no rows in the lake",
            {"expected": f"rows of the declaration {view.digest} in features.{view.name}"},
            f"headrace lake sql 'select declaration, count(*) from features.{view.name} group by 1'",
        )
    found: datetime = newest.astimezone(UTC)
    return found


def _rows_query(features: tuple[str, ...], view: FeatureView, labels: LabelSource | None, keys: tuple[str, ...]) -> str:
    columns = ", ".join(f"f.{_quoted(name)}::double as {_quoted(name)}" for name in features)
    identity = f"f.event_id as _event_id, f.{_quoted(view.key)}::varchar as _entity, epoch_ms(f.clock) as _clock_ms"
    identity += "".join(f", f.{_quoted(key)} as {_quoted(f'_key_{key}')}" for key in keys)
    rows = f"features.{_quoted(view.name)} f"
    where = "f.declaration = $digest and f.clock <= $as_of and f.emitted_at <= $known_at"
    order = "order by f.clock, f.source_partition, f.source_offset, f.event_id"
    if labels is None:
        return f"select {columns}, {identity} from {rows} where {where} {order}"
    negative = "null"
    if labels.assume_negative_after is not None:
        milliseconds = duration_ms(labels.assume_negative_after)
        negative = f"case when f.event_time <= $as_of - to_milliseconds({milliseconds}) then false end"
    # A verdict may be revised: the newest that was known counts.
    known_labels = f"""
        select {_quoted(labels.match)} as labelled_event,
               arg_max({_quoted(labels.value)}::boolean,
                       ({_quoted(labels.time)}, _recorded_at, _partition, _offset)) as value
        from events.{_quoted(labels.event)}
        where {_quoted(labels.time)} <= $as_of and _recorded_at <= $known_at and {_quoted(labels.value)} is not null
        group by all"""
    return f"""
        select {columns}, {identity}, coalesce(l.value, {negative}) as label
        from {rows} left join ({known_labels}) l on l.labelled_event = f.event_id
        where {where} {order}"""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _part(table: pa.Table, features: tuple[str, ...], view: FeatureView, *, labelled: bool) -> Part:
    x = np.empty((table.num_rows, len(features)), dtype=np.float64)
    for index, name in enumerate(features):
        # Arrow gives NaN for a null of a double column.
        x[:, index] = table.column(name).to_numpy(zero_copy_only=False)
    y = None
    if labelled:
        y = np.asarray(table.column("label").fill_null(False).to_numpy(zero_copy_only=False), dtype=np.bool_)
    return Part(
        x=x,
        y=y,
        event_ids=tuple(table.column("_event_id").to_pylist()),
        keys=np.asarray(table.column("_entity").to_pylist(), dtype=object),
        clock_ms=np.asarray(table.column("_clock_ms").to_numpy(zero_copy_only=False), dtype=np.int64),
    )


def _split(
    rows: Part, split: Split, gap: timedelta, model: ModelDeclaration, view: FeatureView
) -> tuple[tuple[Part, Part, Part], int]:
    if len(rows) == 0:
        raise _no_labels(model, view)
    count = len(rows)
    clock, gap_ms = rows.clock_ms, duration_ms(gap)
    first = int(clock[min(count - 1, round(split.train * count))])
    second = int(clock[min(count - 1, round((split.train + split.validation) * count))])
    # A row at exactly boundary + gap looks back over (boundary, boundary + gap]: nothing before the boundary.
    chosen = {
        "train": clock < first,
        "validation": (clock >= first + gap_ms) & (clock < second),
        "test": clock >= second + gap_ms,
    }
    parts = {name: rows.rows(mask) for name, mask in chosen.items()}
    _check_parts(parts, rows, gap, model)
    used = sum(len(part) for part in parts.values())
    return (parts["train"], parts["validation"], parts["test"]), count - used


def _check_parts(parts: dict[str, Part], rows: Part, gap: timedelta, model: ModelDeclaration) -> None:
    sizes = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
    span = timedelta(milliseconds=int(rows.clock_ms[-1] - rows.clock_ms[0]))
    for name, part in parts.items():
        if len(part) == 0:
            raise TrainingDataError(
                f"model {model.name!r}: the part {name!r} of the training set has no rows",
                {"rows": sizes, "history": str(span), "gap": f"{format_duration(gap)}, twice"},
                "wait for more events, or change 'split' of the model",
            )
        if part.y is not None and part.positives == 0:
            raise TrainingDataError(
                f"model {model.name!r}: the part {name!r} of the training set has no positive label",
                {"positives": ", ".join(f"{n} {p.positives}" for n, p in parts.items()), "rows": sizes},
                "wait for more labels, or change 'split' of the model",
            )


def _no_labels(model: ModelDeclaration, view: FeatureView) -> TrainingDataError:
    where = f"events.{model.labels.event}" if model.labels else f"features.{view.name}"
    return TrainingDataError(
        f"model {model.name!r}: no row of the view {view.name!r} has a label that is known",
        {"expected": f"labels in {where}, or rows older than 'assume_negative_after'"},
        f"headrace lake sql 'select count(*) from {where}'",
    )


def _digest(features: tuple[str, ...], parts: tuple[Part, ...]) -> str:
    digest = hashlib.sha256("\x1f".join(features).encode())
    for part in parts:
        digest.update(f"\x1e{len(part)}\x1e".encode())
        digest.update("\x1f".join(part.event_ids).encode())
        digest.update(part.clock_ms.astype("<i8").tobytes())
        # One NaN, one zero: bit patterns that compare equal must hash equal.
        digest.update(np.where(np.isnan(part.x), np.nan, part.x + 0.0).astype("<f8").tobytes())
        digest.update(b"" if part.y is None else part.y.tobytes())
    return digest.hexdigest()
