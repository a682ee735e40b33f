"""The Java reader of events says of every vector, and of broken records, what the Python one says."""

import json
from collections import Counter
from itertools import islice
from pathlib import Path

from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import REASONS
from java_reader import read_in_java
from malformed import CONTRACT, answers_of_python, malformed
from parse_vectors import VECTORS, record_of

BROKEN = 4_000
"""`PYTHONPATH=tests/streaming uv run python tests/streaming/malformed.py 1000000` asks about a million."""


def test_java_and_python_say_the_same_of_every_vector(tmp_path: Path) -> None:
    answers, _ = read_in_java(
        ((Contract.model_validate(case["contract"]), record_of(case)) for case in VECTORS), tmp_path
    )
    wrong = {}
    for case, (reason, text) in zip(VECTORS, answers, strict=True):
        answer = {"reason": reason, "detail": text} if reason else {"fields": json.loads(text)}
        expected = {k: v for k, v in case["expect"].items() if k in ("fields", "reason", "detail")}
        if answer != expected:
            wrong[case["name"]] = {"expected": expected, "java": answer}
    assert wrong == {}


def test_java_and_python_refuse_the_same_broken_records_for_the_same_reason(tmp_path: Path) -> None:
    records = list(islice(malformed(seed=7), BROKEN))
    of_python = answers_of_python(records)
    of_java, _ = read_in_java(((CONTRACT, one) for one in records), tmp_path)
    answers = zip(records, of_python, of_java, strict=True)
    differ = [(record.value, one, other) for record, one, other in answers if one != other]
    assert differ == []
    reasons = Counter(answer.reason for answer in of_python)
    # The contract has no pattern, and no reader says the two left out; whole records are among the broken ones.
    assert set(reasons) == {*REASONS, None} - {"pattern", "unmatched", "too_large"}
