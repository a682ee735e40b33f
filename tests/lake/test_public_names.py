"""The package's public names: sorted, complete, and loaded only when asked for."""

import subprocess
import sys

import headrace_lake


def test_every_public_name_can_be_loaded() -> None:
    assert headrace_lake.__all__ == sorted(headrace_lake.__all__)
    assert set(headrace_lake.__all__) == set(headrace_lake._MODULE_OF)
    assert all(getattr(headrace_lake, name).__name__ == name for name in headrace_lake.__all__)


def test_importing_the_package_loads_no_engine() -> None:
    code = (
        "import sys, headrace_lake; print([m for m in ('deltalake', 'duckdb', 'kafka', 'pyarrow') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
