"""`headrace lake forget --check`: which files on the disk still hold a subject, and when they go."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from headrace_lake.commit_log import logged_versions, read_commit
from headrace_lake.delta_table import active_files
from headrace_lake.layout import table_folder
from headrace_lake.upkeep.files import KeptTable, kept_tables, opened
from headrace_lake.upkeep.rewrite import ENGINE_ERRORS, Engine, ask, rewrite_error
from headrace_lake.views import files_of

from headrace.features.online import open_online_store
from headrace.forget.forgetting import OutOfReach, of_files, out_of_reach, wanted_rows
from headrace.forget.saved_files import forget_in_files
from headrace.forget.subject import Subject, subject_of
from headrace.project import Project
from headrace.tables import local_lake, project_tables
from headrace.upkeep.tables import upkeep_policy


@dataclass(frozen=True)
class Remains:
    """A place that still holds the subject.

    Attributes:
        table: `<schema>.<name>`, `online`, or `training set`.
        file: The file, relative to the lake; the view in the online store.
        rows: Rows of the subject in it.
        is_visible: Whether queries find them; else only time travel does.
        gone_after: When the vacuum may remove the file; None: it is in use.
    """

    table: str
    file: str
    rows: int
    is_visible: bool
    gone_after: datetime | None


@dataclass(frozen=True)
class Checked:
    """What a scan of all files found.

    Attributes:
        files: Number of files that were read, all of them, whether in a table or not.
        remains: Places that hold the subject.
        out_of_reach: What may still hold it and cannot be scanned.
    """

    files: int
    remains: list[Remains]
    out_of_reach: list[OutOfReach]

    @property
    def is_visible(self) -> bool:
        """Whether a query still finds the subject."""
        return any(one.is_visible for one in self.remains)


def check(project: Project, key: str, events: Sequence[str] = (), *, now: datetime) -> Checked:
    """Scan every Parquet file below the lake, the online store and saved training sets for a subject.

    Rows that name it by the id of one of its events only are found as long as a file holds that event.

    Args:
        project: The project.
        key: The clear key, or its hash.
        events: As for `forget`.
        now: The time of day, UTC.

    Raises:
        SubjectError: The events are keyed by different fields.
        LakeError: A file cannot be read.
    """
    subject = subject_of(project, key, events)
    age = upkeep_policy(project).vacuum_age
    lake = local_lake(project, "headrace lake forget --check")
    tables = {table.full_name: table for table in kept_tables(lake, project_tables(project))}
    folders = {name: table_folder(lake, table.schema, table.name) for name, table in tables.items()}
    files = {name: [str(path) for path in sorted(place.rglob("*.parquet"))] for name, place in folders.items()}
    # Checkpoints of the log are Parquet, too, and hold no rows.
    files = {name: [path for path in paths if "/_delta_log/" not in path] for name, paths in files.items()}
    remains = []
    with tempfile.TemporaryDirectory(prefix="headrace-forget-") as folder:
        for name, condition in wanted_rows(subject, tables, files, Path(folder)).items():
            if files.get(name):
                remains += _of_table(tables[name], condition, files[name], lake, age)
    remains += _online(subject)
    in_files = forget_in_files(subject, dry_run=True)
    remains += [Remains("training set", str(path), rows, True, None) for path, rows in in_files.rows.items()]
    unreachable = [*of_files(in_files), *out_of_reach(subject, list(tables.values()), now)]
    return Checked(sum(map(len, files.values())), remains, unreachable)


def _of_table(table: KeptTable, condition: str, files: Sequence[str], lake: Path, age: timedelta) -> list[Remains]:
    rows = files_of(files, {}, "filename = true")
    try:
        found = ask(f"SELECT filename, count(*) FROM {rows} WHERE {condition} GROUP BY 1 ORDER BY 1", Engine())
    except ENGINE_ERRORS as error:
        raise rewrite_error(table, [], error) from error
    if not found:
        return []
    active = {str(Path(path)) for path in active_files(opened(table))}
    removed = _removed_at(table)
    remains = []
    for path, rows in found:
        left = None if path in active else removed.get(path) or datetime.fromtimestamp(Path(path).stat().st_mtime, UTC)
        gone_after = None if left is None else left + age
        remains.append(Remains(table.full_name, str(Path(path).relative_to(lake)), rows, path in active, gone_after))
    return remains


def _removed_at(table: KeptTable) -> dict[str, datetime]:
    """Return file → when it left the table, as far back as the log goes."""
    found = {}
    for version in logged_versions(table.folder):
        for action in read_commit(table.folder, version):
            removal = action.get("remove")
            if removal is not None:
                path = str(table.folder / unquote(removal["path"]))
                found[path] = datetime.fromtimestamp(removal.get("deletionTimestamp", 0) / 1_000, UTC)
    return found


def _online(subject: Subject) -> list[Remains]:
    if not subject.own_views:
        return []
    with open_online_store(subject.project) as store:
        rows = {view.name: store.read(view.name, subject.values) for view in subject.own_views}
    counts = {view: sum(row is not None for row in found) for view, found in rows.items()}
    return [Remains("online", view, count, True, None) for view, count in counts.items() if count]
