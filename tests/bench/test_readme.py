"""The tables of benchmarks/README.md are those of the results beside it."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def render() -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("render", FOLDER / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_the_results_that_are_there(render: ModuleType) -> None:
    page = (FOLDER / "README.md").read_text()
    assert render.rendered(page, render.load_results()) == page, "run: python benchmarks/render.py"


def test_a_result_becomes_tables(render: ModuleType) -> None:
    machine = {"processor": "CPU", "cores": 2, "memory_gib": 8, "system": "Linux", "python": "3.11", "load_before": 0.1}
    figures = {"p50": 1.5, "p90": 2, "p99": 3, "max": 1234.5}
    result = {
        "machine": machine,
        "rate": 1000,
        "events": 60000,
        "event_to_feature": figures,
        "event_to_score": {},
        "sender_behind": figures,
        "missing": {"feature_rows": 0, "scores": 0},
    }
    page = "a\n<!-- results: latency -->\nold\n<!-- end -->\nb\n"
    assert render.rendered(page, {"latency": result}) == (
        "a\n<!-- results: latency -->\n"
        "CPU, 2 cores, 8 GiB, Linux; python 3.11; load before the start 0.1.\n\n"
        "60,000 events, 1,000 a second; missing: 0 feature rows, 0 scores.\n\n"
        "| milliseconds | p50 | p90 | p99 | max |\n| --- | ---: | ---: | ---: | ---: |\n"
        "| event_to_feature | 1.5 | 2 | 3 | 1,234.5 |\n"
        "| event_to_score | – | – | – | – |\n"
        "| sender_behind | 1.5 | 2 | 3 | 1,234.5 |\n"
        "<!-- end -->\nb\n"
    )


def test_a_result_that_is_not_there_is_said_to_be_missing(render: ModuleType) -> None:
    page = "<!-- results: features -->\n<!-- end -->"
    assert render.rendered(page, {}) == "<!-- results: features -->\nNot measured yet.\n<!-- end -->"
