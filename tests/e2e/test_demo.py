"""The demonstration shows what it promises."""

import psutil
import pytest
from e2e_types import Demo

import headrace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_every_call_becomes_one_feature_row_and_one_score(demo: Demo) -> None:
    assert demo.report["events"] == demo.report["feature_rows"] == demo.report["scores"] == 20_000


def test_every_feature_row_equals_what_the_lake_recomputes(demo: Demo) -> None:
    assert demo.report["parity"] == {"rows": 20_000, "mismatches": 0}


def test_the_model_finds_the_fraud_after_its_training(demo: Demo) -> None:
    assert demo.report["scored_after_training"] == 6_000
    assert demo.report["precision"] >= 0.9
    assert demo.report["recall"] >= 0.8


def test_records_that_break_the_contract_are_dead_letters_and_stop_nothing(demo: Demo) -> None:
    assert demo.report["dead_letters"] == 3
    letters = headrace.open(demo.folder).lake.sql("SELECT reason FROM ops.dead_letters ORDER BY ALL").rows
    assert letters == [("missing_field",), ("not_json",), ("wrong_type",)]


def test_latencies_and_alerts_with_reasons_are_shown(demo: Demo) -> None:
    for hop in ("event_to_feature", "event_to_score"):
        assert 0 < demo.report["latency_ms"][hop]["p50"] <= demo.report["latency_ms"][hop]["p99"]
    assert demo.report["alerts"] > 0
    for alert in demo.report["top_alerts"]:
        assert alert["reasons"]
        assert {"feature", "value", "contribution"} <= alert["reasons"][0].keys()


def test_nothing_of_the_stack_is_left_running(demo: Demo) -> None:
    folder = str(demo.folder)
    left = [p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if folder in " ".join(p.info["cmdline"] or [])]
    # The same project may be up for other tests of this session; the demonstration's own stack was another one.
    assert [command for command in left if "demo" in command] == []
    assert "taking everything down" in demo.progress
