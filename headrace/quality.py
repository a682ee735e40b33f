"""Expectations of a project, `quality/*.yaml`, and their check."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from headrace_ingestion.clock import Clock, SystemClock
from headrace_ingestion.documents import DeclarationProblem, Document, declared_in, problem_error, read_document
from headrace_ingestion.durations import Duration
from headrace_ingestion.errors import DeclarationError, closest
from headrace_lake.errors import LakeError
from headrace_lake.quality.check import check_and_record
from headrace_lake.quality.rules import MARKS_ROWS, Finding, Kind, Rule
from headrace_lake.query import Limits
from headrace_lake.tables import TableSpec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from headrace.project import Project
from headrace.tables import project_tables

_Share = Annotated[float, Field(ge=0, le=1)]
_NUMBERS = ("int", "long", "double")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", title="a rule")


class NullRate(_Part):
    """How many rows may lack a value."""

    column: str
    at_most: _Share = 0.0


class Range(_Part):
    """Between which numbers values are; nulls pass."""

    column: str
    minimum: float | None = None
    maximum: float | None = None
    at_most: _Share = 0.0

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise DeclarationProblem("'range' has no bound", {"expected": "minimum, maximum or both"}, "minimum: 0")
        return self


class Values(_Part):
    """Which values there are; nulls pass."""

    column: str
    allowed: Annotated[tuple[str | bool | int, ...], Field(min_length=1)]
    at_most: _Share = 0.0


class Unique(_Part):
    """Which columns together stand in one row only."""

    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    at_most: _Share = 0.0


class Freshness(_Part):
    """How old the newest row may be."""

    at_most: Duration
    by: Literal["event", "record"] = "event"


class Volume(_Part):
    """How many rows there are, divided by those of the same time a week before."""

    window: Duration
    at_least: Annotated[float, Field(ge=0)] | None = None
    at_most: Annotated[float, Field(ge=0)] | None = None


class RuleDeclaration(_Part):
    """One rule: exactly one kind, and what follows from a breach."""

    name: Annotated[str, Field(min_length=1)] | None = None
    severity: Literal["warn", "fail"] = "fail"
    quarantine: bool = False
    over: Duration | None = None
    null_rate: NullRate | None = None
    range: Range | None = None
    values: Values | None = None
    unique: Unique | None = None
    freshness: Freshness | None = None
    volume: Volume | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise DeclarationProblem(
                f"a rule has {len(given)} kinds: {', '.join(given) or 'none'}",
                {"expected": f"one of {', '.join(_KINDS)}"},
                "null_rate: {column: device, at_most: 0.1}",
            )
        if (self.quarantine or self.over) and given[0] not in MARKS_ROWS:
            raise DeclarationProblem(
                f"{given[0]!r} speaks of the whole table, not of rows",
                {"quarantine and over": f"go with {', '.join(MARKS_ROWS)}"},
                "remove quarantine and over",
            )
        return self

    @property
    def kind(self) -> Kind:
        """Its kind."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)


_KINDS: tuple[Kind, ...] = ("null_rate", "range", "values", "unique", "freshness", "volume")


class QualityDeclaration(_Part):
    """A file of `quality/`: what is expected of one table."""

    model_config = ConfigDict(title="the expectations of a table")

    table: str
    rules: Annotated[tuple[RuleDeclaration, ...], Field(min_length=1)]


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
