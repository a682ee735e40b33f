"""Files that are no part of the lake and are read beside it: `ext.<name>` in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import duckdb

from headrace_lake.errors import LakeError, QueryError
from headrace_lake.views import EXTERNAL, quoted, text, text_list

FileFormat = Literal["parquet", "csv", "jsonl"]

FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)

_SUFFIXES: dict[str, FileFormat] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}


@dataclass(frozen=True, slots=True)
class ExternalTable:
    """Files of one form, read as one table.

    Attributes:
        name: Its name; `ext.<name>` in SQL.
        format: Form of the files; CSV and JSON Lines may be compressed by gzip.
        files: The files, absolute, links resolved; none when they are gone.
        columns: Column → its DuckDB type.
        path: What was registered: a file or a pattern, for messages.
    """

    name: str
    format: FileFormat
    files: tuple[str, ...]
    columns: Mapping[str, str]
    path: str

    @property
    def full_name(self) -> str:
        """Name in SQL."""
        return f"{EXTERNAL}.{self.name}"

    def check_is_there(self) -> None:
        """Do nothing when there are files.

        Raises:
            QueryError: There are none.
        """
        if not self.files:
            raise QueryError(
                f"the files of {self.full_name} are gone",
                {"registered": self.path},
                f"headrace lake register PATH --name {self.name} --replace",
            )

    def view_statement(self) -> str:
        """Return the statement that makes its view."""
        columns = ", ".join(f"{quoted(name)}::{kind} AS {quoted(name)}" for name, kind in self.columns.items())
        return (
            f"CREATE VIEW {EXTERNAL}.{quoted(self.name)} AS "
            f"SELECT {columns} FROM {reader_of(self.format, self.files, self.columns)}"
        )


def format_of(path: Path) -> FileFormat:
    """Return the form of a file, by its name.

    Raises:
        LakeError: Its name does not say.
    """
    suffix = Path(path.stem if path.suffix == ".gz" else path.name).suffix.lower()
    if suffix not in _SUFFIXES:
        raise LakeError(
            f"the name of {path.name} does not say what is in it",
            {"endings": f"{', '.join(_SUFFIXES)}; also with .gz"},
            f"--format {FORMATS[0]}",
        )
    return _SUFFIXES[suffix]


def infer_columns(form: FileFormat, files: Sequence[str]) -> dict[str, str]:
    """Return column → DuckDB type of files, from what stands in them.

    Raises:
        LakeError: They cannot be read as this form.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        try:
            found = connection.execute(f"DESCRIBE SELECT * FROM {reader_of(form, files, {})}").fetchall()
        except duckdb.Error as error:
            raise LakeError(
                f"{files[0]} cannot be read as {form}: {str(error).strip().splitlines()[0]}",
                {"forms": ", ".join(FORMATS)},
                "--format FORM, when the name of the file misleads",
            ) from error
    return {name: kind for name, kind, *_ in found}


def reader_of(form: FileFormat, files: Sequence[str], columns: Mapping[str, str]) -> str:
    """Return the call, in SQL, that reads files.

    Args:
        form: Form of the files.
        files: The files.
        columns: Column → type that text is read as; none: inferred.
    """
    listed = text_list(files)
    types = ", ".join(f"{text(name)}: {text(kind)}" for name, kind in columns.items())
    if form == "parquet":
        return f"read_parquet({listed}, union_by_name = true)"
    if form == "csv":
        return f"read_csv({listed}, union_by_name = true{f', types = {{{types}}}' if types else ''})"
    given = f", columns = {{{types}}}" if types else ""
    return f"read_json({listed}, format = 'newline_delimited'{given})"
