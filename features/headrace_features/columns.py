"""The columns of a view while its declaration is resolved: what is read of an event, computed, and shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import sqlglot
from headrace_ingestion.contract import Contract, FieldType
from headrace_ingestion.documents import DeclarationProblem
from headrace_ingestion.errors import closest
from sqlglot import exp

from headrace_features.expressions import Column, Compiled, Dialect, ValueType, compile_expression, plain
from headrace_features.view import ColumnType, ExpressionFeature, Input, KernelFeature

RESERVED_COLUMNS = frozenset(
    {
        "event_id", "event_time", "event_time_ms", "clock", "clock_ms", "generation", "source_partition",
        "source_offset",
        "revision", "declaration", "ingested_at", "ingested_at_ms", "emitted_at", "emitted_at_ms", "outcome", "letter",
        "record_key",
    }
)  # fmt: skip
"""Columns that stand beside the features on every row."""

NUMERIC: tuple[FieldType, ...] = ("int", "long", "double", "bool")
VALUES: tuple[FieldType, ...] = (*NUMERIC, "string")
WHOLE: dict[FieldType, ColumnType] = {
    "int": "long",
    "long": "long",
    "bool": "long",
    "double": "double",
    "string": "string",
}
"""Type of a column that shows a value of the event."""

_IN_EXPRESSIONS: dict[str, ValueType] = {
    "int": "double", "long": "double", "double": "double", "string": "string", "bool": "bool",
}  # fmt: skip
_FILTER = "_where_"
_OF_EVENT = "_event_"


class Columns:
    """Collects inputs, kernel columns and the columns of a row.

    Attributes:
        place: Where in the declaration messages point at.
    """

    def __init__(self, contract: Contract, key: str) -> None:
        self._contract = contract
        self._key = key
        self._types: dict[str, FieldType] = {name: f.plain_type for name, f in contract.fields.items()}
        self._derived: dict[str, Compiled] = {}
        self._declared: dict[str, str] = {}
        self._filters: dict[str, str] = {}
        self._used: dict[str, Input] = {}
        self._kernel: dict[str, KernelFeature] = {}
        self._shown: dict[str, KernelFeature | ExpressionFeature] = {}
        self._kinds: dict[str, str] = {}
        self.place: tuple[str | int, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """Names of the event's values, derived ones included."""
        return frozenset(self._types)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What is read of an event."""
        return tuple(self._used.values())

    @property
    def kernel(self) -> tuple[KernelFeature, ...]:
        """What the kernel computes."""
        return tuple(self._kernel.values())

    @property
    def shown(self) -> tuple[KernelFeature | ExpressionFeature, ...]:
        """The columns of a row."""
        return tuple(self._shown.values())

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kind of the entry that declares each of the columns of a row."""
        return tuple(self._kinds.values())

    # What is read of an event.

    def derive(self, name: str, sql: str, later: list[str]) -> None:
        """Add a value that is derived from the event's own.

        Args:
            name: Its name.
            sql: Its expression.
            later: Names that are declared, but not yet known here.
        """
        if name in self._types:
            raise DeclarationProblem(
                f"derive {name!r} has the name of a field of the event",
                {"fields": ", ".join(self._contract.fields)},
                f"{name}_derived",
                ("derive", name),
            )
        try:
            compiled = self._compiled(sql, self._values(), f"derive {name!r}")
        except DeclarationProblem as problem:
            exists = dict(problem.exists)
            if "exist" in exists:
                exists["later"] = ", ".join(later)
            raise DeclarationProblem(problem.failure, exists, problem.try_, ("derive", name)) from None
        self._derived[name] = compiled
        self._declared[name] = sql
        self._types[name] = compiled.type

    def _compiled(self, sql: str, columns: Mapping[str, Column], what: str) -> Compiled:
        unfit = {name: kind for name, kind in self._types.items() if kind not in _IN_EXPRESSIONS}
        return compile_expression(sql, columns, what=what, unfit=unfit)

    def _values(self) -> dict[str, Column]:
        columns = {}
        for name, declared in self._types.items():
            if declared not in _IN_EXPRESSIONS or name.startswith(_FILTER):
                continue
            if name in self._derived:
                columns[name] = Column(self._derived[name].type, _with_a_value(self._derived[name]))
            else:
                columns[name] = _column(f"_f_{name}", declared)
        return columns

    def where(self, sql: str | None, suffix: str | None) -> tuple[str | None, str]:
        """Return the input that says which events count, and what ends the names of the columns.

        Args:
            sql: The condition; None: all events count.
            suffix: How the columns call it; None: by the condition, which is a name then.
        """
        if sql is None:
            return None, ""
        place = (*self.place, "where")
        try:
            compiled = self._compiled(sql, self._values(), "'where'")
        except DeclarationProblem as problem:
            raise DeclarationProblem(problem.failure, problem.exists, problem.try_, place) from None
        if compiled.type != "bool":
            raise DeclarationProblem(
                f"'where' is a {compiled.type}, where a condition is expected",
                {"where": sql},
                "where: amount > 100",
                place,
            )
        if suffix is None:
            suffix = _only_name(sql)
        if suffix is None:
            raise DeclarationProblem(
                "'where' is more than a name, so the columns need one", {"where": sql}, "suffix: large", place
            )
        name = f"{_FILTER}{suffix}"
        if self._filters.setdefault(name, sql) != sql:
            raise DeclarationProblem(
                f"the suffix {suffix!r} stands for two conditions",
                {"first": self._filters[name], "second": sql},
                "another suffix",
                place,
            )
        self._derived[name] = compiled
        self._declared[name] = sql
        self._types[name] = "bool"
        self._use(name)
        return name, name

    def read(self, of: str, what: str, types: tuple[str, ...], field: str = "of") -> FieldType:
        """Return the type of a value that a feature reads.

        Args:
            of: Its name.
            what: What reads it, as messages say it.
            types: Types that fit.
            field: Key of the declaration that names it.

        Raises:
            DeclarationProblem: There is no such value, or its type does not fit.
        """
        kind = None if of.startswith(_FILTER) else self._types.get(of)
        place = (*self.place, field)
        known = [name for name in self._types if not name.startswith(_FILTER)]
        if kind is None:
            label = f"event {self._contract.name!r} version {self._contract.version}"
            derived = [name for name in self._derived if not name.startswith(_FILTER)]
            raise DeclarationProblem(
                f"{self.place[-1]!r} reads the field {of!r}, which {label} does not have",
                {"fields": ", ".join(self._contract.fields), "derived": ", ".join(derived)},
                f"{field}: {closest(of, known) or known[0]}",
                place,
            )
        if kind not in types:
            fitting = [name for name in known if self._types[name] in types]
            raise DeclarationProblem(
                f"{what} reads {of!r}, which is a {kind}",
                {"types": ", ".join(types), "fields": ", ".join(fitting)},
                "another feature" if not fitting else f"of: {fitting[0]}" if field == "of" else f"{field}: [lat, lon]",
                place,
            )
        self._use(of)
        return kind

    def number(self, of: str) -> str:
        """Return the SQL of a value as a number: booleans are 0 and 1 to statistics, but no numbers to expressions."""
        # By a name that no column can have: a column may be called like a value of the event.
        name = f"{_OF_EVENT}{of}"
        return f"CASE WHEN {name} THEN 1 WHEN NOT {name} THEN 0 END" if self._types[of] == "bool" else name

    def _use(self, name: str) -> None:
        derived = self._derived.get(name)
        self._used.setdefault(name, Input(name, self._types[name], derived, self._declared.get(name, "")))

    # What is computed.

    def add(self, feature: KernelFeature) -> None:
        """Show a column of the kernel."""
        self._free(feature)
        self._agrees(feature)
        self._show(feature)
        self._kernel[feature.name] = feature

    def hide(self, feature: KernelFeature) -> str:
        """Have the kernel compute a column that only expressions read, and return its name.

        The same column may be declared openly, before or after.
        """
        if isinstance(self._shown.get(feature.name), ExpressionFeature):
            raise self._clash(feature.name, f"is declared as an expression, and {self.place[-1]!r} needs it")
        self._agrees(feature)
        self._kernel.setdefault(feature.name, replace(feature, hidden=True))
        return feature.name

    def _agrees(self, feature: KernelFeature) -> None:
        """Refuse a column whose name another one has that means something else."""
        other = self._kernel.get(feature.name)
        if other is not None and replace(other, hidden=False) != replace(feature, hidden=False):
            raise self._clash(feature.name, "is one that another feature needs")

    def express(self, name: str, sql: str, words: str, field: str | None = None) -> None:
        """Show a column that SQL computes from the event's values and the columns before.

        Args:
            name: Name of the column.
            sql: Its expression.
            words: What it is, in a few words.
            field: Key of the declaration that holds it; None: it is ours.
        """
        columns: dict[str, Column] = {}
        for value, declared in self._types.items():
            if declared in _IN_EXPRESSIONS and not value.startswith(_FILTER):
                columns[value if field else f"{_OF_EVENT}{value}"] = _column(f"_in_{value}", declared)
        for feature in self._kernel.values():
            # A sum of finite numbers, and what is made of it, may be none.
            columns[feature.name] = _column(feature.name, feature.type, is_plain=feature.type != "double")
        for column in self._shown.values():
            if isinstance(column, ExpressionFeature):
                kind = column.compiled.type
                columns[column.name] = Column(kind, column.compiled.sql, is_plain=kind != "double")
        place = (*self.place, field) if field else self.place
        try:
            compiled = self._compiled(sql, columns, f"expression {name!r}")
        except DeclarationProblem as problem:
            raise DeclarationProblem(problem.failure, problem.exists, problem.try_, place) from None
        for read in sorted(compiled.reads):
            value = read if field else read.removeprefix(_OF_EVENT)
            if value in self._types and (field or read != value):
                self._use(value)
        shown = ExpressionFeature(name, compiled.type, compiled, words)
        self._free(shown)
        self._show(shown)

    def _show(self, column: KernelFeature | ExpressionFeature) -> None:
        self._shown[column.name] = column
        self._kinds[column.name] = str(self.place[-1])

    def _free(self, column: KernelFeature | ExpressionFeature) -> None:
        name = column.name
        taken = "is a column of every row" if name in RESERVED_COLUMNS or name == self._key else None
        if name in self._shown:
            taken = "is declared twice"
        elif name in self._kernel and isinstance(column, ExpressionFeature):
            taken = "is one that another feature needs"
        if taken:
            raise self._clash(name, taken)

    def _clash(self, name: str, why: str) -> DeclarationProblem:
        columns = {"columns": ", ".join(self._shown)}
        return DeclarationProblem(
            f"the column {name!r} {why}", columns, "another name, or remove one of the two", self.place
        )


def statistic_type(statistic: str, kind: FieldType) -> ColumnType:
    """Return the type of a column that shows a statistic of values of a type."""
    if statistic in ("count", "distinct"):
        return "long"
    if statistic in ("min", "max", "first", "last"):
        return WHOLE[kind]
    return "double"


def _with_a_value(compiled: Compiled) -> Mapping[Dialect, str]:
    """Return the SQL of a derived value; one without a finite number has none, wherever it is read."""
    if compiled.type != "double":
        return compiled.sql
    return {dialect: plain(sql) for dialect, sql in compiled.sql.items()}


def _only_name(sql: str) -> str | None:
    tree = sqlglot.parse_one(sql, read="duckdb")
    return tree.name if isinstance(tree, exp.Column) else None


def _column(
    name: str, declared: Literal["int", "long", "double", "string", "bool"] | str, *, is_plain: bool = True
) -> Column:
    """Return a column under this name in both engines, as a double where it is a number."""
    number = _IN_EXPRESSIONS[declared] == "double" and declared != "double"
    texts: dict[Dialect, str] = {"flink": f"`{name}`", "duckdb": f'"{name}"'}
    sql = {dialect: f"CAST({text} AS DOUBLE)" for dialect, text in texts.items()} if number else texts
    return Column(_IN_EXPRESSIONS[declared], sql, is_plain)
