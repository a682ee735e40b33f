"""From the declaration of a view and the contract of its event to the resolved `View`; errors name file and line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from headrace_ingestion.contract import Contract, FieldType
from headrace_ingestion.documents import DeclarationProblem, load_document
from headrace_ingestion.durations import duration_ms
from headrace_ingestion.errors import DeclarationError, closest
from pydantic import PrivateAttr, ValidationInfo, model_validator

from headrace_features.declaration import (
    Calendar,
    Expression,
    Feature,
    Lag,
    Over,
    SinceLast,
    ViewDeclaration,
    Window,
    ZScore,
)
from headrace_features.expressions import Column, Compiled, Dialect, ValueType, compile_expression
from headrace_features.view import ColumnType, ExpressionFeature, Input, KernelFeature, View

DEFAULT_RETAIN_MS = 30 * 86_400_000
ZSCORE_LEAST_VALUES = 11
"""Fewer earlier values are too few to judge a spread by."""

RESERVED_COLUMNS = frozenset(
    {
        "event_id", "event_time", "event_time_ms", "clock", "clock_ms", "generation", "source_partition",
        "source_offset",
        "revision", "declaration", "ingested_at", "ingested_at_ms", "emitted_at", "emitted_at_ms", "outcome", "letter",
        "record_key",
    }
)  # fmt: skip
"""Columns that stand beside the features on every row."""

_NUMERIC = ("int", "long", "double", "bool")
_WHOLE: dict[FieldType, ColumnType] = {
    "int": "long",
    "long": "long",
    "bool": "long",
    "double": "double",
    "string": "string",
}
_IN_EXPRESSIONS: dict[str, ValueType] = {
    "int": "double", "long": "double", "double": "double", "string": "string", "bool": "bool",
}  # fmt: skip


def load_view(path: Path, contracts: Mapping[str, Contract], *, root: Path | None = None) -> View:
    """Return the view that the YAML file declares.

    Args:
        path: The file, such as `features/subscriber.yaml`.
        contracts: The project's events by name.
        root: The project folder: names in messages are relative to it.

    Raises:
        DeclarationError: The file cannot be read, or what it declares does not fit its event.
    """
    shown = str(path.relative_to(root)) if root and path.is_relative_to(root) else str(path)
    return load_document(path, _Resolved, context={"contracts": contracts, "origin": shown}, root=root).view


def load_views(folder: Path, contracts: Mapping[str, Contract], *, root: Path | None = None) -> dict[str, View]:
    """Return the views of all `*.yaml` in `folder` by name.

    Raises:
        DeclarationError: A file declares no valid view, or two declare the same one.
    """
    views: dict[str, View] = {}
    for path in sorted(folder.glob("*.yaml")):
        view = load_view(path, contracts, root=root)
        if view.name in views:
            raise DeclarationError(
                f"{view.origin}: the view {view.name!r} is declared twice",
                {"first": views[view.name].origin, "expected": "one declaration a view"},
                "rename or remove one of the two",
            )
        views[view.name] = view
    return views


class _Resolved(ViewDeclaration):
    """A declaration whose view was resolved while it was validated, so that its problems get their lines."""

    _view: View | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> _Resolved:
        context = info.context or {}
        self._view = _Resolver(self, context["contracts"]).view(context["origin"])
        return self

    @property
    def view(self) -> View:
        """The view."""
        if self._view is None:
            raise RuntimeError("a declaration is resolved when it is validated")
        return self._view


class _Resolver:
    """Goes through one declaration once and collects inputs, kernel columns and the columns of a row."""

    def __init__(self, declaration: ViewDeclaration, contracts: Mapping[str, Contract]) -> None:
        self._declaration = declaration
        self._contract = _source(declaration, contracts)
        self._types: dict[str, FieldType] = {name: f.type for name, f in self._contract.fields.items()}
        self._derived: dict[str, Compiled] = {}
        self._used: dict[str, Input] = {}
        self._kernel: dict[str, KernelFeature] = {}
        self._columns: dict[str, KernelFeature | ExpressionFeature] = {}
        self._where: tuple[str | int, ...] = ()

    def view(self, origin: str) -> View:
        declaration = self._declaration
        for name, sql in declaration.derive.items():
            self._derive(name, sql)
        for index, feature in enumerate(declaration.features):
            kind = next(name for name in type(feature).model_fields if getattr(feature, name) is not None)
            self._where = ("features", index, kind)
            self._feature(feature)
        longest = max((f.over.length_ms for f in self._kernel.values() if f.over), default=0)
        retain_ms = max(longest, DEFAULT_RETAIN_MS) if declaration.retain is None else duration_ms(declaration.retain)
        if retain_ms < longest:
            raise DeclarationProblem(
                "'retain' is shorter than the longest window",
                {"longest window": f"{longest} ms"},
                "remove retain",
                ("retain",),
            )
        return View(
            name=declaration.name,
            contract=self._contract,
            key=declaration.key,
            inputs=tuple(self._used.values()),
            kernel=tuple(self._kernel.values()),
            columns=tuple(self._columns.values()),
            ttl_ms=duration_ms(declaration.ttl),
            dedup_ms=duration_ms(declaration.dedup),
            retain_ms=retain_ms,
            digest=_digest(declaration, self._contract),
            origin=origin,
        )

    # Derived values.

    def _derive(self, name: str, sql: str) -> None:
        if name in self._types:
            raise DeclarationProblem(
                f"derive {name!r} has the name of a field of the event",
                {"fields": ", ".join(self._types)},
                f"{name}_derived",
                ("derive", name),
            )
        what = f"derive {name!r}"
        later = [other for other in self._declaration.derive if other not in self._types]
        try:
            compiled = compile_expression(sql, self._fields_as_columns(), what=what)
        except DeclarationProblem as problem:
            exists = dict(problem.exists)
            if "exist" in exists:
                exists["later"] = ", ".join(later)
            raise DeclarationProblem(problem.failure, exists, problem.try_, ("derive", name)) from None
        self._derived[name] = compiled
        self._types[name] = compiled.type

    def _fields_as_columns(self) -> dict[str, Column]:
        columns = {}
        for name, declared in self._types.items():
            if declared not in _IN_EXPRESSIONS:
                continue
            if name in self._derived:
                columns[name] = Column(self._derived[name].type, self._derived[name].sql)
            else:
                columns[name] = _column(f"_f_{name}", declared)
        return columns

    # Features.

    def _feature(self, feature: Feature) -> None:
        part = feature.only
        match part:
            case Lag():
                self._lag(part)
            case Window():
                self._window(part)
            case ZScore():
                self._zscore(part)
            case SinceLast():
                self._add(KernelFeature("since_last_seconds", "since_last", "double"))
            case Calendar():
                for piece in part.take:
                    self._add(KernelFeature(piece, piece, "long", zone=part.zone))
            case Expression():
                self._expression(part)

    def _lag(self, part: Lag) -> None:
        for of in part.of:
            kind = self._read(of, "lag", ("int", "long", "double", "bool", "string"))
            for steps in part.steps:
                self._add(KernelFeature(f"{of}_lag_{steps}", "lag", _WHOLE[kind], of=of, steps=steps))

    def _window(self, part: Window) -> None:
        for of in part.of:
            for over in part.over:
                for statistic in part.take:
                    kind = self._read(
                        of,
                        f"{statistic} of a window",
                        _NUMERIC if statistic != "count" else (*_WHOLE, "timestamp"),
                    )
                    result: ColumnType = "long" if statistic == "count" else "double"
                    if statistic in ("min", "max"):
                        result = _WHOLE[kind]
                    name = f"{of}_{statistic}_{over.suffix}" + ("_before" if part.exclude_current else "")
                    self._add(
                        KernelFeature(name, statistic, result, of=of, over=over, exclude_current=part.exclude_current)
                    )

    def _zscore(self, part: ZScore) -> None:
        for of in part.of:
            kind = self._read(of, "zscore", _NUMERIC)
            # Booleans are 0 and 1 to statistics, but no numbers to expressions.
            value = f"CASE WHEN {of} THEN 1 WHEN NOT {of} THEN 0 END" if kind == "bool" else of
            for over in part.over:
                count, mean, std = (self._hidden(of, over, statistic) for statistic in ("count", "mean", "std"))
                name = f"{of}_zscore_{over.suffix}"
                sql = f"CASE WHEN {count} >= {ZSCORE_LEAST_VALUES} THEN ({value} - {mean}) / {std} END"
                self._add(ExpressionFeature(name, "double", self._compiled(name, sql)))

    def _hidden(self, of: str, over: Over, statistic: Literal["count", "mean", "std"]) -> str:
        """Have the kernel compute a statistic of the values before the event, and return the name of its column."""
        name = f"{of}_{statistic}_{over.suffix}_before"
        if isinstance(self._columns.get(name), ExpressionFeature):
            raise self._clash(name, "is declared as an expression, and 'zscore' needs it")
        # A window with exclude_current may have declared the same column openly.
        kind: ColumnType = "long" if statistic == "count" else "double"
        feature = KernelFeature(name, statistic, kind, of=of, over=over, exclude_current=True, hidden=True)
        self._kernel.setdefault(name, feature)
        return name

    def _expression(self, part: Expression) -> None:
        compiled = self._compiled(part.name, part.sql)
        self._add(ExpressionFeature(part.name, compiled.type, compiled))

    def _compiled(self, name: str, sql: str) -> Compiled:
        columns: dict[str, Column] = {}
        for field, declared in self._types.items():
            if declared in _IN_EXPRESSIONS:
                columns[field] = _column(f"_in_{field}", declared)
        for feature in self._kernel.values():
            columns[feature.name] = _column(feature.name, feature.type)
        for column in self._columns.values():
            if isinstance(column, ExpressionFeature):
                columns[column.name] = Column(column.compiled.type, column.compiled.sql)
        try:
            compiled = compile_expression(sql, columns, what=f"expression {name!r}")
        except DeclarationProblem as problem:
            raise DeclarationProblem(problem.failure, problem.exists, problem.try_, (*self._where, "sql")) from None
        for read in compiled.reads & self._types.keys():
            self._use(read)
        return compiled

    def _read(self, of: str, what: str, types: tuple[str, ...]) -> FieldType:
        kind = self._types.get(of)
        place = (*self._where, "of")
        if kind is None:
            label = f"event {self._contract.name!r} version {self._contract.version}"
            raise DeclarationProblem(
                f"{self._where[-1]!r} reads the field {of!r}, which {label} does not have",
                {"fields": ", ".join(self._contract.fields), "derived": ", ".join(self._derived)},
                f"of: {closest(of, self._types) or next(iter(self._types))}",
                place,
            )
        if kind not in types:
            fitting = [name for name, other in self._types.items() if other in types]
            raise DeclarationProblem(
                f"{what} reads {of!r}, which is a {kind}",
                {"types": ", ".join(types), "fields": ", ".join(fitting)},
                f"of: {fitting[0]}" if fitting else "another feature",
                place,
            )
        self._use(of)
        return kind

    def _use(self, name: str) -> None:
        self._used.setdefault(name, Input(name, self._types[name], self._derived.get(name)))

    def _add(self, column: KernelFeature | ExpressionFeature) -> None:
        name = column.name
        taken = "is a column of every row" if name in RESERVED_COLUMNS or name == self._declaration.key else None
        if name in self._columns:
            taken = "is declared twice"
        elif name in self._kernel and isinstance(column, ExpressionFeature):
            taken = "is one that 'zscore' needs"
        if taken:
            raise self._clash(name, taken)
        self._columns[name] = column
        if isinstance(column, KernelFeature):
            self._kernel[name] = column

    def _clash(self, name: str, why: str) -> DeclarationProblem:
        columns = {"columns": ", ".join(self._columns)}
        return DeclarationProblem(
            f"the column {name!r} {why}", columns, "another name, or remove one of the two", self._where
        )


def _source(declaration: ViewDeclaration, contracts: Mapping[str, Contract]) -> Contract:
    contract = contracts.get(declaration.source)
    if contract is None:
        raise DeclarationProblem(
            f"'source' names the event {declaration.source!r}, which the project does not declare",
            {"events": ", ".join(contracts) or "none: events/*.yaml is empty"},
            f"source: {closest(declaration.source, contracts) or next(iter(contracts), 'call')}",
            ("source",),
        )
    if declaration.key != contract.key:
        raise DeclarationProblem(
            f"'key' is {declaration.key!r}, but the event {contract.name!r} is keyed by {contract.key!r}",
            {"expected": "the key of the event: its order is the order of the view"},
            f"key: {contract.key}",
            ("key",),
        )
    return contract


def _column(name: str, declared: str) -> Column:
    """Return a column under this name in both engines, as a double where it is a number."""
    number = _IN_EXPRESSIONS[declared] == "double" and declared != "double"
    plain: dict[Dialect, str] = {"flink": f"`{name}`", "duckdb": f'"{name}"'}
    return Column(_IN_EXPRESSIONS[declared], {d: f"CAST({s} AS DOUBLE)" for d, s in plain.items()} if number else plain)


def _digest(declaration: ViewDeclaration, contract: Contract) -> str:
    content = declaration.model_dump(mode="json", exclude={"description"})
    text = json.dumps([content, contract.digest], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
