"""Upkeep as a process of its own, to be killed: `upkeep_process.py STEP LAKE` stops at a step and waits for its end.

Steps: `written` (the new file stands, the commit is not made), `turns` (one compaction after the other, a line each).
"""

import sys
from pathlib import Path

from headrace_lake.upkeep.compact import compact
from headrace_lake.upkeep.files import kept_tables, opened, stored_files
from headrace_lake.upkeep.rewrite import Engine, write_merged


def main(step: str, lake: str) -> None:
    """Go as far as the step and tell."""
    # Without the declaration, whose module of the tests would import half of the project.
    (kept,) = kept_tables(Path(lake), [])
    if step == "written":
        handle = opened(kept)
        added = write_merged(kept, handle, stored_files(handle, kept.time_column), level=3, engine=Engine())
        print(added.path, flush=True)
        sys.stdin.read()
    while True:
        print(compact(kept, target_bytes=40_000).rows, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
