"""What others see of a producer: its metrics, and the trace of OpenTelemetry in the headers."""

import doctest
from datetime import datetime, timezone

import headrace_ingestion.metrics
import pytest
from headrace_ingestion import Contract, Counters, Producer, prometheus_text
from headrace_ingestion.testing import FakeBroker
from opentelemetry import trace

NOW = datetime.now(timezone.utc)
CALL = {"subscriber_id": "s1", "started_at": NOW, "duration_s": 12.5, "country": "NO"}


def test_the_hook_gets_the_counters_at_regular_times_and_at_the_end(
    fake: FakeBroker, call_contract: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Counters] = []

    def hook(counters: Counters) -> None:
        seen.append(counters)
        if len(seen) == 1:
            raise ValueError("the application's own error")

    with Producer(call_contract, transport=fake.transport(), on_metrics=hook, metrics_seconds=0.02) as producer:
        while len(seen) < 2:
            producer.send("call", CALL).result(timeout_seconds=30)
    assert "on_metrics failed" in caplog.text
    assert seen[-1] == producer.counters
    assert seen[-1].delivered == seen[-1].sent > 0


def test_the_counters_are_text_for_prometheus() -> None:
    text = prometheus_text(Counters(9, 5, 1, 3, 2, spilled=4), {"service": 'a "quoted"\nname'})
    assert text.splitlines()[:3] == [
        "# HELP headrace_events_sent_total Events accepted by send.",
        "# TYPE headrace_events_sent_total counter",
        'headrace_events_sent_total{service="a \\"quoted\\"\\nname"} 9',
    ]
    assert "# TYPE headrace_events_queued gauge\n" in text
    assert "\nheadrace_events_queued 3\n" in prometheus_text(Counters(9, 5, 1, 3, 2))
    assert text.endswith("\n")
    assert text.count("\n") == 3 * len(Counters._fields)
    assert doctest.testmod(headrace_ingestion.metrics).failed == 0


def test_the_current_span_goes_along_and_an_explicit_trace_wins(fake: FakeBroker, call_contract: Contract) -> None:
    span = trace.NonRecordingSpan(
        trace.SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
    )
    mine = f"00-{'1' * 32}-{'2' * 16}-00"
    with Producer(call_contract, transport=fake.transport()) as producer:
        with trace.use_span(span):
            producer.send("call", CALL)
            producer.send("call", CALL, trace=mine)
        outside = producer.send("call", CALL)
    traces = [(dict(record.headers)["traceparent"] or b"").decode() for record in fake.records("events.call")]
    assert traces[:2] == [f"00-{0xABC:032x}-{0xDEF:016x}-01", mine]
    assert traces[2].startswith(f"00-{outside.event_id.replace('-', '')}-")
