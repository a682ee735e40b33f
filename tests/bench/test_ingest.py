"""`headrace bench ingest`: every sender delivers all, and the delays are those of single events."""

from pathlib import Path
from typing import Any

from headrace.bench.ingest import SENDERS, IngestBench, IngestResult, Sent, measure_ingest
from headrace.bench.ingest_http import REQUESTS, Posted
from headrace.bench.ingest_report import as_data, delay_rows, http_rows, rows_of


def test_every_sender_delivers_all_and_arrivals_follow_their_sending(broker: Any, tmp_path: Path) -> None:
    bench = IngestBench(events=1_000, keys=50, rounds=1, rate=200, seconds=1, followed=("headrace",), http_seconds=0.3)
    said: list[str] = []
    result = measure_ingest(bench, broker.connection, tmp_path, said.append)
    assert {sender: len(runs) for sender, runs in result.sent.items()} == dict.fromkeys(SENDERS, 1)
    assert {sender: len(delays) for sender, delays in result.put_to_get_ms.items()} == {"headrace": 100}
    assert min(min(delays) for delays in result.put_to_get_ms.values()) > 0
    assert {client: len(one.request_ms) * size == one.events for client, one, size in _clients(result)} == {
        "json_lines": True, "one_event": True,
    }  # fmt: skip
    assert all(one.cpu_seconds > 0 and one.seconds >= 0.3 for _, one, _ in _clients(result))
    assert len(said) == len(SENDERS) + len(REQUESTS) + 1


def _clients(result: IngestResult) -> list[tuple[str, Posted, int]]:
    return [(name, one, REQUESTS[name]) for name, one in result.posted.items()]


def test_the_result_has_medians_ratios_and_delays() -> None:
    sent = {sender: [Sent(seconds, 0.1)] for sender, seconds in zip(SENDERS, (0.5, 0.25, 0.2, 0.1), strict=True)}
    result = IngestResult(IngestBench(events=1_000), 200.04, sent, {"headrace": [1.0, 2.0, 3.0]})
    result.posted["json_lines"] = Posted(3_000, 0.1, 0.09, [20.0, 30.0, 50.0])
    data = as_data(result, {})
    assert data["ratios"] == {
        "headrace/kafka_python": 0.5, "headrace_confluent/kafka_python": 1.25, "headrace_confluent/confluent": 0.5,
    }  # fmt: skip
    assert rows_of(data)[0] == ["headrace", 2000, 2000, 2000, 100.0]
    assert delay_rows(data) == [["headrace", 2.0, 3.0, 3.0, 3.0]]
    assert http_rows(data) == [["json_lines", 1000, 30_000, 30.0, 50.0, 30.0]]
    assert data["record_bytes"] == 200.0


def test_a_result_without_requests_has_no_rows_of_them() -> None:
    assert http_rows({"senders": {}}) == []
