"""Latency: matched by event id, without the warm-up; and measured on a real stack."""

from importlib.util import find_spec

import pytest

from headrace.bench.latency import LatencyBench, bench_latency, evaluate
from headrace.bench.load import LatencyPart, Noted

SECOND_NS = 1_000_000_000
MILLISECOND_NS = 1_000_000


def test_latency_counts_from_the_call_of_send_after_the_warm_up() -> None:
    after_ns = (LatencyBench().warm_up_seconds + 1) * SECOND_NS
    sent = {"early": 0, "a": after_ns, "b": after_ns + MILLISECOND_NS}
    noted: dict[LatencyPart, Noted] = {
        "sent": Noted("sent", sent, {"early": 5 * SECOND_NS, "a": 0, "b": 2 * MILLISECOND_NS}),
        "features": Noted("features", {name: at_ns + 7 * MILLISECOND_NS for name, at_ns in sent.items()}, {}),
        "scores": Noted("scores", {"a": after_ns + 30 * MILLISECOND_NS}, {}),
    }
    result = evaluate(LatencyBench(), noted)
    assert result.event_to_feature == [7.0, 7.0]
    assert result.event_to_score == [30.0]
    assert result.behind == [0.0, 2.0]
    assert (result.events, result.missing_rows, result.missing_scores) == (2, 0, 1)


def test_without_a_model_there_are_no_scores_to_miss() -> None:
    bench = LatencyBench(rate=7, history=0)
    after_ns = (bench.warm_up_seconds + 1) * SECOND_NS
    noted: dict[LatencyPart, Noted] = {
        "sent": Noted("sent", {"a": 0, "b": after_ns}, {"a": 0, "b": 0}),
        "features": Noted("features", {}, {}),
    }
    data = evaluate(bench, noted).as_data()
    assert data["event_to_score"] == {}
    assert data["missing"] == {"feature_rows": 1, "scores": 0}
    assert data["rate"] == 7


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(find_spec("quixstreams") is None, reason="needs the dependency group: uv sync --group bench")
def test_every_event_gets_its_row_on_a_running_stack() -> None:
    lines: list[str] = []
    result = bench_latency(LatencyBench(rate=50, seconds=2, warm_up_seconds=2, history=0), lines.append)
    assert lines == ["starting the stack", "sending 200 events, 50 a second", "taking the stack down"]
    # The instants at which events were due are exact; those of the calls are not.
    assert 90 <= result.events <= 110
    assert result.missing_rows == 0
    assert 0 < result.as_data()["event_to_feature"]["p50"] < 60_000
