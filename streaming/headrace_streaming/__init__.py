"""Streaming: from resolved views to one Flink SQL job a group, and the life of that job.

Knows views and contracts; knows nothing of the lake, of models, or of who starts it.
"""

from pathlib import Path


def java_sources() -> list[Path]:
    """Return the sources of the functions that run inside Flink, in a stable order."""
    return sorted((Path(__file__).with_name("java") / "headrace").glob("*.java"))
