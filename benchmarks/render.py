"""Writes the tables of benchmarks/README.md from benchmarks/results/*.json: `python benchmarks/render.py`."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.bench import ingest_report, lake_report, online_report, training_set_report
from headrace.bench.features_report import COLUMNS, ratio_rows, rows_of

FOLDER = Path(__file__).parent
README = FOLDER / "README.md"
RESULTS = FOLDER / "results"
_BLOCK = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_HOPS = ("event_to_feature", "event_to_score", "sender_behind")
_FIGURES = ("p50", "p90", "p99", "max")


def rendered(text: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page with every block `<!-- results: NAME -->` filled from the result of that name."""

    def block(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        result = results.get(name)
        body = _PAGES[name](result) if result else "Not measured yet.\n"
        return f"{begin}{body}{end}"

    return _BLOCK.sub(block, text)


def load_results(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Return the results in the folder by name of their file."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _features(result: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            _machine(result["machine"]),
            f"Median of {result['rounds']} rounds, parallelism {result['parallelism']}:\n",
            _table(COLUMNS, rows_of(result)),
            _table(("ratio of rates", "value", "least"), ratio_rows(result)),
            *(_agreement(name, found) for name, found in result["agreement"].items()),
        ]
    )


def _latency(result: Mapping[str, Any]) -> str:
    rows = [[hop, *(result[hop].get(name) for name in _FIGURES)] for hop in _HOPS]
    missing = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in result["missing"].items())
    return "\n".join(
        [
            _machine(result["machine"]),
            f"{result['events']:,} events, {result['rate']:,} a second; missing: {missing}.\n",
            _table(("milliseconds", *_FIGURES), rows),
        ]
    )


def _training_set(result: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            _machine(result["machine"]),
            f"{result['views']} views × {result['features']} features, {result['keys']:,} keys:\n",
            _table(training_set_report.COLUMNS, training_set_report.rows_of(result)),
            _table(("ratio of rates", "value", "least"), ratio_rows(result)),
            f"{training_set_report.equality_line(result)}\n",
        ]
    )


def _online(result: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            _machine(result["machine"]),
            f"Median of {result['rounds']} rounds of {result['rows']:,} rows, {result['features']} features, "
            f"{result['keys']:,} keys, {result['batch_rows']:,} rows a call:\n",
            _table(online_report.COLUMNS, online_report.rows_of(result)),
            _table(("ratio of write rates", "value", "least"), ratio_rows(result)),
            *(f"{line}\n" for line in online_report.absent_lines(result)),
        ]
    )


def _ingest(result: Mapping[str, Any]) -> str:
    posted = ingest_report.http_rows(result)
    return "\n".join(
        [
            _machine(result["machine"]),
            f"Median of {result['rounds']} rounds of {result['events']:,} events of {result['record_bytes']} bytes:\n",
            _table(ingest_report.COLUMNS, ingest_report.rows_of(result)),
            _table(("ratio of rates", "value", "least"), ratio_rows(result)),
            *([_table(ingest_report.HTTP_COLUMNS, posted)] if posted else []),
            f"{result['rate']:,} events a second:\n",
            _table(ingest_report.DELAY_COLUMNS, ingest_report.delay_rows(result)),
        ]
    )


def _lake(result: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            _machine(result["machine"]),
            _table(lake_report.FIGURES, [[result[name] for name in lake_report.FIGURES]]),
            _table(lake_report.DELAY_COLUMNS, lake_report.delay_rows(result)),
            _table(lake_report.query_columns(result), lake_report.query_rows(result)),
            f"{lake_report.compaction_line(result)}.\n",
        ]
    )


_PAGES = {
    "features": _features,
    "latency": _latency,
    "training_set": _training_set,
    "online": _online,
    "ingest": _ingest,
    "lake": _lake,
}


def _machine(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {machine[name]}" for name in machine if name not in _DESCRIBED)
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
        f"{versions}; load before the start {machine['load_before']}.\n"
    )


_DESCRIBED = ("processor", "cores", "memory_gib", "system", "load_before")


def _agreement(name: str, found: Mapping[str, Any]) -> str:
    nan = f", {found['not_numbers']:,} deviations of zero came as NaN" if found["not_numbers"] else ""
    compared = f"{found['rows']:,} compared, {found['differences']} differences{nan}"
    return f"Rows of `{name}` beside those of `headrace`: {compared}.\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1)]
    lines += [[_shown(value) for value in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _shown(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


if __name__ == "__main__":
    README.write_text(rendered(README.read_text(), load_results()))
