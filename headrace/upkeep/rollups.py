"""Roll-ups of a project, `rollups/*.yaml`, and their refresh."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from headrace_ingestion.clock import SystemClock
from headrace_ingestion.documents import DeclarationProblem, declared_in, load_folder, problem_error, read_document
from headrace_ingestion.errors import closest
from headrace_lake.errors import LakeError
from headrace_lake.query import Limits
from headrace_lake.rollups.declaration import RollupDeclaration, resolve_rollup
from headrace_lake.rollups.refresh import Refreshed, refresh
from headrace_lake.rollups.rollup import Rollup
from headrace_lake.upkeep.record import record
from headrace_lake.upkeep.schedule import entry_of

from headrace.project import Project
from headrace.tables import lake_path, project_tables

_WHO = "headrace lake rollup"
_SECONDS = 3_600.0


def project_rollups(project: Project, names: Sequence[str] = ()) -> list[Rollup]:
    """Return the roll-ups of `rollups/*.yaml`.

    Args:
        project: The project.
        names: Names of those that are wanted, with `rollups.` before or not; none: all.

    Raises:
        DeclarationError: A file is wrong, or reads an event or field that the project does not have.
        LakeError: There is no roll-up of that name.
    """
    found = load_folder(project.folder / "rollups", partial(_read, project), "roll-up", root=project.folder)
    wanted = [name.removeprefix("rollups.") for name in names]
    for name in wanted:
        if name not in found:
            raise LakeError(
                f"the project declares no roll-up {name!r}",
                {"roll-ups": ", ".join(found) or "none: rollups/*.yaml is empty"},
                closest(name, found) or f"rollups/{name}.yaml",
            )
    return [rollup for rollup in found.values() if not wanted or rollup.name in wanted]


def refresh_rollups(project: Project, names: Sequence[str] = ()) -> list[Refreshed]:
    """Bring roll-ups up to date, and record it in `ops.upkeep`.

    Args:
        project: The project.
        names: Names of roll-ups; none: all.

    Raises:
        DeclarationError: A declaration is wrong.
        LakeError: There is no roll-up of that name, or it could not be brought up to date.
    """
    results = []
    limits = Limits(seconds=_SECONDS, memory_bytes=project.settings.upkeep.memory_bytes)
    for rollup in project_rollups(project, names):
        now_ms = SystemClock().now_ms()
        done = refresh(lake_path(project), project_tables(project), rollup, now_ms=now_ms, who=_WHO, limits=limits)
        if done.did_something:
            record(lake_path(project), [entry_of(done, _WHO)], now_ms)
        results.append(done)
    return results


def _read(project: Project, path: Path) -> Rollup:
    document = read_document(path, root=project.folder)
    declared = declared_in(document, RollupDeclaration)
    try:
        contract = project.readable.get(declared.source)
        if contract is None:
            raise DeclarationProblem(
                f"there is no event {declared.source!r}",
                {"events": ", ".join(project.readable) or "none: events/*.yaml is empty"},
                closest(declared.source, project.readable) or f"events/{declared.source}.yaml",
                ("source",),
            )
        return resolve_rollup(declared, contract)
    except DeclarationProblem as problem:
        raise problem_error(document, problem) from problem
