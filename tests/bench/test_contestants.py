"""Every contestant, really run on a few thousand events: all compute the same features."""

import shutil
from importlib.util import find_spec

import pytest

from headrace.bench.errors import BenchError
from headrace.bench.features import ENTRIES, Entry, FeaturesBench, bench_features
from headrace.bench.features_report import COLUMNS, as_data, ratio_rows, rows_of

EVENTS = 8_000


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(find_spec("quixstreams") is None, reason="needs the dependency group: uv sync --group bench")
def test_all_contestants_compute_the_same_and_are_measured() -> None:
    lines: list[str] = []
    result = bench_features(FeaturesBench(events=EVENTS, keys=200, rounds=1, warm_broker=False), lines.append)

    assert set(result.agreements) == {"headrace_binary", "stacked_sql", "quix_streams"}
    for agreement in result.agreements.values():
        assert agreement.differences == 0, agreement.first
        assert agreement.rows >= EVENTS // 8
    data = as_data(result, {"cores": 2})
    assert list(data["entries"]) == list(ENTRIES)
    assert set(data["ratios"]) == {*data["targets"], "headrace_rocksdb/headrace"}
    for entry in data["entries"].values():
        assert entry["rows_per_second"] > 0
        assert entry["row_bytes"] > 400
    assert [len(row) for row in rows_of(data)] == [len(COLUMNS)] * len(ENTRIES)
    assert [row[0] for row in ratio_rows(data)] == list(data["ratios"])
    assert lines[0] == "8,000 events of 200 keys → spread.events.call"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_contestant_that_fails_is_named_with_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its processes cannot start: the interpreter they are started with fails.
    failing = shutil.which("false")
    assert failing is not None
    monkeypatch.setattr("sys.executable", failing)
    only: tuple[Entry, ...] = ("pass_through",)
    with pytest.raises(BenchError, match=r"^pass_through ended with 1\n") as raised:
        bench_features(FeaturesBench(events=10, keys=2, rounds=1, entries=only, warm_broker=False))
    assert str(raised.value).splitlines()[-1] == "  try:  headrace doctor"
