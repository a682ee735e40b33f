"""A project with an event and a view."""

from pathlib import Path

import headrace
from headrace.project import Project

CONTRACT = """\
name: reading
version: 1
key: series
time: at
fields:
  series: {type: string, max_length: 64}
  at:     {type: timestamp}
  value:  {type: double, minimum: 0}
  count:  {type: int, required: false}
  good:   {type: bool, required: false}
"""
VIEW = """\
name: series
source: reading
key: series
features:
  - window: {of: value, over: [1h], take: [sum]}
ttl: 1h
"""


def written_project(folder: Path, **flags: str) -> Project:
    """A project in this folder, with settings of its own."""
    (folder / "events").mkdir(parents=True, exist_ok=True)
    (folder / "features").mkdir(exist_ok=True)
    (folder / "headrace.yaml").write_text("name: trial\n")
    (folder / "events" / "reading.yaml").write_text(CONTRACT)
    (folder / "features" / "series.yaml").write_text(VIEW)
    return headrace.open(folder, flags={f"{name.replace('__', '.')}": text for name, text in flags.items()})
