"""Training sets as files: Parquet, CSV, JSON Lines, LibSVM. A file is there as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, get_args

from headrace_ingestion.errors import closest

from headrace_features.feature_store.errors import FeatureStoreError
from headrace_features.feature_store.training_set import origin

if TYPE_CHECKING:
    import pyarrow as pa

TrainingFormat = Literal["parquet", "csv", "jsonl", "libsvm"]
FORMATS: tuple[TrainingFormat, ...] = get_args(TrainingFormat)

_SUFFIXES: Mapping[str, TrainingFormat] = {
    ".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".libsvm": "libsvm", ".svm": "libsvm",
}  # fmt: skip
_BATCH_ROWS = 10_000


def format_of(path: Path) -> TrainingFormat:
    """Return the format that the name of a file says.

    Raises:
        FeatureStoreError: It says none.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise FeatureStoreError(
            f"the name of the file {path} does not say its format",
            {"suffixes": ", ".join(_SUFFIXES)},
            f"--format {', --format '.join(FORMATS)}",
        )
    return _SUFFIXES[path.suffix.lower()]


def save_training_set(table: pa.Table, path: Path, form: TrainingFormat, label: str | None = None) -> None:
    """Write the file; what stood there before stays until the new one is complete.

    Args:
        table: The training set.
        path: The file.
        form: Its format.
        label: LibSVM only, and needed there: the column that is the label.

    Raises:
        FeatureStoreError: The folder does not exist, or the table does not fit the format.
        OSError: It cannot be written.
    """
    if not path.parent.is_dir():
        raise FeatureStoreError(
            f"the folder {path.parent} does not exist", {"file": str(path)}, f"mkdir -p {path.parent}"
        )
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as file:
            write_training_set(table, file, form, label)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_training_set(table: pa.Table, file: BinaryIO, form: TrainingFormat, label: str | None = None) -> None:
    """Write a training set.

    Times stand as text, in UTC, in CSV and JSON Lines. A null is an empty cell in CSV, `null` in JSON Lines, `nan` in
    LibSVM.

    Args:
        table: The training set.
        file: Where it goes.
        form: The format.
        label: LibSVM only, and needed there: the column that is the label.

    Raises:
        FeatureStoreError: The table does not fit the format.
    """
    if form == "libsvm":
        _write_libsvm(table, file, label)
        return
    writers: Mapping[str, Callable[[pa.Table, BinaryIO], None]] = {
        "parquet": _write_parquet, "csv": _write_csv, "jsonl": _write_json_lines,
    }  # fmt: skip
    writers[form](table, file)


def libsvm_features(table: pa.Table) -> list[str]:
    """Return the columns that a LibSVM file holds, those of the views, in order: the first has the index 1."""
    return [column for view in origin(table).get("views", {}).values() for column in view["columns"]]


def _write_parquet(table: pa.Table, file: BinaryIO) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, file)


def _write_csv(table: pa.Table, file: BinaryIO) -> None:
    import pyarrow.csv

    pyarrow.csv.write_csv(table, file)


def _write_json_lines(table: pa.Table, file: BinaryIO) -> None:
    import orjson

    for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
        file.writelines(orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE) for row in batch.to_pylist())


def _write_libsvm(table: pa.Table, file: BinaryIO, label: str | None) -> None:
    """Write `label 1:value 2:value …`, every value of a row, zeros too.

    Some readers take a value that is left out for zero, others for missing: with all of them there, none has to guess.
    """
    import duckdb

    label = _checked_label(table, label)
    features = [name for name in libsvm_features(table) if name != label]
    _check_numbers(table, features)
    values = [_number(table, label)]
    values += [f"'{index}:' || coalesce({_number(table, name)}, 'nan')" for index, name in enumerate(features, 1)]
    with duckdb.connect(config={"python_enable_replacements": "false"}) as connection:
        connection.register("training_set", table.select([label, *features]))
        # DuckDB writes a double with as many digits as it takes to read the same one again.
        query = f"SELECT concat_ws(' ', {', '.join(values)}) AS line FROM training_set"
        for batch in connection.sql(query).to_arrow_reader(_BATCH_ROWS):
            file.writelines(f"{line}\n".encode() for line in batch.column(0).to_pylist())


def _number(table: pa.Table, name: str) -> str:
    import pyarrow as pa
    from headrace_lake.views import quoted

    is_bool = pa.types.is_boolean(table.schema.field(name).type)
    return f"{quoted(name)}{'::INTEGER' if is_bool else ''}::VARCHAR"


def _checked_label(table: pa.Table, label: str | None) -> str:
    numbers = [name for name in table.column_names if _is_number(table, name)]
    own = [name for name in numbers if name not in libsvm_features(table)]
    if label is None:
        raise FeatureStoreError(
            "LibSVM needs a label, and no column is named",
            {"numeric columns of the spine": ", ".join(own) or "none"},
            f"--label {own[0] if own else 'COLUMN'}",
        )
    if label not in numbers:
        failure = f"is of the type {table.schema.field(label).type}" if label in table.column_names else "is not there"
        raise FeatureStoreError(
            f"the label {label!r} of LibSVM {failure}",
            {"numeric columns of the spine": ", ".join(own) or "none"},
            f"--label {closest(label, own) or (own[0] if own else 'COLUMN')}",
        )
    nulls = table.column(label).null_count
    if nulls:
        raise FeatureStoreError(
            f"the label {label!r} of LibSVM is null in {nulls} of {table.num_rows} rows",
            {"expected": "a label in every row"},
            f"leave these rows out of the spine: where {label} is not null",
        )
    return label


def _check_numbers(table: pa.Table, features: Sequence[str]) -> None:
    others = [name for name in features if not _is_number(table, name)]
    if others:
        raise FeatureStoreError(
            f"LibSVM holds numbers, and the column {others[0]!r} is of the type {table.schema.field(others[0]).type}",
            {"columns that are no numbers": ", ".join(others)},
            " ".join(f"--exclude {name}" for name in others),
        )


def _is_number(table: pa.Table, name: str) -> bool:
    import pyarrow as pa

    type_ = table.schema.field(name).type
    return any(is_it(type_) for is_it in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean))
