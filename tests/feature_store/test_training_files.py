"""Training sets as files: each format read back with a reader of its own, and what does not fit is refused."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from headrace_features.feature_store import FeatureStoreError
from headrace_features.feature_store.training_files import format_of, save_training_set
from headrace_features.feature_store.training_set import make_training_set, origin, training_lookups
from headrace_features.view import View
from lake_cases import at, write_rows
from sklearn.datasets import load_svmlight_file

SUM = "duration_s_sum_1h"
EXACT = 0.1 + 0.2


@pytest.fixture
def table(tmp_path: Path, subscriber: View) -> pa.Table:
    """A training set of three rows: values that need all their digits, a zero, nulls."""
    write_rows(tmp_path / "lake", subscriber, [
        {"subscriber_id": "a", "clock": at(10), SUM: EXACT, "duration_s_count_1h": 2**53 + 1, "is_long": True},
        {"subscriber_id": "b", "clock": at(10), SUM: 0.0, "country_lag_1": 'N"O,'},
    ])  # fmt: skip
    spine = pa.table({
        "subscriber_id": ["a", "b", "c"],
        "event_timestamp": pa.array([at(11)] * 3, pa.timestamp("us", "UTC")),
        "churned": [True, False, True],
        "weight": [1.5, None, 2.0],
    })  # fmt: skip
    return make_training_set(tmp_path / "lake", spine, training_lookups([subscriber]))


def test_parquet_csv_and_json_lines_give_back_what_was_written(tmp_path: Path, table: pa.Table) -> None:
    for name in ("set.parquet", "set.csv", "set.jsonl"):
        save_training_set(table, tmp_path / name, format_of(tmp_path / name))
    parquet = pq.read_table(tmp_path / "set.parquet")
    assert parquet.equals(table)
    assert origin(parquet) == origin(table)
    read = pyarrow.csv.read_csv(
        tmp_path / "set.csv", convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    )
    assert read.cast(table.schema).to_pylist() == table.to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "set.jsonl").read_text().splitlines()]
    assert lines == [{**row, "event_timestamp": row["event_timestamp"].isoformat()} for row in table.to_pylist()]
    assert not list(tmp_path.glob(".*"))


def test_libsvm_has_every_value_of_a_row_and_scikit_learn_reads_it(
    tmp_path: Path, subscriber: View, table: pa.Table
) -> None:
    lookups = training_lookups([subscriber], exclude=["country_lag_1"])
    spine = table.select(["subscriber_id", "event_timestamp", "churned", "weight"])
    numbers = make_training_set(tmp_path / "lake", spine, lookups)
    save_training_set(numbers, tmp_path / "set.svm", format_of(tmp_path / "set.svm"), "churned")
    assert (tmp_path / "set.svm").read_text().splitlines()[0] == f"1 1:{2**53 + 1} 2:{EXACT!r} 3:1"
    x, y = load_svmlight_file(str(tmp_path / "set.svm"))
    nan = np.nan
    np.testing.assert_array_equal(x.toarray(), [[2.0**53, EXACT, 1], [nan, 0, nan], [nan, nan, nan]])
    assert y.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (
            None,
            "LibSVM needs a label, and no column is named\n"
            "  numeric columns of the spine:  churned, weight\n"
            "  try:                           --label churned",
        ),
        (
            "churn",
            "the label 'churn' of LibSVM is not there\n"
            "  numeric columns of the spine:  churned, weight\n"
            "  try:                           --label churned",
        ),
        (
            "subscriber_id",
            "the label 'subscriber_id' of LibSVM is of the type string\n"
            "  numeric columns of the spine:  churned, weight\n"
            "  try:                           --label churned",
        ),
        (
            "weight",
            "the label 'weight' of LibSVM is null in 1 of 3 rows\n"
            "  expected:  a label in every row\n"
            "  try:       leave these rows out of the spine: where weight is not null",
        ),
        (
            "churned",
            "LibSVM holds numbers, and the column 'country_lag_1' is of the type string\n"
            "  columns that are no numbers:  country_lag_1\n"
            "  try:                          --exclude country_lag_1",
        ),
    ],
)
def test_what_libsvm_cannot_hold_is_refused_and_what_was_there_stays(
    tmp_path: Path, table: pa.Table, label: str | None, message: str
) -> None:
    target = tmp_path / "set.libsvm"
    target.write_text("of yesterday")
    with pytest.raises(FeatureStoreError) as caught:
        save_training_set(table, target, "libsvm", label)
    assert str(caught.value) == message
    assert target.read_text() == "of yesterday"
    assert not list(tmp_path.glob(".*"))


def test_a_file_without_a_format_or_a_folder_is_an_error(tmp_path: Path, table: pa.Table) -> None:
    with pytest.raises(FeatureStoreError) as caught:
        format_of(Path("set.xlsx"))
    assert str(caught.value) == (
        "the name of the file set.xlsx does not say its format\n"
        "  suffixes:  .parquet, .csv, .jsonl, .ndjson, .libsvm, .svm\n"
        "  try:       --format parquet, --format csv, --format jsonl, --format libsvm"
    )
    with pytest.raises(FeatureStoreError) as caught:
        save_training_set(table, tmp_path / "none" / "set.csv", "csv")
    assert str(caught.value) == (
        f"the folder {tmp_path}/none does not exist\n"
        f"  file:  {tmp_path}/none/set.csv\n"
        f"  try:   mkdir -p {tmp_path}/none"
    )
