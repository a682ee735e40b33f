"""Which column, constant or text of a file's name becomes which field of an event."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from headrace_ingestion.contract import Contract
from headrace_ingestion.durations import duration_ms
from headrace_ingestion.errors import closest
from headrace_ingestion.fields import Field

from headrace.events.errors import MappingError, SourceError
from headrace.events.sources import Source
from headrace.events.values import Convert, converter, shifted, time_zone

EVENT_ID_COLUMN = "event_id"
PLACEHOLDERS = ("stem", "parent", "name")

_PLACEHOLDER = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True)
class Reading:
    """How rows become events; a field takes the column of its own name unless something else is said.

    Attributes:
        columns: Field → column.
        constants: Field → text, converted to the field's type; `{stem}`, `{parent}` and `{name}` stand for the file's
            name without suffixes, its folder's name, and its whole name.
        key: What stands in the contract's key field: a column, or a text with placeholders.
        shifts: Timestamp field → what is added to it.
        event_id: Column of the event id; None: `event_id` where the file has it, else ids are made.
        time_zone: IANA zone of timestamps that have none; None: UTC in CSV and Parquet, refused in JSON Lines.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    shifts: Mapping[str, timedelta] = field(default_factory=dict)
    event_id: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True)
class FieldPlan:
    """The reading of one file.

    Attributes:
        sources: Field, column and conversion of each field that a column gives.
        constants: Field → value of the others.
        id_column: Column of the event id, or None.
        ignored: Columns of the file that nothing reads; empty for JSON Lines, whose columns are not known before.
    """

    sources: tuple[tuple[str, str, Convert | None], ...]
    constants: Mapping[str, Any]
    id_column: str | None
    ignored: tuple[str, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        read = [column for _, column, _ in self.sources] + [self.id_column or ""]
        return tuple(dict.fromkeys(filter(None, read)))

    def fields(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of one row; what the contract will refuse stays as it is."""
        found = dict(self.constants)
        for name, column, convert in self.sources:
            value = values.get(column)
            if value is not None:
                found[name] = convert(value) if convert is not None else value
        return found

    def event_id(self, values: Mapping[str, Any]) -> str | None:
        """Return the id that the row has of its own."""
        given = values.get(self.id_column) if self.id_column else None
        return None if given is None else str(given)

    def unread(self, values: Mapping[str, Any]) -> list[str]:
        """Return the columns of one row that nothing reads."""
        return [name for name in values if name not in self.columns]


def plan_fields(contract: Contract, reading: Reading, source: Source, header: tuple[str, ...] | None) -> FieldPlan:
    """Return how the rows of a file become events.

    Args:
        contract: The event's contract.
        reading: What the user said.
        source: The file.
        header: Its columns; None for JSON Lines.

    Raises:
        MappingError: An option names what is not there, or is of the wrong form.
        SourceError: A required field has no column.
    """
    _check_names(contract, reading)
    columns, constants = _with_key(contract, reading)
    zone = time_zone(reading.time_zone) if reading.time_zone else None
    sources = []
    for name, declared in contract.fields.items():
        if name in constants:
            continue
        column = columns.get(name, name)
        if header is not None and column not in header:
            _check_may_lack(contract, name, declared, column, source, header, is_asked_for=name in columns)
            continue
        convert = converter(declared, source.format, zone)
        if name in reading.shifts:
            convert = shifted(convert, reading.shifts[name])
        sources.append((name, column, convert))
    id_column = _id_column(reading, source, header)
    read = {column for _, column, _ in sources} | {id_column}
    return FieldPlan(
        sources=tuple(sources),
        constants={name: _constant(contract, name, text, source, zone) for name, text in constants.items()},
        id_column=id_column,
        ignored=tuple(column for column in header or () if column not in read),
    )


def reading_digest(contract: Contract, reading: Reading, source: Source) -> str:
    """Return sixteen hexadecimal digits of the event, the file's content and its reading: the same for a repeat.

    Raises:
        SourceError: The file cannot be read.
    """
    columns, constants = _with_key(contract, reading)
    shifts = {name: duration_ms(by) for name, by in reading.shifts.items()}
    # The place of a file counts where its events may take something of it: equal files may hold different series.
    place = (source.path.absolute().parent.name, source.path.name) if constants else ()
    said = [sorted(part.items()) for part in (columns, constants, shifts)]
    return hashlib.sha256(repr((contract.name, source.digest, said, place)).encode()).hexdigest()[:16]


def _with_key(contract: Contract, reading: Reading) -> tuple[dict[str, str], dict[str, str]]:
    columns, constants = dict(reading.columns), dict(reading.constants)
    if reading.key is not None:
        (constants if _PLACEHOLDER.search(reading.key) else columns)[contract.key] = reading.key
    return columns, constants


def _check_names(contract: Contract, reading: Reading) -> None:
    given = {"--map": reading.columns, "--value": reading.constants, "--shift": reading.shifts}
    for option, names in given.items():
        for name in names:
            if name not in contract.fields:
                raise MappingError(
                    f"{option} names the field {name!r}, "
                    f"which event {contract.name!r} version {contract.version} does not have",
                    {"fields": ", ".join(contract.fields), "contract": contract.place_of(None)},
                    f"{option} {closest(name, contract.fields) or next(iter(contract.fields))}=…",
                )
    for name in reading.shifts:
        if contract.fields[name].type != "timestamp":
            raise MappingError(
                f"--shift names the field {name!r} of type {contract.fields[name].type}",
                {"timestamps": ", ".join(n for n, f in contract.fields.items() if f.type == "timestamp")},
                f"--shift {contract.time}=24h",
            )
    twice = sorted(set(reading.columns) & set(reading.constants))
    if reading.key is not None and contract.key in {*reading.columns, *reading.constants}:
        twice = [contract.key]
    if twice:
        raise MappingError(
            f"the field {twice[0]!r} is given twice",
            {"expected": "one of --map, --value and --key for a field"},
            "keep one of them",
        )


def _check_may_lack(
    contract: Contract,
    name: str,
    declared: Field,
    column: str,
    source: Source,
    header: Collection[str],
    *,
    is_asked_for: bool,
) -> None:
    if not declared.is_needed and not is_asked_for:
        return
    wanted = f"column {column!r}" if is_asked_for else f"column for the required field {name!r}"
    near = closest(column, header) or next((other for other in header if other not in contract.fields), "COLUMN")
    raise SourceError(
        f"the file {source.path} has no {wanted}",
        {"columns": ", ".join(header), "contract": contract.place_of(name)},
        "--key COLUMN, or --key '{stem}'" if name == contract.key else f"--map {name}={near}, or --value {name}=TEXT",
    )


def _id_column(reading: Reading, source: Source, header: tuple[str, ...] | None) -> str | None:
    column = reading.event_id
    if header is None:
        return column or EVENT_ID_COLUMN
    if column is None:
        return EVENT_ID_COLUMN if EVENT_ID_COLUMN in header else None
    if column not in header:
        near = closest(column, header)
        raise SourceError(
            f"the file {source.path} has no column {column!r}",
            {"columns": ", ".join(header), "asked by": f"--event-id {column}"},
            f"--event-id {near}" if near else "leave --event-id out, and ids are made",
        )
    return column


def _constant(contract: Contract, name: str, text: str, source: Source, zone: Any) -> Any:
    parts = {"stem": source.stem, "parent": source.path.absolute().parent.name, "name": source.path.name}
    wrong = [found for found in _PLACEHOLDER.findall(text) if found not in parts]
    if wrong:
        raise MappingError(
            f"the text {text!r} for the field {name!r} has the placeholder {{{wrong[0]}}}",
            {"known": ", ".join(f"{{{part}}}" for part in PLACEHOLDERS)},
            text.replace(f"{{{wrong[0]}}}", f"{{{closest(wrong[0], PLACEHOLDERS) or 'stem'}}}"),
        )
    rendered = _PLACEHOLDER.sub(lambda match: parts[match[1]], text)
    convert = converter(contract.fields[name], "csv", zone)
    return convert(rendered) if convert else rendered
