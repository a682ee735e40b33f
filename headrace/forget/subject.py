"""A subject to be forgotten: the values that stand for it, and which rows of which tables name it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from headrace_features.view import View
from headrace_ingestion.contract import Contract
from headrace_ingestion.derived import DerivedContract
from headrace_ingestion.errors import HeadraceError
from headrace_ingestion.joined import JoinedContract, label_field
from headrace_ingestion.merged import EVENT, MergedContract
from headrace_lake.tables import SINK_LETTERS
from headrace_lake.upkeep.rewrite import Engine, ask
from headrace_lake.views import files_of, quoted, text, texts

from headrace.pii import stored_key
from headrace.project import Project
from headrace.tables import lake_path, project_tables


class SubjectError(HeadraceError):
    """It is not said what is to be forgotten."""


class Named(NamedTuple):
    """A column of a table whose rows name the subject by it.

    Attributes:
        table: `<schema>.<name>`.
        column: The column.
        kind: Of records of several kinds, the one that is meant; None: all.
    """

    table: str
    column: str
    kind: str | None = None


class Place(NamedTuple):
    """A column of an event's records that may name a subject.

    Attributes:
        column: The field.
        event: Of a merge, the event whose records it is a key of; None: all records.
    """

    column: str
    event: str | None = None


@dataclass(frozen=True)
class Subject:
    """Somebody, or something, that events are keyed by.

    Attributes:
        project: The project.
        field: The field of the events that holds the key.
        contracts: The events: those that are sent, those that are made of them, and both by other keys.
        values: What stands for it in records: the clear key, and its hash where producers hash.
        places: Name of an event → where its records name the subject.
    """

    project: Project
    field: str
    contracts: tuple[Contract, ...]
    values: tuple[str, ...]
    places: Mapping[str, tuple[Place, ...]]

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events."""
        return tuple(self.places)

    @property
    def views(self) -> tuple[View, ...]:
        """Views over the events, by whatever key."""
        return tuple(view for view in self.project.views.values() if view.contract.name in self.events)

    @property
    def own_views(self) -> tuple[View, ...]:
        """Views whose entities are such subjects, in every record."""
        return tuple(view for view in self.views if self._is_key(view))

    def _is_key(self, view: View) -> bool:
        events = {place.event for place in self.places[view.contract.name] if place.column == view.key}
        derived = self.project.derived.get(view.contract.name)
        return None in events or (derived is not None and events >= {source.name for source in derived.sources})

    def is_in(self, column: str) -> str:
        """Return the condition that a column holds the subject."""
        return _is_one_of(f"CAST({quoted(column)} AS VARCHAR)", self.values)

    def names(self, event: str) -> str:
        """Return the condition that a record of an event names the subject."""
        return " OR ".join(
            self.is_in(place.column)
            if place.event is None
            else f"({quoted(EVENT)} = {text(place.event)} AND {self.is_in(place.column)})"
            for place in self.places[event]
        )


def subject_of(project: Project, key: str, events: Sequence[str] = ()) -> Subject:
    """Return the subject of a key.

    Args:
        project: The project.
        key: The clear key, or its hash.
        events: Names of events that are sent and that it is a key of; none: all, when they are keyed by one field.
            Other events that have a field of that name are about the subject, too.

    Raises:
        UnknownEventError: There is no such event.
        DerivedEventError: An event is made of others.
        SubjectError: The events are keyed by different fields.
        SettingsError: A key is hashed, and there is no secret.
    """
    chosen = [project.events.sent_contract(name) for name in events] or list(project.contracts.values())
    fields = {contract.key for contract in chosen}
    if len(fields) != 1:
        keyed = ", ".join(f"{contract.name} by {contract.key}" for contract in chosen)
        raise SubjectError(
            "the same key may mean different subjects: events are keyed by different fields",
            {"events": keyed or "none"},
            f"--event {chosen[0].name}" if chosen else "events/call.yaml",
        )
    (field,) = fields
    # A payment that names its subscriber is about that subscriber, whatever it is keyed by.
    chosen += [one for one in project.contracts.values() if field in one.fields and one not in chosen]
    places: dict[str, tuple[Place, ...]] = {contract.name: (Place(field),) for contract in chosen}
    # What is made of others stands behind them in this order.
    for contract in sorted(project.derived.values(), key=lambda one: isinstance(one, MergedContract)):
        found = tuple(_places_in(contract, places))
        if found:
            places[contract.name] = found
    contracts = [project.readable[name] for name in places]
    contracts += [contract for contract in project.rekeyed.values() if contract.name in places]
    # Clear, too: events of before the field was hashed.
    values = dict.fromkeys([key, *(stored_key(project, contract, field, key) for contract in chosen)])
    return Subject(project, field, tuple(contracts), tuple(values), places)


def _places_in(contract: DerivedContract, places: Mapping[str, Sequence[Place]]) -> Iterator[Place]:
    """Yield where records of an event that is made of others name what those name."""
    if isinstance(contract, JoinedContract):
        label, to = contract.label_contract, contract.to_contract
        yield from places.get(to.name, ())
        for place in places.get(label.name, ()):
            yield Place(label_field(label, to, place.column))
        return
    for source in contract.sources:
        for place in places.get(source.name, ()):
            yield Place(place.column, source.name)


def event_ids(subject: Subject, files: Mapping[str, Sequence[str]]) -> pa.Table:
    """Return `event` and `event_id` of the subject's events that stand in the files of tables."""
    lake = lake_path(subject.project)
    found: dict[str, set[str]] = {}
    for contract in subject.contracts:
        paths = files.get(f"events.{contract.table}", ())
        if paths:
            query = f"SELECT DISTINCT event_id FROM {files_of(paths, {})} WHERE {subject.names(contract.name)}"
            found.setdefault(contract.name, set()).update(id_ for (id_,) in ask(query, Engine(), lake))
    rows = [{"event": event, "event_id": id_} for event, ids in found.items() for id_ in sorted(ids)]
    return pa.Table.from_pylist(rows, schema=pa.schema([("event", pa.string()), ("event_id", pa.string())]))


def conditions(subject: Subject, ids: pa.Table, folder: Path) -> dict[str, str]:
    """Return table → the condition of its rows that name the subject; those of events come last.

    Args:
        subject: The subject.
        ids: Of `event_ids`.
        folder: A folder for them, which is there as long as the conditions are used.
    """
    file = folder / "event_ids.parquet"
    pq.write_table(ids, file)

    def by_id(events: Iterable[str]) -> str:
        return f'"event_id" IN (SELECT event_id FROM {files_of([str(file)], {})} WHERE {_is_one_of("event", events)})'

    events, of_events = subject.events, _is_one_of(quoted("event"), subject.events)
    of_own = _is_one_of('"view"', (view.name for view in subject.own_views))
    of_any = _is_one_of('"view"', (view.name for view in subject.views))
    by_key = f"({subject.is_in('key')} AND {of_own})"
    found: dict[str, str] = {}
    for view in subject.views:
        table = f"features.{view.name}"
        found[table] = subject.is_in(view.key) if view in subject.own_views else by_id([view.contract.name])
    scored = f"{by_key} OR ({of_any} AND {by_id(events)})"
    for table in (*(f"scores.{model}" for model in subject.project.model_declarations), "ops.alerts"):
        found[table] = scored
    for table in ("ops.late_events", "ops.duplicates"):
        found[table] = f"{of_events} AND ({by_key} OR {by_id(events)})"
    # What a sink could not hand over stands under the name of the sink, as it stood on its topic.
    of_sinks = f"(starts_with(event, '{SINK_LETTERS}') AND {_is_one_of('topic', _topics(subject))})"
    found["ops.replays"] = f"({of_events} OR {of_sinks}) AND {by_id(events)}"
    in_value = _in_json('decode(from_base64("value"))', subject)
    named = f"{subject.is_in('key')} OR {in_value} OR {by_id(events)}"
    found["ops.dead_letters"] = f"({of_events} OR {of_sinks}) AND ({named})"
    tables = [f"events.{contract.table}" for contract in subject.contracts] + list(found)
    in_record = _in_json('"record"', subject)
    found["ops.quarantine"] = f"{_is_one_of(quoted('table'), tables)} AND ({in_record} OR {by_id(events)})"
    for contract in subject.contracts:
        found[f"events.{contract.table}"] = subject.names(contract.name)
    return found


def named_columns(subject: Subject) -> list[Named]:
    """Return the columns that name the subject in rows which a topic feeds."""
    own, models = [view.name for view in subject.own_views], subject.project.model_declarations
    found = [
        Named(f"events.{contract.table}", place.column, place.event)
        for contract in subject.contracts
        for place in subject.places[contract.name]
    ]
    found += [Named(f"features.{view.name}", view.key) for view in subject.own_views]
    by_view = (*(f"scores.{model}" for model in models), "ops.alerts", "ops.late_events", "ops.duplicates")
    found += [Named(table, "key", view) for table in by_view for view in own]
    return found + [Named("ops.dead_letters", "key", event) for event in subject.events]


def _topics(subject: Subject) -> list[str]:
    """Return topics whose records may name the subject by their key, their event's id, or a field."""
    project, prefix = subject.project, subject.project.settings.kafka.topic_prefix
    made = [contract.topic(prefix) for contract in subject.contracts] + [view.topic(prefix) for view in subject.views]
    others = [one for one in project_tables(project) if one.schema in ("scores", "ops")]
    return [*made, *(one.topic for one in others)]


def _in_json(value: str, subject: Subject) -> str:
    # A dead letter may be no JSON, or not even text.
    return _is_one_of(f"TRY(json_extract_string({value}, {text('$.' + quoted(subject.field))}))", subject.values)


def _is_one_of(value: str, values: Iterable[str]) -> str:
    """Return the condition that a value of SQL is one of these texts; of none, it is no row's."""
    return f"{value} IN ({texts(values) or 'NULL'})"
