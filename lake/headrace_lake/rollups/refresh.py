"""Bringing a roll-up up to date: panes whose events have changed are computed anew and replaced in one commit.

Which panes have changed follows from the files of the tables that are read: those that came and went since the versions
that the last refresh recorded, by the event times in their statistics. The versions stand in the commit of the rows, so
that a refresh that is killed has done all or nothing, and of two at once one is refused and begins again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from headrace_lake.catalog import Lake
from headrace_lake.delta_table import deleted_before, make_table, open_for_read
from headrace_lake.errors import LakeError, LakeWriteError
from headrace_lake.layout import Schema, table_folder
from headrace_lake.place import Place, delta_table, what_writing_needs
from headrace_lake.query import Limits
from headrace_lake.rollups.rollup import Rollup
from headrace_lake.tables import TableSpec
from headrace_lake.upkeep.files import StoredFile, stored_files

ATTEMPTS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_APP = "headrace/rollup/"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh has done.

    Attributes:
        table: `rollups.<name>`.
        rows: Rows that were written.
        begin: Beginning of the first pane that was computed; None: all that there are, or nothing was.
        closed_before: Panes that begin before have their rows; None: the lake has no event yet.
        seconds: Time it took.
        did_something: Whether a commit was made.
    """

    table: str
    rows: int = 0
    begin: datetime | None = None
    closed_before: datetime | None = None
    seconds: float = 0.0
    did_something: bool = False


@dataclass(frozen=True, slots=True)
class _Source:
    """A table that is read, in one version.

    Attributes:
        name: `<schema>.<name>`.
        folder: Where it stands.
        handle: The version.
        files: Its files.
        time: Column of event time.
    """

    name: str
    folder: Place
    handle: DeltaTable
    files: list[StoredFile]
    time: str

    @property
    def newest_ms(self) -> int | None:
        """Newest event time; None without an event."""
        return max((_ms(file.newest) for file in self.files if file.newest), default=None)

    def changed_since(self, version: int | None) -> list[StoredFile] | None:
        """Return the files that came or went since a version; None: that cannot be told."""
        try:
            then = stored_files(delta_table(self.folder, version), self.time) if version is not None else []
        except (DeltaError, OSError):
            return None  # the log of it was cleaned
        now = {file.path: file for file in self.files}
        before = {file.path: file for file in then}
        return [file for path, file in (before | now).items() if (path in now) != (path in before)]


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What the last refresh has recorded; None: there was none.

    Attributes:
        declaration: Number of the declaration.
        closed_ms: Panes before had their rows.
        versions: Of the tables that were read.
    """

    declaration: int | None
    closed_ms: int | None
    versions: dict[str, int | None]


def refresh(
    lake: Place, specs: Sequence[TableSpec], rollup: Rollup, *, now_ms: int, who: str, limits: Limits | None = None
) -> Refreshed:
    """Bring a roll-up up to date; its table is made when the first pane is closed.

    Args:
        lake: Folder of the lake.
        specs: Declared tables.
        rollup: The roll-up.
        now_ms: The time of day, in milliseconds since 1970.
        who: Stands in the log.
        limits: What the query may use.

    Raises:
        LakeError: The declaration was changed, and events of its old panes are gone.
        LakeWriteError: The rows could not be stored; the same call may succeed later.
        QueryError: The events could not be read within the limits.
    """
    began = time.monotonic()
    for _ in range(ATTEMPTS):
        try:
            begin_ms, closed_ms, rows = _refreshed(lake, specs, rollup, now_ms, who, limits)
        except CommitFailedError:
            continue  # somebody else has refreshed or compacted it meanwhile
        except (DeltaError, OSError) as error:
            raise _write_error(lake, rollup, str(error).strip().splitlines()[0]) from error
        return Refreshed(
            rollup.full_name,
            rows or 0,
            None if begin_ms is None else _at(begin_ms),
            None if closed_ms is None else _at(closed_ms),
            time.monotonic() - began,
            rows is not None,
        )
    raise _write_error(lake, rollup, f"it was changed by others during {ATTEMPTS} attempts")


def _refreshed(
    lake: Place, specs: Sequence[TableSpec], rollup: Rollup, now_ms: int, who: str, limits: Limits | None
) -> tuple[int | None, int | None, int | None]:
    """Return the beginning of what was computed, up to where panes are closed, and the rows; None: nothing was done."""
    target = open_for_read(table_folder(lake, "rollups", rollup.name))
    sources = _sources(lake, rollup)
    recorded = _recorded(target, rollup, sources)
    newest_ms = max((one.newest_ms for one in sources[:1] if one.newest_ms is not None), default=None)
    if newest_ms is None:
        return None, recorded.closed_ms, None
    closed_ms = max(rollup.closed_before(newest_ms), recorded.closed_ms or 0)
    is_new = target is None or recorded.declaration != int(rollup.digest, 16)
    gone_ms = _gone_ms(sources, rollup)
    if is_new and target is not None and gone_ms is not None:
        raise _events_are_gone(rollup, gone_ms)
    begin_ms = None if is_new else _begin_ms(rollup, recorded, sources)
    if gone_ms is not None:
        # Panes before lack events: what they had stays.
        begin_ms = max(begin_ms or 0, gone_ms)
    if (begin_ms is not None and begin_ms >= closed_ms) or (target is None and closed_ms <= 0):
        return None, closed_ms, None
    pinned = {one.name: one.handle.version() for one in sources}
    query = rollup.sql(begin_ms, closed_ms, now_ms)
    rows = Lake(lake, specs).sql(query, limits=limits or Limits(seconds=600), as_of=pinned).arrow()
    versions = {f"{_APP}{name}": version for name, version in pinned.items()}
    marks = {f"{_APP}declaration": int(rollup.digest, 16), f"{_APP}closed_ms": closed_ms, **versions}
    _write(lake, rollup, target, rows, (begin_ms, closed_ms), marks, who, is_new=is_new)
    return begin_ms, closed_ms, rows.num_rows


def _sources(lake: Place, rollup: Rollup) -> list[_Source]:
    tables: list[tuple[Schema, str, str]] = [("events", rollup.event, rollup.time), ("ops", "duplicates", "event_time")]
    found = []
    for schema, name, column in tables:
        folder = table_folder(lake, schema, name)
        handle = open_for_read(folder)
        if handle is not None:
            found.append(_Source(f"{schema}.{name}", folder, handle, stored_files(handle, column), column))
    # Without events the duplicates say nothing.
    return found if found and found[0].name.startswith("events.") else []


def _recorded(target: DeltaTable | None, rollup: Rollup, sources: Sequence[_Source]) -> _Recorded:
    def mark(name: str) -> int | None:
        return None if target is None else target.transaction_version(f"{_APP}{name}")

    return _Recorded(mark("declaration"), mark("closed_ms"), {one.name: mark(one.name) for one in sources})


def _begin_ms(rollup: Rollup, recorded: _Recorded, sources: Sequence[_Source]) -> int | None:
    """Return the beginning of the first pane that may have other rows now; None: any may."""
    oldest = [recorded.closed_ms or 0]
    for source in sources:
        changed = source.changed_since(recorded.versions[source.name])
        if changed is None:
            return None
        for file in changed:
            if file.rows == 0:
                continue
            if file.oldest is None:
                return None
            oldest.append(rollup.pane_of(_ms(file.oldest)))
    return min(oldest)


def _gone_ms(sources: Sequence[_Source], rollup: Rollup) -> int | None:
    """Return the beginning of the first pane whose events are all there; None: none were ever deleted for their age."""
    deleted = deleted_before(sources[0].handle) if sources else None
    return None if deleted is None else rollup.pane_of(_ms(deleted) + rollup.every_ms - 1)


def _write(
    lake: Place,
    rollup: Rollup,
    target: DeltaTable | None,
    rows: pa.Table,
    panes: tuple[int | None, int],
    marks: dict[str, int],
    who: str,
    *,
    is_new: bool,
) -> None:
    begin_ms, end_ms = panes
    predicate = f"pane_start < '{_at(end_ms).isoformat()}'"
    if begin_ms is not None:
        predicate += f" AND pane_start >= '{_at(begin_ms).isoformat()}'"
    write_deltalake(
        _made(lake, rollup, rows.schema) if target is None else target,
        rows,
        mode="overwrite",
        predicate=None if is_new else predicate,
        schema_mode="overwrite" if is_new else None,
        commit_properties=CommitProperties(
            app_transactions=[Transaction(name, version) for name, version in marks.items()],
            # A refused commit must be looked at again, and not be put on top of what refused it.
            max_commit_retries=0,
            custom_metadata={"userName": who},
        ),
    )


def _made(lake: Place, rollup: Rollup, schema: pa.Schema) -> DeltaTable:
    folder = table_folder(lake, "rollups", rollup.name)
    properties = {"delta.dataSkippingStatsColumns": "pane_start,_recorded_at", "delta.checkpointInterval": "20"}
    return make_table(folder, schema, properties=properties)


def _events_are_gone(rollup: Rollup, gone_ms: int) -> LakeError:
    return LakeError(
        f"the roll-up {rollup.name!r} was changed, and events of its old panes are gone",
        {
            "events": f"complete from {_at(gone_ms).isoformat()}",
            "kept": f"{rollup.full_name}, as it was declared before",
        },
        f"name: {rollup.name}_2",
    )


def _write_error(lake: Place, rollup: Rollup, cause: str) -> LakeWriteError:
    expected, look = what_writing_needs(lake)
    return LakeWriteError(
        f"table {rollup.full_name} could not be written: {cause}",
        {"folder": str(table_folder(lake, "rollups", rollup.name)), "expected": expected},
        look,
    )


def _at(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def _ms(at: datetime) -> int:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MS
