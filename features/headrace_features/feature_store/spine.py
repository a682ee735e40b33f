"""The spine of a training set, entities and instants: read from a file, checked before anything is joined to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace_ingestion.errors import closest

from headrace_features.feature_store.errors import FeatureStoreError

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace_features.feature_store.point_in_time import Lookup

SUFFIXES = (".parquet", ".csv", ".csv.gz")
"""Files that can be a spine."""

_A_TIME = "2026-01-31T00:00:00Z"
_SHOWN_FILES = 10


def read_spine(path: Path, texts: Collection[str] = ()) -> pa.Table:
    """Return the rows of a file.

    Args:
        path: Parquet, or CSV with a header, as its name says.
        texts: Columns of a CSV that are text whatever they look like: keys such as `007`. An empty cell is a null.

    Raises:
        FeatureStoreError: There is no such file, or it is of neither kind, or it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    if not path.is_file():
        raise _no_file(path)
    name = path.name.lower()
    try:
        if name.endswith(".parquet"):
            return pyarrow.parquet.read_table(path)
        if name.endswith((".csv", ".csv.gz")):
            as_they_are = pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(texts, pa.string()), null_values=[""], strings_can_be_null=True
            )
            return pyarrow.csv.read_csv(path, convert_options=as_they_are)
    except (pa.ArrowException, OSError) as error:
        raise FeatureStoreError(
            f"the spine {path} cannot be read: {str(error).splitlines()[0]}",
            {"expected": "Parquet, or CSV with a header, in UTF-8"},
            f"ls -l {path}",
        ) from error
    raise FeatureStoreError(
        f"the name of the spine {path} does not say its format", {"suffixes": ", ".join(SUFFIXES)}, f"{path.stem}.csv"
    )


def check_columns(spine: pa.Table, lookups: Sequence[Lookup], time_column: str) -> None:
    """Check that the spine has what is needed to join the lookups, and that no column would be there twice.

    Raises:
        FeatureStoreError: It is not so.
    """
    for name in (time_column, *(lookup.entity for lookup in lookups)):
        if name not in spine.column_names:
            raise FeatureStoreError(
                f"the spine has no column {name!r}",
                {"columns": ", ".join(spine.column_names), "expected": f"the keys of the views, and {time_column!r}"},
                closest(name, spine.column_names) or f"add a column {name!r}",
            )
    names = [*spine.column_names, *(output for lookup in lookups for _, output in lookup.columns.values())]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FeatureStoreError(
            f"the result would have the column {twice!r} twice",
            {"views": ", ".join(lookup.view for lookup in lookups)},
            "full_feature_names=True, or another name in the spine",
        )


def check_spine(spine: pa.Table, lookups: Sequence[Lookup], time_column: str) -> None:
    """Check all that a training set asks of its spine: rows, columns, instants with a zone, no nulls, names of its own.

    Raises:
        FeatureStoreError: It is not so.
    """
    if spine.num_rows == 0:
        raise FeatureStoreError(
            "the spine has no rows",
            {
                "columns": ", ".join(spine.column_names) or "none",
                "expected": "a row for each value of the training set",
            },
            "headrace lake tables",
        )
    for lookup in lookups:
        taken = next((output for _, output in lookup.columns.values() if output in spine.column_names), None)
        if taken is not None:
            raise FeatureStoreError(
                f"the spine has a column {taken!r}, and the view {lookup.view!r} has one, too",
                {"columns of the spine": ", ".join(spine.column_names)},
                f"another name in the spine, such as spine_{taken}; or leave the view's out: --exclude {taken}",
            )
    check_columns(spine, lookups, time_column)
    _check_time(spine, time_column)
    for name in dict.fromkeys([time_column, *(lookup.entity for lookup in lookups)]):
        _check_no_nulls(spine, name)


def _check_time(spine: pa.Table, name: str) -> None:
    import pyarrow as pa

    type_ = spine.schema.field(name).type
    if not pa.types.is_timestamp(type_):
        first = next((value for value in spine.column(name).to_pylist() if value is not None), None)
        raise FeatureStoreError(
            f"the time column {name!r} of the spine is of the type {type_}",
            {"first value": repr(first), "expected": f"timestamps with a zone, such as {_A_TIME}"},
            "--time COLUMN for another one",
        )
    if type_.tz is None:
        raise FeatureStoreError(
            f"the time column {name!r} of the spine has no time zone",
            {"first value": str(spine.column(name)[0]), "expected": f"a zone with each value, such as {_A_TIME}"},
            f"in SQL: {name} at time zone 'UTC' as {name}; in pandas: frame.{name}.dt.tz_localize('UTC')",
        )


def _check_no_nulls(spine: pa.Table, name: str) -> None:
    import pyarrow.compute as pc

    column = spine.column(name)
    if column.null_count == 0:
        return
    first = pc.index(pc.is_null(column), True).as_py()
    raise FeatureStoreError(
        f"the column {name!r} of the spine is null in {column.null_count} of {spine.num_rows} rows",
        {"first": f"row {first + 1}", "expected": "an entity and an instant in every row"},
        f"leave these rows out: where {name} is not null",
    )


def _no_file(path: Path) -> FeatureStoreError:
    folder = path.parent
    names = sorted(other.name for other in folder.iterdir() if other.is_file()) if folder.is_dir() else []
    spines = [name for name in names if name.lower().endswith(SUFFIXES)]
    more = f" and {len(spines) - _SHOWN_FILES} more" if len(spines) > _SHOWN_FILES else ""
    near = closest(path.name, spines)
    return FeatureStoreError(
        f"the spine {path} does not exist",
        {"files": (", ".join(spines[:_SHOWN_FILES]) or "none that could be one") + more, "where": str(folder)},
        str(folder / near) if near else "--sql 'select … as event_timestamp from events.…'",
    )
