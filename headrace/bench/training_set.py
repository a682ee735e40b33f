"""`headrace bench training-set`: views joined to labels, beside Feast's own DuckDB store on what that can finish."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil

from headrace.bench.contestants.training_set_run import Joiner, JoinSpec
from headrace.bench.errors import BenchError
from headrace.bench.own_process import outcome_of
from headrace.bench.training_set_data import Shape, make_data

Report = Callable[[str], None]
"""Called with a line about the progress."""

FIRST_COMPARED_ROWS = 10_000
COMPARED_SECONDS = 60.0
"""About how long Feast's store may take: that decides how many rows are compared."""

COMPARED_MEMORY_SHARE = 0.5
"""Share of the machine's memory that it may take."""

_LEAST_GROWTH = 1.15

_LONGEST_SECONDS = 1_800.0
_MODULE = "headrace.bench.contestants.training_set_run"
_SMALLER = "headrace bench training-set --rows 100000"


@dataclass(frozen=True)
class TrainingSetBench:
    """What to measure.

    Attributes:
        shape: How much is joined.
        rounds: How often ours runs; a figure is the median.
    """

    shape: Shape
    rounds: int = 3


@dataclass(frozen=True)
class Join:
    """Runs of one joiner over the same rows.

    Attributes:
        rows: Labels.
        seconds: Of each run.
        memory_before_bytes: Peak of the process before the join: imports and labels. The largest of the runs.
        peak_memory_bytes: Peak of the process. The largest of the runs.
    """

    rows: int
    seconds: tuple[float, ...]
    memory_before_bytes: int
    peak_memory_bytes: int

    @property
    def rows_per_second(self) -> float:
        """Median of the rates."""
        return self.rows / median(self.seconds)


@dataclass(frozen=True)
class Equality:
    """How the values of two training sets compare.

    Attributes:
        values: Compared.
        nulls: Of them null in both.
    """

    values: int
    nulls: int


@dataclass(frozen=True)
class TrainingSetResult:
    """What was measured.

    Attributes:
        bench: What was asked for.
        whole: Ours, over all rows.
        compared: Ours and Feast's over the same, fewer rows.
        equality: Of the values that both gave there; none differed.
    """

    bench: TrainingSetBench
    whole: Join
    compared: dict[Joiner, Join]
    equality: Equality


def bench_training_set(bench: TrainingSetBench, report: Report = lambda line: None) -> TrainingSetResult:
    """Measure in a temporary folder that is gone afterwards.

    Raises:
        BenchError: A run failed, or the values differ.
    """
    with TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        compared, equality = _compare(bench, folder, report)
        whole_folder = folder / "whole"
        make_data(whole_folder, bench.shape, for_feast=False)
        report(f"{_size(bench.shape)}: written")
        whole = _joined("headrace", whole_folder, bench.shape, bench.rounds, report)
    return TrainingSetResult(bench, whole, compared, equality)


def _compare(bench: TrainingSetBench, folder: Path, report: Report) -> tuple[dict[Joiner, Join], Equality]:
    """Let both join the same rows, as many as Feast's store joins in about a minute; each key has as many as in all."""
    rows = min(FIRST_COMPARED_ROWS, bench.shape.rows)
    while True:
        shape = replace(bench.shape, rows=rows, keys=max(2, bench.shape.keys * rows // bench.shape.rows))
        place = folder / str(rows)
        make_data(place, shape, for_feast=True)
        feast = _joined("feast_duckdb", place, shape, 1, report)
        following = min(round(rows * _growth(feast)), bench.shape.rows)
        if following < rows * _LEAST_GROWTH:
            break
        rows = following
    ours = _joined("headrace", place, shape, bench.rounds, report)
    equality = compare(_result(place, "headrace"), _result(place, "feast_duckdb"), shape)
    report(f"{equality.values:,} values are equal")
    return {"headrace": ours, "feast_duckdb": feast}, equality


def _growth(feast: Join) -> float:
    """Return how many times as many rows Feast's store is to get next; it costs the square of that, time and memory."""
    memory_bytes = psutil.virtual_memory().total * COMPARED_MEMORY_SHARE
    return min(2.0, math.sqrt(COMPARED_SECONDS / feast.seconds[0]), math.sqrt(memory_bytes / feast.peak_memory_bytes))


def _joined(joiner: Joiner, folder: Path, shape: Shape, rounds: int, report: Report) -> Join:
    outcomes = []
    for number in range(rounds):
        spec = JoinSpec(joiner, str(folder), shape, str(_result(folder, joiner)))
        outcome = outcome_of(
            _MODULE, spec.to_json(), folder / f"{joiner}.log", longest_seconds=_LONGEST_SECONDS, smaller=_SMALLER
        )
        outcomes.append(outcome)
        report(f"{_size(shape)}  {joiner:<12} {outcome['seconds']:7.1f} s  run {number + 1} of {rounds}")
    return Join(
        rows=shape.rows,
        seconds=tuple(outcome["seconds"] for outcome in outcomes),
        memory_before_bytes=max(outcome["memory_before_bytes"] for outcome in outcomes),
        peak_memory_bytes=max(outcome["peak_memory_bytes"] for outcome in outcomes),
    )


def compare(ours: Path, others: Path, shape: Shape) -> Equality:
    """Return how many values two results have, all of them equal: doubles bit for bit, a null only like a null.

    Raises:
        BenchError: They differ, or have not the same rows.
    """
    import duckdb

    columns = [column for view in shape.view_names for column in shape.columns(view)]
    differ = ", ".join(f"count_if(a.{name} IS DISTINCT FROM b.{name})" for name in columns)
    nulls = " + ".join(f"count_if(a.{name} IS NULL AND b.{name} IS NULL)" for name in columns)
    with duckdb.connect() as connection:
        both = "read_parquet($ours) a JOIN read_parquet($others) b USING (label_id)"
        query = f"SELECT count(*), {nulls}, {differ} FROM {both}"
        found = connection.execute(query, {"ours": str(ours), "others": str(others)}).fetchone()
    rows, null_values, *differences = found or (0, 0)
    wrong = {name: count for name, count in zip(columns, differences, strict=True) if count}
    if rows != shape.rows or wrong:
        raise BenchError(
            f"the training sets differ in {sum(wrong.values())} of {rows * len(columns)} values",
            {"rows": f"{rows} of {shape.rows} labels are in both", "columns": ", ".join(list(wrong)[:5])},
            f"headrace bench training-set --rows {shape.rows}",
        )
    return Equality(rows * len(columns), null_values)


def _result(folder: Path, joiner: Joiner) -> Path:
    return folder / f"result-{joiner}.parquet"


def _size(shape: Shape) -> str:
    return f"{shape.rows:>9,} labels × {shape.views} views × {shape.features} features"
