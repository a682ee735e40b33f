"""Notes of who did what, gathered for some seconds and then written to `ops.audit` in one commit."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from headrace_ingestion.errors import HeadraceError
from headrace_lake.audit import Note, record_audit
from headrace_lake.place import Place

log = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0
MOST_NOTES = 10_000
"""Different notes that are gathered; beyond it their resources are no longer told apart."""

_SHOWN_CHARACTERS = 2_000


class Audit:
    """The audit of one process; threads share it.

    Args:
        lake: Folder of the lake.
        now: The clock; timezone-aware.
    """

    def __init__(self, lake: Place, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._lake = lake
        self._now = now
        self._lock = threading.Lock()
        self._notes: dict[Note, tuple[datetime, datetime, int]] = {}
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Write every few seconds, until `close`."""
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def note(self, note: Note) -> None:
        """Take a note."""
        now = self._now()
        query = None if note.query is None else note.query[:_SHOWN_CHARACTERS]
        cut = Note(note.principal, note.via, note.action, note.resource[:200], note.decision, note.why[:200], query)
        with self._lock:
            if cut not in self._notes and len(self._notes) >= MOST_NOTES:
                cut = Note(cut.principal, cut.via, cut.action, "…", cut.decision, "…")
            first, _, count = self._notes.get(cut, (now, now, 0))
            self._notes[cut] = (first, now, count + 1)

    def flush(self) -> None:
        """Write what was noted.

        Raises:
            LakeWriteError: It could not be written; it is kept for the next time.
        """
        with self._lock:
            notes, self._notes = self._notes, {}
        try:
            record_audit(self._lake, notes)
        except HeadraceError:
            with self._lock:
                self._notes = {**notes, **self._notes} if len(self._notes) < MOST_NOTES else self._notes
            raise

    def close(self) -> None:
        """Write what was noted, and end."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        self._try_to_flush()

    def _run(self) -> None:
        while not self._end.wait(FLUSH_SECONDS):
            self._try_to_flush()

    def _try_to_flush(self) -> None:
        try:
            self.flush()
        except HeadraceError:
            log.exception("the audit could not be written")
