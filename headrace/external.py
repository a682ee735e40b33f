"""Files of others that a project reads as tables: `external/<name>.yaml`, `ext.<name>` in SQL."""

import glob
import os
import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from headrace_ingestion.documents import DeclarationProblem, load_document, load_folder
from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.fields import Name
from headrace_lake.external import ExternalTable, format_of, infer_columns
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from headrace.project import Project

_TYPE = re.compile(r"""[A-Za-z][\w ,()\[\]"]*""")


class RegisterError(HeadraceError):
    """Files cannot be registered."""


def _types(columns: dict[str, str]) -> dict[str, str]:
    for name, kind in columns.items():
        if _TYPE.fullmatch(kind) is None:
            raise DeclarationProblem(
                f"{kind!r} is no type of column {name!r}", {"expected": "a type of DuckDB"}, "DOUBLE"
            )
    return columns


class ExternalDeclaration(BaseModel):
    """Files that are read as one table.

    Attributes:
        name: `ext.<name>` in SQL.
        path: A file, or a pattern such as `data/*.parquet`; relative to the project folder.
        format: Form of the files.
        columns: Column → type of DuckDB, as inferred when they were registered.
        description: For people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="an external table")

    name: Name
    path: str
    format: Literal["parquet", "csv", "jsonl"]
    columns: Annotated[dict[str, str], Field(min_length=1), AfterValidator(_types)]
    description: str | None = None


def external_tables(project: Project) -> list[ExternalTable]:
    """Return the tables that `external/*.yaml` declares, with the files that are there now.

    Raises:
        DeclarationError: A file of the catalogue is wrong, or two name one table.
    """
    found = load_folder(
        project.folder / "external",
        lambda path: load_document(path, ExternalDeclaration, root=project.folder),
        "external table",
        root=project.folder,
    )
    return [_table(project, one) for one in found.values()]


def _table(project: Project, one: ExternalDeclaration) -> ExternalTable:
    files = [file for file in _files(project, one.path) if _is_allowed(project, file)]
    return ExternalTable(one.name, one.format, tuple(map(str, files)), one.columns, one.path)


def register(
    project: Project,
    path: str,
    name: str,
    *,
    form: Literal["parquet", "csv", "jsonl"] | None = None,
    replace: bool = False,
) -> ExternalTable:
    """Infer the columns of files, and add them to the catalogue of the project.

    Args:
        project: The project.
        path: A file, or a pattern; relative to the project folder.
        name: `ext.<name>` in SQL.
        form: Form of the files; None: what their names say.
        replace: Whether a table of this name may be there already.

    Raises:
        RegisterError: There are no such files, they are outside the allowed folders, or the name is taken.
        LakeError: The files cannot be read.
    """
    target = project.folder / "external" / f"{name}.yaml"
    if target.exists() and not replace:
        raise RegisterError(
            f"ext.{name} is registered already",
            {"file": str(target.relative_to(project.folder))},
            f"headrace lake register {path} --name {name} --replace",
        )
    files = _checked(project, path)
    chosen = form or format_of(files[0])
    columns = infer_columns(chosen, [str(file) for file in files])
    try:
        made = ExternalDeclaration(name=name, path=path, format=chosen, columns=columns)
    except ValueError as error:
        raise RegisterError(
            f"{name!r} is not a name",
            {"expected": "lower-case letters, digits and underscores, a letter first"},
            "rates",
        ) from error
    _write(target, made)
    return ExternalTable(name, chosen, tuple(map(str, files)), columns, path)


def _write(target: Path, made: ExternalDeclaration) -> None:
    text = yaml.safe_dump(made.model_dump(exclude_none=True), sort_keys=False, allow_unicode=True)
    try:
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RegisterError(
            f"{target} cannot be written: {error.strerror}", {"expected": "a project folder that can be written"}
        ) from error


def _checked(project: Project, path: str) -> list[Path]:
    files = _files(project, path)
    if not files:
        raise RegisterError(
            f"there is no file {path}",
            {"where": str(project.folder), "expected": "a file, or a pattern in quotes"},
            "headrace lake register 'data/*.parquet' --name rates",
        )
    for file in files:
        if not _is_allowed(project, file):
            raise RegisterError(
                f"{file} is outside the folders that queries may read",
                {
                    "folders": ", ".join(map(str, _allowed(project))),
                    "setting": "lake.external_folders in headrace.yaml",
                },
                f"lake: {{external_folders: [{file.parent}]}}",
            )
    return files


def _files(project: Project, path: str) -> list[Path]:
    """Return the files of a path or pattern, links resolved: what is allowed is where a file really is."""
    found = sorted(glob.glob(os.fspath(project.folder / path), recursive=True))  # noqa: PTH207 - also absolute patterns
    return [Path(one).resolve() for one in found if Path(one).is_file()]


def _allowed(project: Project) -> list[Path]:
    settings = project.settings.lake
    return [(project.folder / folder).resolve() for folder in (".", *settings.external_folders)]


def _is_allowed(project: Project, file: Path) -> bool:
    # What the stack writes has tables of its own, with rules of their own.
    is_own = file.is_relative_to(project.folders.root.resolve())
    return not is_own and any(file.is_relative_to(folder) for folder in _allowed(project))
