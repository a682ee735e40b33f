"""What the job writes of a row in JSON and in binary is the same row, bit for bit."""

import base64
import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from headrace_features.view import View
from headrace_ingestion.feature_rows import FeatureRowError, read_feature_row
from headrace_streaming.plan import plan_job
from headrace_streaming.specs import record_spec
from headrace_streaming.topics import GroupTopics
from java_programs import run_java
from view_cases import load_declaration

FEATURES: list[dict[str, Any]] = [
    {"window": {"of": "x", "over": ["1h"], "take": ["sum", "count"]}},
    {"window": {"of": "s", "over": ["1h"], "take": ["last"]}},
    {"lag": {"of": "i", "steps": [1]}},
    {"expression": {"name": "flag", "sql": "b"}},
    {"lag": {"of": "x", "steps": [1]}},
    {"expression": {"name": "again", "sql": "s"}},
    {"expression": {"name": "half", "sql": "x / 2"}},
]
DOUBLES = [0.1, -1.5, 1e300, 5e-324, 1.7976931348623157e308, 1 / 3, 2.0**53, 2.0**63, 123.456, 1e-7, 100.0]
ROWS: list[tuple[Any, list[Any], list[Any]]] = [
    *(("s-1", [number, 7, "last", -3, -number], [True, "now", number / 2]) for number in DOUBLES),
    ("größe\n\"'\\", [0.5, 2**63 - 1, "€𝄞\u0001", 2**31 - 1, None], [False, "€𝄞\u0001", 0.25]),
    ("", [None, -(2**63), "", -(2**31), 0.5], [None, "", None]),
    ("s-2", [None, None, None, None, None], [None, None, None]),
    ("s-3", [-0.0, 0, "x" * 5000, 0, math.inf], [True, "x" * 5000, -0.0]),
    ("s-4", [math.nan, 0, "after a long one", 0, 1.0], [True, "", math.nan]),
]


def view_of(folder: Path, **changes: object) -> View:
    declaration = {"name": "v", "source": "reading", "key": "series", "features": FEATURES, "ttl": "1h", **changes}
    return load_declaration(declaration, folder)


def sent(value: object) -> object:
    """A value as the program reads it: a double by its bits."""
    return {"bits": struct.pack(">d", value).hex()} if isinstance(value, float) else value


def bits(row: dict[str, Any]) -> dict[str, Any]:
    return {name: struct.pack("<d", v) if isinstance(v, float) else v for name, v in row.items()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], list[bytes]]:
    """The rows in JSON and in binary."""
    folder = tmp_path_factory.mktemp("rows")
    specs = [record_spec(view_of(folder, encoding=encoding), GroupTopics()) for encoding in ("json", "binary")]
    rows = [
        {"key": key, "event_id": f"e-{key}", "features": [*map(sent, of_kernel)], "expressions": [*map(sent, of_sql)]}
        for key, of_kernel, of_sql in ROWS
    ]
    (folder / "rows.json").write_text(json.dumps({"specs": specs, "rows": rows}))
    in_json, in_binary = json.loads(run_java("WriteRows", str(folder / "rows.json")))
    return [base64.b64decode(value) for value in in_json], [base64.b64decode(value) for value in in_binary]


def test_a_row_in_binary_is_the_row_in_json_bit_for_bit(written: tuple[list[bytes], list[bytes]]) -> None:
    in_json, in_binary = ([bits(read_feature_row(value)) for value in values] for values in written)
    assert [row["series"] for row in in_binary] == [key for key, *_ in ROWS]
    for one, other in zip(in_binary, in_json, strict=True):
        assert one == other
        assert {name: type(value) for name, value in one.items()} == {name: type(other[name]) for name in one}
    assert in_binary[-1]["x_sum_1h"] is None
    assert in_binary[-2]["x_sum_1h"] == struct.pack("<d", 0.0)


def test_a_row_of_which_a_part_is_missing_is_refused(written: tuple[list[bytes], list[bytes]]) -> None:
    value = written[1][0]
    for length in range(1, len(value)):
        with pytest.raises(FeatureRowError):
            read_feature_row(value[:length])
    with pytest.raises(FeatureRowError, match=rf"has {len(value) + 1} bytes, .* ask for {len(value)}$"):
        read_feature_row(value + b"x")


def test_the_encoding_is_no_part_of_the_declaration_nor_of_what_decides_about_state(tmp_path: Path) -> None:
    in_json, in_binary = view_of(tmp_path), view_of(tmp_path, encoding="binary")
    assert in_json.digest == in_binary.digest
    plans = [plan_job([view], GroupTopics()) for view in (in_json, in_binary)]
    assert plans[0].digest == plans[1].digest
    assert plans[0].insert != plans[1].insert
