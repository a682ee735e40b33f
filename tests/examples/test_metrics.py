"""The example `metrics` on the series of the Numenta Anomaly Benchmark, from its files to a score for every reading."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_example import FULL_VARIABLE, Example, StartExample

pytestmark = [pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def files(data_folder: Path) -> list[Path]:
    """Every tenth series of the benchmark, or every one where the variable asks for it."""
    found = sorted((data_folder / "nab" / "data").glob("*/*.csv"))
    assert found
    return found if os.environ.get(FULL_VARIABLE) else found[::10]


@pytest.fixture(scope="module")
def readings(files: list[Path]) -> int:
    """Number of readings in the files: their lines without the headers."""
    return sum(len(file.read_bytes().splitlines()) - 1 for file in files)


@pytest.fixture(scope="module")
def metrics(start_example: StartExample) -> Iterator[Example]:
    """The example, running."""
    with start_example("metrics") as example:
        yield example


def test_every_reading_is_in_the_lake_under_its_series(metrics: Example, files: list[Path], readings: int) -> None:
    names = [str(file) for file in files]
    options = ("--event", "reading", "--map", "at=timestamp", "--key", "{parent}/{stem}")
    report = metrics.run("events", "replay", *names, *options)
    assert (report["files"], report["sent"], report["refused"]) == (len(files), readings, 0)
    metrics.await_rows("events.reading", readings)
    found = metrics.project.lake.sql("SELECT series, count(*) FROM events.reading GROUP BY ALL").rows
    assert dict(found) == {f"{file.parent.name}/{file.stem}": len(file.read_bytes().splitlines()) - 1 for file in files}


def test_every_feature_row_equals_the_one_that_the_lake_gives(metrics: Example, readings: int) -> None:
    metrics.await_rows("features.series", readings)
    parity = metrics.run("features", "verify", "series")["series"]
    assert (parity["rows"], parity["mismatches"]) == (readings, 0)


def test_every_reading_has_a_score_of_the_trained_model(metrics: Example, readings: int) -> None:
    trained = metrics.run("models", "train", "metric_anomaly")
    assert trained["gates_hold"]
    metrics.run("models", "promote", "metric_anomaly")
    # The readings before the end of the training part have one too: the scorer begins with the first feature row.
    metrics.await_rows("scores.metric_anomaly", readings)
    counts = (
        "SELECT count(*), count(DISTINCT event_id), count_if(alert), min(score), max(score) FROM scores.metric_anomaly"
    )
    ((scores, events, alerts, lowest, highest),) = metrics.project.lake.sql(counts).rows
    assert (scores, events) == (readings, readings)
    assert 0 < alerts < readings / 20
    assert 0 <= lowest < highest <= 1
