"""What people ask the lake: named queries of the project, the limits of workgroups, files of answers."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headrace_ingestion.errors import HeadraceError, SettingsError, closest

from headrace.project import Project
from headrace.settings.lake import DEFAULT_WORKGROUP, WorkgroupSettings

if TYPE_CHECKING:
    import pyarrow as pa
    from headrace_lake.query import Limits

FileFormat = Literal["csv", "json", "parquet"]

_COMMENT_OR_TEXT = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", re.DOTALL)
_PARAMETER = re.compile(r"\$([A-Za-z_]\w*)")


class QueryFileError(HeadraceError):
    """The file of a query cannot be read, or that of an answer cannot be written."""


@dataclass(frozen=True)
class NamedQuery:
    """A file of `queries/`.

    Attributes:
        name: Name of the file, without `.sql`.
        path: The file.
    """

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        """The query.

        Raises:
            QueryFileError: It cannot be read.
        """
        return read_query(self.path)

    @property
    def description(self) -> str | None:
        """The comment that the file begins with."""
        lines = []
        for line in self.text.splitlines():
            if not line.startswith("--"):
                break
            lines.append(line.removeprefix("--").strip())
        return " ".join(lines) or None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the values it asks for (`$day`), in order."""
        return tuple(dict.fromkeys(_PARAMETER.findall(_COMMENT_OR_TEXT.sub(" ", self.text))))


def named_queries(project: Project) -> dict[str, NamedQuery]:
    """Return the queries of the project's folder `queries` by name."""
    files = sorted((project.folder / "queries").glob("*.sql"))
    return {file.stem: NamedQuery(file.stem, file) for file in files}


def named_query(project: Project, name: str) -> NamedQuery:
    """Return the query of this name.

    Raises:
        QueryFileError: There is none.
    """
    queries = named_queries(project)
    if name not in queries:
        match = closest(name, queries)
        raise QueryFileError(
            f"there is no query {name!r}",
            {"queries": ", ".join(queries) or "none: queries/*.sql is empty"},
            f"headrace lake sql --name {match}" if match else "headrace lake queries",
        )
    return queries[name]


def read_query(path: Path) -> str:
    """Return the text of a query file.

    Raises:
        QueryFileError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise QueryFileError(
            f"the query file {path} cannot be read: {why}",
            {"expected": "a text file with one SELECT"},
            "headrace lake queries",
        ) from error


def query_limits(
    project: Project, workgroup: str | None = None, *, seconds: float | None = None, rows: int | None = None
) -> "Limits":
    """Return what a query may use.

    Args:
        project: The project.
        workgroup: Name of a workgroup of the settings; None: `default`, when the settings have it.
        seconds: A shorter time. Where no workgroup is set up it may be longer, too.
        rows: Fewer rows.

    Raises:
        SettingsError: There is no such workgroup, or more is asked for than it allows.
    """
    from headrace_lake.query import Limits

    groups = project.settings.lake.workgroups
    name = workgroup or DEFAULT_WORKGROUP
    if workgroup is not None and workgroup not in groups:
        raise SettingsError(
            f"there is no workgroup {workgroup!r}",
            {"workgroups": ", ".join(groups) or "none", "setting": "lake.workgroups in headrace.yaml"},
            f"--workgroup {closest(workgroup, groups) or next(iter(groups), DEFAULT_WORKGROUP)}",
        )
    group = groups.get(name, WorkgroupSettings())
    if name in groups:
        _check_within("seconds", seconds, group.seconds, name)
        _check_within("rows", rows, group.rows, name)
    return Limits(
        seconds=seconds or group.seconds,
        memory_bytes=group.memory_bytes,
        disk_bytes=group.disk_bytes,
        rows=rows or group.rows,
    )


def write_answer(table: "pa.Table", path: Path, form: FileFormat) -> None:
    """Write an answer to a file, which is replaced when it is whole.

    Raises:
        QueryFileError: It cannot be written.
    """
    import pyarrow.csv
    import pyarrow.parquet

    with _written(path) as aside:
        if form == "parquet":
            pyarrow.parquet.write_table(table, aside, compression="zstd")
        elif form == "csv":
            pyarrow.csv.write_csv(flat(table), aside)
        else:
            with aside.open("wb") as file:
                file.writelines(json_lines(table))


def write_text(text: str, path: Path) -> None:
    """Write a text to a file, which is replaced when it is whole.

    Raises:
        QueryFileError: It cannot be written.
    """
    with _written(path) as aside:
        aside.write_text(text, encoding="utf-8")


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """Hand out a file beside `path` and put it in its place when the block has ended well."""
    aside = path.with_name(f".{path.name}.part")
    try:
        yield aside
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise QueryFileError(
            f"{path} cannot be written: {error.strerror or error}",
            {"expected": "a file in a folder that exists and can be written"},
            f"--out {path.name}",
        ) from error


def flat(table: "pa.Table") -> "pa.Table":
    """Return a table that CSV can hold: lists and objects become JSON texts."""
    import orjson
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            values = table.column(index).to_pylist()
            texts = [None if value is None else orjson.dumps(value, default=str).decode() for value in values]
            table = table.set_column(index, field.name, pa.array(texts, pa.string()))
    return table


def json_lines(table: "pa.Table") -> "list[bytes]":
    """Return each row as a JSON object with a line end."""
    import orjson

    return [orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE) for row in table.to_pylist()]


def _check_within(name: str, asked: float | None, allowed: float | None, workgroup: str) -> None:
    if asked is not None and allowed is not None and asked > allowed:
        raise SettingsError(
            f"{asked:g} {name} are more than the workgroup {workgroup!r} allows",
            {"limit": f"{allowed:g}", "setting": f"lake.workgroups.{workgroup}.{name} in headrace.yaml"},
            f"--{name} {allowed:g}",
        )
