"""The sinks of a project: each with its table, what it sends, and its endpoint."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from headrace_ingestion.errors import DeclarationError, HeadraceError, closest
from headrace_lake.tables import TableSpec

from headrace.project import Project
from headrace.sinks.declaration import SinkDeclaration, completed
from headrace.sinks.rows import SinkRows
from headrace.sinks.sink import Sink
from headrace.sinks.target import Endpoint
from headrace.tables import project_tables


class UnknownSinkError(HeadraceError):
    """There is no sink of that name."""


@dataclass(frozen=True)
class SinkParts:
    """What a sink is made of, checked.

    Attributes:
        declaration: What its file says.
        spec: Its table.
        rows: Makes of records what is sent.
        endpoint: Where to.
    """

    declaration: SinkDeclaration
    spec: TableSpec
    rows: SinkRows
    endpoint: Endpoint


def sink_declaration(project: Project, name: str) -> SinkDeclaration:
    """Return a declared sink.

    Raises:
        UnknownSinkError: There is none of that name.
        DeclarationError: A declaration is wrong.
    """
    if name not in project.sinks:
        raise UnknownSinkError(
            f"the project declares no sink {name!r}",
            {"sinks": ", ".join(project.sinks) or "none", "where": str(project.folder / "sinks")},
            closest(name, project.sinks) or f"sinks/{name}.yaml",
        )
    return project.sinks[name]


def sink_parts(
    project: Project,
    declaration: SinkDeclaration,
    *,
    stop: threading.Event | None = None,
    environ: Mapping[str, str] | None = None,
) -> SinkParts:
    """Return what a sink is made of.

    Args:
        project: The project.
        declaration: The sink.
        stop: Ends its pauses.
        environ: The environment; the process's own when None.

    Raises:
        DeclarationError: There is no such table.
        ExpressionError: `where` or `select` is wrong.
        FixError: There is no function `transform`.
        SettingsError: A variable of the environment is missing or wrong.
    """
    specs = {spec.full_name: spec for spec in project_tables(project)}
    spec = specs.get(declaration.table)
    if spec is None:
        raise DeclarationError(
            f"sinks/*.yaml: the sink {declaration.name!r} is of the table {declaration.table!r}, which has no topic",
            {"tables": ", ".join(specs)},
            f"table: {closest(declaration.table, specs) or next(iter(specs))}",
        )
    rows = SinkRows(declaration, spec, project.folder)
    url, headers = completed(declaration, os.environ if environ is None else environ)
    ca = declaration.http.ca
    http = declaration.http.model_copy(update={"ca": None if ca is None else str(project.folder / ca)})
    return SinkParts(declaration, spec, rows, Endpoint(http, url, headers, stop or threading.Event()))


def open_sink(project: Project, declaration: SinkDeclaration, stop: threading.Event) -> Sink:
    """Return a sink that can run; see `sink_parts` for what may be wrong."""
    parts = sink_parts(project, declaration, stop=stop)
    group = f"{project.settings.kafka.topic_prefix}headrace-sink.{project.settings.name}.{declaration.name}"
    return Sink(project.connection(), declaration, parts.spec, parts.rows, parts.endpoint, group)
