"""`headrace bench training-set`: what is joined, what counts as equal, and what is shown."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from headrace.bench.contestants.training_set_run import Joiner, JoinSpec, run
from headrace.bench.errors import BenchError
from headrace.bench.training_set import Equality, Join, TrainingSetBench, TrainingSetResult, bench_training_set, compare
from headrace.bench.training_set_data import HOT_SHARE, KEY, Shape, labels_file, make_data
from headrace.bench.training_set_report import as_data, equality_line, rows_of

SHAPE = Shape(rows=500, views=2, features=3, keys=20)


def test_one_key_has_a_tenth_and_the_join_finds_values(tmp_path: Path) -> None:
    make_data(tmp_path, SHAPE, for_feast=True)
    hot = pc.sum(pc.equal(pq.read_table(labels_file(tmp_path)).column(KEY), "c-0")).as_py()
    assert HOT_SHARE / 2 < hot / SHAPE.rows < HOT_SHARE * 2
    spec = JoinSpec("headrace", str(tmp_path), SHAPE, str(tmp_path / "ours.parquet"))
    outcome = run(JoinSpec.from_json(spec.to_json()))
    assert (outcome["rows"], outcome["seconds"] > 0) == (500, True)
    assert outcome["peak_memory_bytes"] >= outcome["memory_before_bytes"] > 0
    equality = compare(tmp_path / "ours.parquet", tmp_path / "ours.parquet", SHAPE)
    assert equality.values == 500 * 6
    assert 0 < equality.nulls < equality.values / 2
    _assert_a_difference_is_an_error(tmp_path)


def _assert_a_difference_is_an_error(folder: Path) -> None:
    table = pq.read_table(folder / "ours.parquet")
    place = table.column_names.index("amount_2_lag_3")
    other = [None, *table.column(place).to_pylist()[1:]]
    other[1] = 1e-300 if other[1] is None else other[1] * (1 + 1e-15)
    pq.write_table(table.set_column(place, "amount_2_lag_3", pa.array(other)), folder / "others.parquet")
    with pytest.raises(
        BenchError, match=r"the training sets differ in [12] of 3000 values\n.*\n  columns:  amount_2_lag_3"
    ):
        compare(folder / "ours.parquet", folder / "others.parquet", SHAPE)
    pq.write_table(table.slice(1), folder / "others.parquet")
    with pytest.raises(BenchError, match="499 of 500 labels are in both"):
        compare(folder / "ours.parquet", folder / "others.parquet", SHAPE)


def test_the_ratio_is_that_of_medians_over_the_same_rows() -> None:
    join = Join(rows=1_000, seconds=(2.0, 1.0, 9.0), memory_before_bytes=10_000_000, peak_memory_bytes=40_000_000)
    compared: dict[Joiner, Join] = {"headrace": join, "feast_duckdb": replace(join, seconds=(200.0,))}
    whole = replace(join, rows=5_000)
    data = as_data(TrainingSetResult(TrainingSetBench(SHAPE), whole, compared, Equality(6_000, 7)), {})
    assert data["ratios"] == {"headrace/feast_duckdb": 100.0}
    assert rows_of(data) == [
        ["headrace", 5_000, 2.0, 2_500, 40, 10],
        ["headrace", 1_000, 2.0, 500, 40, 10],
        ["feast_duckdb", 1_000, 200.0, 5, 40, 10],
    ]
    assert equality_line(data) == "6,000 values of 1,000 labels compared, 7 of them null in both: 0 differences."


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ibis") is None, reason="needs the dependency group: uv sync --group bench")
def test_the_stock_store_of_feast_gives_the_same_values() -> None:
    result = bench_training_set(TrainingSetBench(Shape(rows=2_000, views=2, features=3, keys=100), rounds=1))
    assert result.compared["feast_duckdb"].rows == result.whole.rows == 2_000
    assert result.equality.values == 2_000 * 6
    assert result.equality.nulls < 2_000
