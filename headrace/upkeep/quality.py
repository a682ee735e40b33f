"""Expectations of a project, `quality/*.yaml`, and their check."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from headrace_ingestion.clock import Clock, SystemClock
from headrace_ingestion.documents import DeclarationProblem, Document, declared_in, problem_error, read_document
from headrace_ingestion.errors import DeclarationError, closest
from headrace_lake.errors import LakeError
from headrace_lake.quality.check import check_and_record
from headrace_lake.quality.declaration import QualityDeclaration, RuleDeclaration
from headrace_lake.quality.rules import Finding, Rule
from headrace_lake.query import Limits
from headrace_lake.tables import TableSpec

from headrace.project import Project
from headrace.tables import project_tables

_NUMBERS = ("int", "long", "double")


def quality_rules(project: Project, names: Sequence[str] = ()) -> list[Rule]:
    """Return the rules of `quality/*.yaml`.

    Args:
        project: The project.
        names: `<schema>.<name>` of tables; none: all.

    Raises:
        DeclarationError: A file is wrong, or names a table or column that the project does not have.
        LakeError: There are no rules for a table that is named.
    """
    specs = {spec.full_name: spec for spec in project_tables(project)}
    rules = [
        rule for path in sorted((project.folder / "quality").glob("*.yaml")) for rule in _read(project, path, specs)
    ]
    known = dict.fromkeys(rule.table for rule in rules)
    for name in names:
        if name not in known:
            raise LakeError(
                f"nothing is expected of table {name!r}",
                {"tables": ", ".join(known) or "none: quality/*.yaml is empty"},
                closest(name, known) or "quality/call.yaml",
            )
    return [rule for rule in rules if not names or rule.table in names]


def check_quality(project: Project, names: Sequence[str] = (), *, clock: Clock | None = None) -> list[Finding]:
    """Check the rules of tables, record what they find in `ops.quality`, and quarantine where they say so.

    Args:
        project: The project.
        names: `<schema>.<name>` of tables; none: all.
        clock: The clocks.

    Raises:
        DeclarationError: A rule is wrong.
        LakeError: There are no rules for a table, or what was found could not be stored.
    """
    clocks = clock or SystemClock()
    limits = Limits(seconds=600, memory_bytes=project.settings.upkeep.memory_bytes)
    return check_and_record(project.lake, quality_rules(project, names), "headrace lake quality", clocks, limits)


def _read(project: Project, path: Path, specs: dict[str, TableSpec]) -> Iterator[Rule]:
    document = read_document(path, root=project.folder)
    declared = declared_in(document, QualityDeclaration)
    spec = specs.get(declared.table)
    if spec is None:
        raise _wrong(
            document, ("table",), f"there is no table {declared.table!r}", "tables", declared.table, list(specs)
        )
    seen: set[str] = set()
    for place, one in enumerate(declared.rules):
        rule = _rule(document, place, one, spec)
        if rule.name in seen:
            failure = f"two rules are called {rule.name!r}"
            raise _wrong(document, ("rules", place), failure, "rules", "", [*seen], f"name: {rule.name}_2")
        seen.add(rule.name)
        yield rule


def _rule(document: Document, place: int, one: RuleDeclaration, spec: TableSpec) -> Rule:
    part: Any = getattr(one, one.kind)
    columns = tuple(getattr(part, "columns", None) or ([part.column] if hasattr(part, "column") else []))
    types = {column.name: column.type for column in spec.all_columns}
    for column in columns:
        if column not in types:
            failure = f"table {spec.full_name} has no column {column!r}"
            raise _wrong(document, ("rules", place, one.kind), failure, "columns", column, list(types))
    if one.kind == "range" and types[columns[0]] not in _NUMBERS:
        numbers = [name for name, kind in types.items() if kind in _NUMBERS]
        failure = f"column {columns[0]!r} is {types[columns[0]]}, and a range is of numbers"
        raise _wrong(document, ("rules", place, one.kind), failure, "numbers", columns[0], numbers)
    if one.quarantine and "event_id" not in types:
        failure = f"rows of {spec.full_name} have no event_id to be quarantined by"
        raise _wrong(document, ("rules", place), failure, "columns", "quarantine", list(types))
    at_most: Any = getattr(part, "at_most", None)
    times = {"event": spec.time_column, "record": "_recorded_at"}
    return Rule(
        spec.full_name,
        one.name or "_".join((one.kind, *columns)),
        one.kind,
        columns or (times[getattr(part, "by", "event")],),
        getattr(part, "minimum", None),
        getattr(part, "maximum", None),
        tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in getattr(part, "allowed", ())),
        getattr(part, "at_least", None),
        at_most.total_seconds() if one.kind == "freshness" else at_most,
        getattr(part, "window", timedelta(0)),
        one.over,
        one.severity,
        one.quarantine,
    )


def _wrong(
    document: Document,
    place: tuple[str | int, ...],
    failure: str,
    label: str,
    name: str,
    known: Sequence[str],
    try_: str | None = None,
) -> DeclarationError:
    try_ = try_ or closest(name, known) or "headrace lake tables"
    return problem_error(document, DeclarationProblem(failure, {label: ", ".join(known)}, try_, place))
