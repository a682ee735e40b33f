"""Tables of a project made anew from the topics, proven equal, and swapped in."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from deltalake import DeltaTable
from headrace_ingestion.errors import HeadraceError, closest
from headrace_lake.delta_table import active_files, open_for_read
from headrace_lake.errors import LakeError
from headrace_lake.layout import is_table, table_folder
from headrace_lake.partitions import stored_partition
from headrace_lake.rebuild.comparing import Comparison, compare, undeclared_columns, wanted_deletions
from headrace_lake.rebuild.reading import reach_of, read_anew
from headrace_lake.rebuild.swapping import swap_in
from headrace_lake.tables import TableSpec
from headrace_lake.upkeep.compact import compact
from headrace_lake.upkeep.files import kept_table, opened
from headrace_lake.upkeep.rewrite import ENGINE_ERRORS, Engine

from headrace.project import Project
from headrace.tables import local_lake, project_tables
from headrace.upkeep.tables import upkeep_policy


class RebuildError(HeadraceError):
    """The tables were left as they are."""


@dataclass(frozen=True)
class Rebuilt:
    """What became of a table.

    Attributes:
        comparison: Its rows and those that were read anew.
        is_swapped: Whether the fresh rows are the table's now.
    """

    comparison: Comparison
    is_swapped: bool


@dataclass(frozen=True)
class _Ready:
    """A table that was read anew."""

    spec: TableSpec
    old: DeltaTable | None
    left_out: str
    undeclared: list[str]
    comparison: Comparison


def rebuild(
    project: Project,
    names: Sequence[str] = (),
    *,
    allow_loss: bool = False,
    allow_changes: bool = False,
    dry_run: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> list[Rebuilt]:
    """Read tables anew from their topics into a lake beside, compare them, and swap them in when they are equal.

    Rows that no topic holds (imported and backfilled ones, dead letters that the writer noted) are taken over; what was
    deleted for its age or forgotten stays deleted. The writer goes on meanwhile.

    Args:
        project: The project.
        names: `<schema>.<name>` of tables; none: all that a topic feeds.
        allow_loss: Give up rows that the topics no longer hold, and columns that are not declared any more.
        allow_changes: Take what the topics say where a table says otherwise, or nothing.
        dry_run: Only compare.
        say: Called with lines about the progress.

    Raises:
        RebuildError: Another rebuild runs, or tables would lose or change rows; nothing was swapped then.
        LakeError: There is no such table, the broker does not answer, or a file could not be read or written.
        NotRunningError: The stack of this project is down.
    """
    lake, engine = local_lake(project, "headrace lake rebuild"), upkeep_policy(project).engine
    specs = _chosen(project_tables(project), names)
    fresh = lake.with_name(f"{lake.name}.rebuild")
    with _alone(fresh):
        found = [_read(project, lake, fresh, spec, engine, say) for spec in specs]
        ready = [one for one in found if one is not None]
        absent = [spec for spec, one in zip(specs, found, strict=True) if one is None]
        if names and absent:
            raise RebuildError(
                f"the topic {absent[0].topic} does not exist: nothing was swapped",
                {"table": absent[0].full_name},
                "headrace status",
            )
        if not dry_run:
            has_forgotten = is_table(table_folder(lake, "ops", "forgotten"))
            _check(ready, allow_loss=allow_loss, allow_changes=allow_changes, has_forgotten=has_forgotten)
        done = []
        for one in ready:
            if not dry_run:
                say(f"swapping {one.spec.full_name}")
            is_swapped = not dry_run and swap_in(lake, fresh, one.spec, one.old, one.left_out, engine)
            if not is_swapped and not dry_run:
                raise _overtaken(one)
            done.append(Rebuilt(one.comparison, is_swapped))
        return done


def _chosen(specs: Sequence[TableSpec], names: Sequence[str]) -> list[TableSpec]:
    known = {spec.full_name: spec for spec in specs}
    for name in names:
        if name not in known:
            raise LakeError(
                f"no topic feeds a table {name!r}",
                {"tables": ", ".join(known)},
                closest(name, known) or "headrace lake tables",
            )
    return [known[name] for name in names] if names else list(specs)


@contextmanager
def _alone(fresh: Path) -> Iterator[None]:
    """Hold the fresh lake, empty, as long as the block lasts; what an ended run left there goes first."""
    fresh.parent.mkdir(parents=True, exist_ok=True)
    with fresh.with_name(f"{fresh.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RebuildError("another rebuild runs on this lake", {"lock": lock.name}, "wait for it") from error
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _read(
    project: Project, lake: Path, fresh: Path, spec: TableSpec, engine: Engine, say: Callable[[str], None]
) -> _Ready | None:
    folder = table_folder(lake, spec.schema, spec.name)
    # One version for all: its offsets say how far to read, and its files give way.
    old = opened(kept_table(lake, spec)) if is_table(folder) else None
    reach = reach_of(project.connection(), old, spec)
    if reach is None:
        return None
    # A rebuilt table keeps the partitions that it has.
    laid_out = spec if old is None else replace(spec, partition=stored_partition(old))
    read_anew(project.connection(), fresh, laid_out, reach, lambda rows: say(f"{spec.full_name}: {rows:,} rows read"))
    compact(kept_table(fresh, spec), engine=engine)
    anew = opened(kept_table(fresh, spec))
    forgotten = open_for_read(table_folder(lake, "ops", "forgotten"))
    left_out = wanted_deletions(spec, old, [] if forgotten is None else active_files(forgotten))
    try:
        comparison = compare(spec, old, anew, left_out, engine)
    except ENGINE_ERRORS as error:
        raise LakeError(
            f"the table {spec.full_name} cannot be compared: {str(error).splitlines()[0]}",
            {"folder": str(folder)},
            f"mv {folder} {folder}.broken, then headrace lake rebuild {spec.full_name}",
        ) from error
    undeclared = [] if old is None else undeclared_columns(spec, old)
    return _Ready(spec, old, left_out, undeclared, comparison)


def _check(ready: Sequence[_Ready], *, allow_loss: bool, allow_changes: bool, has_forgotten: bool) -> None:
    there = [one for one in ready if one.old is not None]
    lost = {one.spec.full_name: one for one in there if one.comparison.lost or one.undeclared}
    if lost and not allow_loss:
        raise RebuildError(
            f"the topics no longer hold all of {', '.join(lost)}: nothing was swapped",
            {
                "rows": ", ".join(f"{one.comparison.lost:,} of {name}" for name, one in lost.items()),
                "columns": ", ".join(f"{name}.{column}" for name, one in lost.items() for column in one.undeclared),
            },
            "--allow-loss gives them up",
        )
    among = {"among them, maybe": "what was forgotten: headrace lake forget KEY afterwards"} if has_forgotten else {}
    changed = {one.spec.full_name: one.comparison for one in there if one.comparison.added or one.comparison.changed}
    if changed and not allow_changes:
        raise RebuildError(
            f"the topics say otherwise than {', '.join(changed)}: nothing was swapped",
            {
                "rows that the tables lack": ", ".join(f"{one.added:,} of {name}" for name, one in changed.items()),
                "rows with other values": ", ".join(f"{one.changed:,} of {name}" for name, one in changed.items()),
                **among,
            },
            "--allow-changes takes what the topics say",
        )


def _overtaken(one: _Ready) -> RebuildError:
    return RebuildError(
        f"files of {one.spec.full_name} were replaced by a compaction meanwhile",
        {"swapped before": "the tables before it, whole", "left": f"{one.spec.full_name} as it was"},
        f"headrace lake rebuild {one.spec.full_name}",
    )
