"""Declarations of tables: which columns, from which topic, read how. Knows neither Arrow nor Delta."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from headrace_ingestion.access_card import AccessCard, Period
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import closest
from headrace_ingestion.fields import Field, FieldType

from headrace_lake.errors import LakeError
from headrace_lake.layout import Schema, topic_of

ColumnType = Literal["string", "bool", "int", "long", "double", "timestamp", "declared", "reasons"]
"""Types of columns; `reasons` are those of a score, a list of {feature, value, contribution}, `declared` is the rest of
the types of a contract, which the column's `declared` says."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: Name of the column.
        type: Its type; timestamps are UTC, in the record as milliseconds since 1970.
        source: The field of the record; None means the field of the same name (for a timestamp: with `_ms`).
        required: Whether a record without it is unreadable.
        declared: Of the type `declared`: the field of the contract.
    """

    name: str
    type: ColumnType
    source: str | None = None
    required: bool = False
    declared: Field | None = None

    @property
    def field(self) -> str:
        """Name of the record's field that fills this column."""
        if self.source is not None:
            return self.source
        return f"{self.name}_ms" if self.type == "timestamp" else self.name


PLACE_COLUMNS = (
    Column("_partition", "int"),
    Column("_offset", "long"),
    Column("_key", "string"),
    Column("_recorded_at", "timestamp"),
)
"""Stand in every table after the record's own columns: where the record stood in its topic."""


@dataclass(frozen=True, slots=True)
class Partition:
    """By what the files of a table stand in folders.

    Attributes:
        column: The column; that of a period holds text and is in no record.
        period: The period of event time that the column names, such as `2025-01-31`; None: a column of its own.
    """

    column: str
    period: Period | None = None


@dataclass(frozen=True)
class TableSpec:
    """A table of the lake and the topic that feeds it.

    Attributes:
        schema: Schema of the table.
        name: Name of the table.
        topic: The topic, prefix included.
        columns: The record's own columns, in order.
        time_column: The timestamp by which files are pruned.
        key_column: The column that rows are asked for by; compacted files are sorted by it.
        contract: For events: the contract that reads a record. None: a record is a JSON object of the columns' fields.
        dead_letters_here: For events: the writer itself records what the contract refuses, because no job reads them.
        unique_by: Of rows equal in these columns the first is kept, over the whole table.
        committed_only: Whether records of open or aborted Kafka transactions are left out.
        partition: By what files stand in folders, of a table that is made now.
        sort_by: Columns that rows of a compacted file are sorted by before key and time.
    """

    schema: Schema
    name: str
    topic: str
    columns: tuple[Column, ...]
    time_column: str
    key_column: str = "_key"
    contract: Contract | None = None
    dead_letters_here: bool = False
    unique_by: tuple[str, ...] = ()
    committed_only: bool = True
    partition: Partition | None = None
    sort_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [column.name for column in self.all_columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise LakeError(
                f"table {self.full_name} has the column {twice[0]!r} twice",
                {"columns": ", ".join(names)},
                f"rename the field or feature {twice[0]!r}",
            )
        missing = [name for name in (self.time_column, self.key_column, *self.unique_by) if name not in names]
        if missing:
            raise LakeError(
                f"table {self.full_name} names the column {missing[0]!r}, which it does not have",
                {"columns": ", ".join(names)},
                closest(missing[0], names),
            )

    @property
    def full_name(self) -> str:
        """Name in SQL: `<schema>.<name>`."""
        return f"{self.schema}.{self.name}"

    @property
    def sort_columns(self) -> tuple[str, ...]:
        """Order of rows inside a compacted file.

        By key and time, unless `sort_by` says more; the writer looks for repeats of a table with `unique_by` by time,
        so there time comes first.
        """
        key_and_time = (self.key_column, self.time_column)
        columns = (*self.sort_by, *(reversed(key_and_time) if self.unique_by else key_and_time))
        return (*dict.fromkeys(columns), "_partition", "_offset")

    @cached_property
    def all_columns(self) -> tuple[Column, ...]:
        """The record's own columns and those of its place."""
        return (*self.columns, *PLACE_COLUMNS)


def events_table(
    contract: Contract, prefix: str = "", *, dead_letters_here: bool = False, committed_only: bool = False
) -> TableSpec:
    """Return the table of an event.

    Args:
        contract: Contract of the event.
        prefix: What stands before every topic of the project.
        dead_letters_here: True for an event that no view reads: no job records what its contract refuses.
        committed_only: True for a topic that is written in transactions.
    """
    envelope = (
        Column("event_id", "string", required=True),
        Column("_contract", "string", required=True),
        Column("_trace", "string"),
    )
    fields = tuple(_event_column(name, field) for name, field in contract.fields.items())
    return TableSpec(
        "events",
        contract.table,
        contract.topic(prefix),
        envelope + fields,
        contract.time,
        contract.key,
        contract=contract,
        dead_letters_here=dead_letters_here,
        committed_only=committed_only,
        partition=None if contract.access is None else _partition(contract.access),
        sort_by=() if contract.access is None else contract.access.sort,
    )


def _partition(card: AccessCard) -> Partition | None:
    if card.period is not None:
        return Partition(f"_{card.period}", card.period)
    return None if card.partition is None else Partition(card.partition)


def _event_column(name: str, field: Field) -> Column:
    plain = _PLAIN_TYPES.get(field.plain_type)
    return Column(name, plain, source=name) if plain else Column(name, "declared", source=name, declared=field)


def features_table(
    view: str,
    key: str,
    key_type: FieldType,
    features: Iterable[tuple[str, ColumnType]],
    prefix: str = "",
) -> TableSpec:
    """Return the table of a feature view.

    Args:
        view: Name of the view.
        key: Name of the entity key.
        key_type: Type of the entity key: a text or a whole number.
        features: Name and type of each feature, in order.
        prefix: What stands before every topic of the project.
    """
    envelope = (
        Column("event_id", "string", required=True),
        Column(key, _PLAIN_TYPES[key_type], source=key, required=True),
        Column("event_time", "timestamp", required=True),
        Column("clock", "timestamp", required=True),
        Column("generation", "int", required=True),
        Column("source_partition", "int", required=True),
        Column("source_offset", "long", required=True),
        Column("revision", "int", required=True),
        Column("declaration", "string", required=True),
        Column("ingested_at", "timestamp", required=True),
        Column("emitted_at", "timestamp", required=True),
    )
    columns = tuple(Column(name, type_, source=name) for name, type_ in features)
    return TableSpec("features", view, topic_of("features", view, prefix), envelope + columns, "event_time", key)


def scores_table(model: str, prefix: str = "") -> TableSpec:
    """Return the table of a model's scores: one row per (model, variant, event id)."""
    return _scores("scores", model, prefix)


def alerts_table(prefix: str = "") -> TableSpec:
    """Return the table of alerts: one row per (model, variant, event id)."""
    return _scores("ops", "alerts", prefix)


SINK_LETTERS = "sinks."
"""Before the name of a sink, in the column `event` of the records that it could not hand over: they are events."""


def dead_letters_table(prefix: str = "") -> TableSpec:
    """Return the table of refused records; the rows that the writer itself adds have no `_partition` and `_offset`."""
    columns = (
        Column("reason", "string", required=True),
        Column("detail", "string"),
        Column("event", "string"),
        Column("topic", "string", required=True),
        Column("partition", "int", required=True),
        Column("offset", "long", required=True),
        Column("record_timestamp", "timestamp"),
        Column("event_id", "string"),
        Column("key", "string"),
        Column("value", "string"),
        Column("recorded_at", "timestamp", required=True),
    )
    return TableSpec("ops", "dead_letters", topic_of("ops", "dead_letters", prefix), columns, "recorded_at")


def late_events_table(prefix: str = "") -> TableSpec:
    """Return the ledger of late events."""
    columns = (*_LEDGER, Column("order", "string", required=True))
    return TableSpec("ops", "late_events", topic_of("ops", "late_events", prefix), columns, "event_time")


def duplicates_table(prefix: str = "") -> TableSpec:
    """Return the ledger of duplicates."""
    return TableSpec("ops", "duplicates", topic_of("ops", "duplicates", prefix), _LEDGER, "event_time")


def ops_tables(prefix: str = "") -> tuple[TableSpec, ...]:
    """Return the tables that every project has: dead letters, late events, duplicates, alerts."""
    return (dead_letters_table(prefix), late_events_table(prefix), duplicates_table(prefix), alerts_table(prefix))


_PLAIN_TYPES: dict[str, ColumnType] = {
    "string": "string", "bool": "bool", "int": "int", "long": "long", "double": "double", "timestamp": "timestamp",
}  # fmt: skip

_LEDGER = (
    Column("view", "string", required=True),
    Column("event", "string", required=True),
    Column("event_id", "string", required=True),
    Column("key", "string"),
    Column("partition", "int", required=True),
    Column("offset", "long", required=True),
    Column("event_time", "timestamp", required=True),
    Column("clock", "timestamp", required=True),
    # Whose decision it was: a changed declaration decides anew.
    Column("declaration", "string"),
)


def _scores(schema: Schema, name: str, prefix: str) -> TableSpec:
    columns = (
        Column("event_id", "string", required=True),
        Column("key", "string"),
        Column("model", "string", required=True),
        Column("version", "string", required=True),
        Column("variant", "string", required=True),
        Column("score", "double", required=True),
        Column("threshold", "double"),
        Column("alert", "bool"),
        Column("reasons", "reasons"),
        Column("view", "string"),
        Column("declaration", "string"),
        Column("event_time", "timestamp", required=True),
        Column("clock", "timestamp"),
        Column("source_partition", "int"),
        Column("source_offset", "long"),
        Column("ingested_at", "timestamp"),
        Column("emitted_at", "timestamp"),
        Column("scored_at", "timestamp"),
    )
    return TableSpec(
        schema,
        name,
        topic_of(schema, name, prefix),
        columns,
        "event_time",
        unique_by=("model", "variant", "event_id"),
        committed_only=False,
    )
