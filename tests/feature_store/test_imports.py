"""What a lookup costs to import: nothing heavy."""

import subprocess
import sys

import pytest

HEAVY = ("feast", "kafka", "duckdb", "pyarrow", "pandas", "deltalake", "valkey")


@pytest.mark.parametrize(
    "module", ["headrace_features", "headrace_features.online.lookup", "headrace_features.online.sqlite_store",
               "headrace_features.online.config", "headrace_features.feature_store.point_in_time",
               "headrace_features.feature_store.repository"]
)  # fmt: skip
def test_a_module_imports_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
