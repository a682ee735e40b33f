"""Upkeep of a project's lake: the settings as a policy, and one call for each command."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from headrace_ingestion.clock import SystemClock
from headrace_ingestion.errors import SettingsError, closest
from headrace_lake.errors import LakeError
from headrace_lake.upkeep.compact import Compaction, compact
from headrace_lake.upkeep.files import KeptTable, kept_tables
from headrace_lake.upkeep.record import record
from headrace_lake.upkeep.relayout import lay_out_anew
from headrace_lake.upkeep.retain import Retained, Tiers, retain
from headrace_lake.upkeep.rewrite import Engine
from headrace_lake.upkeep.schedule import UpkeepPolicy, entry_of
from headrace_lake.upkeep.vacuum import Vacuumed, check_age, vacuum

from headrace.project import Project
from headrace.tables import lake_path, project_tables

Done = TypeVar("Done", Compaction, Retained, Vacuumed)


def upkeep_policy(project: Project) -> UpkeepPolicy:
    """Return what the settings of a project say about upkeep.

    Raises:
        SettingsError: `upkeep.retain` names a table that the project does not have.
        LakeError: `upkeep.vacuum_age` is too small.
    """
    settings = project.settings.upkeep
    tables = [spec.full_name for spec in project_tables(project)]
    for name in settings.retain:
        if "." in name and name not in tables:
            raise SettingsError(
                f"upkeep.retain names the table {name!r}, which the project does not have",
                {"tables": ", ".join(tables)},
                closest(name, tables),
            )
    return UpkeepPolicy(
        check_seconds=settings.check_seconds,
        small_files=settings.compact_above_files,
        target_bytes=settings.target_bytes,
        vacuum_every=settings.vacuum_every,
        vacuum_age=settings.vacuum_age,
        retain_every=settings.retain_every,
        quality_every=settings.quality_every,
        tiers={
            name: Tiers(tiers.recompress_after, tiers.delete_after, tiers.level)
            for name, tiers in settings.retain.items()
        },
        engine=Engine(settings.memory_bytes),
    )


def compact_tables(
    project: Project,
    names: Sequence[str] = (),
    *,
    target_bytes: int | None = None,
    rewrite: bool = False,
    dry_run: bool = False,
) -> list[Compaction]:
    """Merge the small files of tables, whatever their number.

    Args:
        project: The project.
        names: `<schema>.<name>` of tables; none: all.
        target_bytes: Size that files are made to have; None: that of the settings. Of a rewrite it is Delta's own.
        rewrite: Write each row anew, in the partitions and the order that the project declares for the table now.
        dry_run: Only say what would be done.

    Raises:
        LakeError: There is no such table, it could not be compacted, or is to be rewritten and is not declared.
        LakeWriteError: A table was changed faster than it could be rewritten.
    """
    policy = upkeep_policy(project)
    lake, tables = lake_path(project), _tables(project, names)
    if rewrite:
        specs = {spec.full_name: spec for spec in project_tables(project)}
        undeclared = [name for name in names if name not in specs]
        if undeclared:
            raise LakeError(
                f"the project declares no table {undeclared[0]!r}, and so no order to write its rows in",
                {"declared": ", ".join(specs)},
                closest(undeclared[0], specs) or f"headrace lake compact {undeclared[0]}",
            )
        return _recorded(
            project,
            [table for table in tables if table.full_name in specs],
            lambda table: lay_out_anew(lake, table, specs[table.full_name], engine=policy.engine, dry_run=dry_run),
        )
    size_bytes = policy.target_bytes if target_bytes is None else target_bytes
    return _recorded(
        project,
        tables,
        lambda table: compact(table, target_bytes=size_bytes, engine=policy.engine, dry_run=dry_run),
    )


def retain_tables(project: Project, names: Sequence[str] = (), *, dry_run: bool = False) -> list[Retained]:
    """Apply `upkeep.retain` of the settings to tables.

    Args:
        project: The project.
        names: `<schema>.<name>` of tables; none: all for which something is set.
        dry_run: Only say what would be done.

    Raises:
        SettingsError: Nothing is set for a table that is named, or for any.
        LakeError: There is no such table, or its files could not be replaced.
    """
    policy = upkeep_policy(project)
    tables = _tables(project, names)
    free = [table.full_name for table in tables if policy.tiers_of(table) is None]
    if free and (names or not policy.tiers):
        raise SettingsError(
            f"nothing is set for old rows of {', '.join(free)}",
            {"setting": "upkeep.retain in headrace.yaml", "set for": ", ".join(policy.tiers) or "nothing"},
            f"upkeep: {{retain: {{{free[0]}: {{delete_after: 400d}}}}}}",
        )
    now_ms = SystemClock().now_ms()
    return _recorded(
        project,
        [table for table in tables if table.full_name not in free],
        lambda table: retain(
            table,
            policy.tiers_of(table) or Tiers(),
            now_ms,
            engine=policy.engine,
            target_bytes=policy.target_bytes,
            dry_run=dry_run,
        ),
    )


def vacuum_tables(
    project: Project, names: Sequence[str] = (), *, age: timedelta | None = None, dry_run: bool = False
) -> list[Vacuumed]:
    """Remove the files that left tables long ago.

    Args:
        project: The project.
        names: `<schema>.<name>` of tables; none: all.
        age: How long ago at least; None: that of the settings.
        dry_run: Only say what would be removed.

    Raises:
        LakeError: There is no such table, or the age is too small.
    """
    limit = upkeep_policy(project).vacuum_age if age is None else age
    check_age(limit)
    return _recorded(project, _tables(project, names), lambda table: vacuum(table, age=limit, dry_run=dry_run))


def _tables(project: Project, names: Sequence[str]) -> list[KeptTable]:
    return kept_tables(lake_path(project), project_tables(project), names)


def _recorded(project: Project, tables: Sequence[KeptTable], do: Callable[[KeptTable], Done]) -> list[Done]:
    results = []
    for table in tables:
        result = do(table)
        results.append(result)
        if not result.is_dry_run and result.did_something:
            entry = entry_of(result, _WHO[type(result)])
            record(lake_path(project), [entry], SystemClock().now_ms())
    return results


_WHO = {
    Compaction: "headrace lake compact",
    Retained: "headrace lake retain",
    Vacuumed: "headrace lake vacuum",
}
