"""Every operation of expressions at the edges in real Flink, one job: against plain Python, and so against DuckDB."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import expression_cases
import pytest
from expression_cases import all_cases, columns, differences, rows
from headrace_features.expressions import compile_expression

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_flink_gives_what_the_definition_says(tmp_path: Path) -> None:
    cases, given = all_cases(), rows()
    compiled = [compile_expression(case.sql, columns(), what="expression 'e'") for case in cases]
    file = tmp_path / "expressions"
    file.write_bytes(pickle.dumps(([each.sql["flink"] for each in compiled], given)))
    command = [sys.executable, str(Path(__file__).with_name("evaluate_expressions.py")), str(file)]
    shared = {**os.environ, "PYTHONPATH": str(Path(expression_cases.__file__).parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170, env=shared)
    assert done.returncode == 0, done.stderr[-6000:]
    by_row = pickle.loads(file.read_bytes())
    wrong = [
        difference
        for place, case in enumerate(cases)
        for difference in differences(case, given, [values[place] for values in by_row])
    ]
    assert wrong == []
