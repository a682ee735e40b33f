"""Rows against their contract, without sending: what would be refused, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO

from headrace_ingestion.codec import compile_encoder
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import EventError
from headrace_ingestion.pii import PiiSecret

from headrace.events.mapping import FieldPlan, Reading, plan_fields
from headrace.events.rows import Row, header, json_rows, read_rows
from headrace.events.sources import Format, Source, find_source

_Fields = Callable[[Mapping[str, Any]], dict[str, Any]]

STANDARD_INPUT = "-"
NOT_A_ROW = "not_a_row"
"""Reason of a line that holds no row: not JSON, or not as many values as the header has."""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that would not be, or was not, sent.

    Attributes:
        file: The file, `-` for standard input.
        line: The line of a text file, the number of the row from 1 in Parquet.
        reason: A reason of a dead letter, or `not_a_row`.
        detail: What is wrong, with field and value.
    """

    file: str
    line: int
    reason: str
    detail: str


@dataclass
class CheckReport:
    """What a check found.

    Attributes:
        event: Name of the event.
        files: The files.
        accepted: Number of rows that the contract accepts.
        refused: Number of rows that it refuses.
        reasons: Reason → number of rows.
        refusals: The first refused rows, at most `shown`.
        ignored: Columns that the contract does not have.
        shown: Most refused rows that are listed.
    """

    event: str
    files: list[str] = field(default_factory=list)
    accepted: int = 0
    refused: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    refusals: list[RefusedRow] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    shown: int = 20

    def refuse(self, row: RefusedRow) -> None:
        """Count a refused row and keep it when it is one of the first."""
        self.refused += 1
        self.reasons[row.reason] = self.reasons.get(row.reason, 0) + 1
        if len(self.refusals) < self.shown:
            self.refusals.append(row)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


def check_files(
    contract: Contract,
    files: Sequence[Path | BinaryIO],
    reading: Reading | None = None,
    *,
    form: Format | None = None,
    shown: int = 20,
    limit: int | None = None,
) -> CheckReport:
    """Return what the contract says to every row.

    A row of JSON Lines is judged as the SDK would judge it: a field that the contract does not have is refused. In CSV
    and Parquet, columns that the contract does not have are ignored and listed.

    Args:
        contract: The contract.
        files: Paths; an open file (standard input) holds JSON Lines.
        reading: How rows become events.
        form: Format of the files, when their names do not say it.
        shown: Most refused rows that are listed.
        limit: Most rows that are read.

    Raises:
        SourceError: A file is missing, cannot be read, or lacks a required column.
        MappingError: The reading does not fit the contract.
    """
    said = reading or Reading()
    report = CheckReport(contract.name, shown=shown)
    # Nothing is sent: any secret does.
    encode = compile_encoder(contract, PiiSecret(token_hex()))
    for name, row, fields in islice(_rows(contract, files, said, form, report), limit):
        if row.values is None:
            report.refuse(RefusedRow(name, row.line, NOT_A_ROW, row.problem))
            continue
        try:
            encode(fields(row.values))
        except EventError as error:
            report.refuse(RefusedRow(name, row.line, error.reason, error.detail))
        else:
            report.accepted += 1
    return report


def _rows(
    contract: Contract, files: Sequence[Path | BinaryIO], reading: Reading, form: Format | None, report: CheckReport
) -> Iterator[tuple[str, Row, _Fields]]:
    for file in files:
        if isinstance(file, Path):
            source = find_source(file, form)
            columns = header(source)
            plan = plan_fields(contract, reading, source, columns)
            fields = partial(_as_sent, plan) if columns is None else plan.fields
            rows: Iterator[Row] = (row for chunk in read_rows(source, plan.columns) for row in chunk.rows)
        else:
            source = Source(Path(STANDARD_INPUT), "jsonl", is_gzip=False)
            plan = plan_fields(contract, reading, source, None)
            fields = partial(_as_sent, plan)
            rows = json_rows(file)
        report.files.append(str(source.path))
        report.ignored.extend(name for name in plan.ignored if name not in report.ignored)
        for row in rows:
            yield str(source.path), row, fields


def _as_sent(plan: FieldPlan, values: Mapping[str, Any]) -> dict[str, Any]:
    return plan.fields(values) | {column: values[column] for column in plan.unread(values)}
