"""The Java reader of events says of every vector, and of broken records, what the Python one says."""

import base64
import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

from headrace_ingestion.codec import parser_spec
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import REASONS
from java_programs import run_java
from java_reader import read_in_java
from malformed import CONTRACT, answers_of_python, malformed

BROKEN = 4_000
"""`PYTHONPATH=tests/streaming uv run python tests/streaming/malformed.py 1000000` asks about a million."""
VECTORS = Path(__file__).parents[1] / "vectors" / "parse.json"


def _encoded(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(case: dict[str, Any], name: str) -> bytes | None:
    if f"{name}_base64" in case:
        return base64.b64decode(case[f"{name}_base64"])
    return None if case.get(name) is None else case[name].encode()


def _header(case: dict[str, Any], name: str) -> bytes | None:
    for header in case["headers"]:
        if header["name"] == name if isinstance(header, dict) else header[0] == name:
            if isinstance(header, dict):
                return _bytes(header, "value")
            return None if header[1] is None else header[1].encode()
    return None


def test_java_and_python_say_the_same_of_every_vector(tmp_path: Path) -> None:
    cases = json.loads(VECTORS.read_text())
    given = [
        {
            "spec": parser_spec(Contract.model_validate(case["contract"])),
            "value": _encoded(_bytes(case, "value")),
            "key": _encoded(_bytes(case, "key")),
            "event_id": _encoded(_header(case, "event_id")),
            "contract": _encoded(_header(case, "contract")),
            "record_timestamp_ms": -1 if case["record_timestamp_ms"] is None else case["record_timestamp_ms"],
        }
        for case in cases
    ]
    (tmp_path / "cases.json").write_text(json.dumps(given))
    answers = json.loads(run_java("ParseVectors", str(tmp_path / "cases.json")))
    wrong = {}
    for case, answer in zip(cases, answers, strict=True):
        expected = {k: v for k, v in case["expect"].items() if k in ("fields", "reason", "detail")}
        if answer != expected:
            wrong[case["name"]] = {"expected": expected, "java": answer}
    assert wrong == {}


def test_java_and_python_refuse_the_same_broken_records_for_the_same_reason(tmp_path: Path) -> None:
    records = list(islice(malformed(seed=7), BROKEN))
    of_python = answers_of_python(records)
    of_java, _ = read_in_java(CONTRACT, records, tmp_path)
    differ = [(record.value, one, other) for record, one, other in zip(records, of_python, of_java) if one != other]
    assert differ == []
    reasons = Counter(answer.reason for answer in of_python)
    # The contract has no pattern, and no reader says `unmatched`; whole records are among the broken ones.
    assert set(reasons) == {*REASONS, None} - {"pattern", "unmatched"}
