"""A writer, compaction, retention, vacuum and readers at once, and a compaction that is killed: no row lost or doubled.

`HEADRACE_UPKEEP_SECONDS=300` makes the run as long as one wants.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from headrace_lake import Lake
from headrace_lake.layout import table_folder
from headrace_lake.upkeep.compact import compact
from headrace_lake.upkeep.retain import Tiers, retain
from headrace_lake.upkeep.vacuum import LEAST_AGE, vacuum
from lake_records import START_MS, SUBSCRIBER
from upkeep_tables import APP, folder, handle, offsets, table, write

SECONDS = float(os.environ.get("HEADRACE_UPKEEP_SECONDS", "1"))
HERE = Path(__file__).parent
KEPT_ROWS = 100
ROWS = 10


class Together:
    """Everything that works on one table at once; what fails in a thread fails the test."""

    def __init__(self, lake: Path) -> None:
        self.lake = lake
        self.written = 0
        self.deleted = 0
        self.queries = 0
        self.compactions = 0
        self.vacuumed = 0
        self.failures: list[BaseException] = []
        self._end = time.monotonic() + SECONDS

    def run(self) -> None:
        """Let all work until the time is over."""
        self.write()
        works = (self.write, self.compact, self.retain, self.vacuum, self.read)
        threads = [threading.Thread(target=self._again, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def write(self) -> None:
        """Append as the writer does."""
        write(self.lake, self.written, self.written + ROWS, ROWS)
        self.written += ROWS

    def compact(self) -> None:
        """Merge what is there; files become full, so that older ones stay as they are."""
        self.compactions += compact(table(self.lake), target_bytes=40_000).rows > 0

    def retain(self) -> None:
        """Delete all but the newest rows, often within a file."""
        before = max(0, self.written - KEPT_ROWS - 3)
        retain(table(self.lake), Tiers(delete_after=timedelta(milliseconds=KEPT_ROWS)), START_MS + before + KEPT_ROWS)
        self.deleted = before
        time.sleep(0.1)

    def vacuum(self) -> None:
        """Vacuum as upkeep does; and, far below its age, the files that have just left the table."""
        vacuum(table(self.lake), age=LEAST_AGE)
        folder = table_folder(self.lake, "features", "subscriber")
        # Either of its two commits may meet a compaction; ours tries again, this one need not.
        with suppress(CommitFailedError):
            gone = DeltaTable(folder).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
            self.vacuumed += len(gone)
        time.sleep(0.3)

    def read(self) -> None:
        """Every query sees one run of offsets, without a hole and without a repeat."""
        least = self.written
        query = "select count(*), count(distinct _offset), min(_offset), max(_offset) + 1 from features.subscriber"
        ((rows, different, first, end),) = Lake(self.lake, [SUBSCRIBER]).sql(query).rows
        assert rows == different == end - first
        assert end >= least
        assert first <= max(0, self.written - KEPT_ROWS)
        self.queries += 1

    def is_seen(self) -> bool:
        """Tell whether each of them has done something that the others could have stumbled over."""
        return min(self.queries, self.compactions, self.vacuumed, self.deleted) > 0

    def _again(self, work: Callable[[], None]) -> None:
        try:
            while not self.failures and not (self.is_seen() and time.monotonic() >= self._end):
                work()
        except BaseException as error:  # noqa: BLE001 - the border of the thread
            self.failures.append(error)


def test_nothing_is_lost_or_doubled_and_no_read_fails_while_everything_works_at_once(tmp_path: Path) -> None:
    together = Together(tmp_path)
    together.run()
    if together.failures:
        raise together.failures[0]
    assert offsets(tmp_path) == list(range(together.deleted, together.written))
    assert handle(tmp_path).transaction_version(APP) == together.written
    assert together.is_seen()


def run_until_killed(step: str, lake: Path, lines: int) -> str:
    """Start upkeep as a process, kill it after it has printed this many lines, and return the last of them."""
    command = [sys.executable, str(HERE / "upkeep_process.py"), step, str(lake)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    line = ""
    for _ in range(lines):
        line = process.stdout.readline()
        assert line, "the process ended by itself"
    process.kill()
    process.wait(30)
    process.stdout.close()
    process.stdin.close()
    return line.strip()


def test_a_compaction_killed_before_its_commit_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, 0, 50)
    left = folder(tmp_path) / run_until_killed("written", tmp_path, 1)
    assert (left.exists(), handle(tmp_path).version(), offsets(tmp_path)) == (True, 5, list(range(50)))
    long_ago = time.time() - 3 * LEAST_AGE.total_seconds()
    os.utime(left, (long_ago, long_ago))
    assert vacuum(table(tmp_path), age=LEAST_AGE).files == 1
    assert (left.exists(), compact(table(tmp_path)).files_after) == (False, 1)
    write(tmp_path, 50, 60)
    assert offsets(tmp_path) == list(range(60))


def test_a_compaction_killed_in_the_middle_of_its_work_loses_nothing(tmp_path: Path) -> None:
    write(tmp_path, 0, 100)
    stop = threading.Event()
    written = 100

    def go_on() -> None:
        nonlocal written
        while not stop.wait(0.05):
            write(tmp_path, written, written + ROWS)
            written += ROWS

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        run_until_killed("turns", tmp_path, 2)
    finally:
        stop.set()
        writer.join()
    assert offsets(tmp_path) == list(range(written))
    compact(table(tmp_path))
    assert offsets(tmp_path) == list(range(written))
