"""What the fixtures of this folder hand to tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Demo:
    """A finished demonstration: its project folder, and what it printed."""

    folder: Path
    report: dict[str, Any]
    progress: str
