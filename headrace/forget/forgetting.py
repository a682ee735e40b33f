"""`headrace lake forget`: the rows of a subject go out of every table, the online store and saved training sets."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from headrace_lake.audit import Note, record_audit
from headrace_lake.delta_table import active_files, stored_schema
from headrace_lake.forgotten import Missing, digest_of, kind_column, record_forgotten, salt_of
from headrace_lake.upkeep.deletions import Deletion
from headrace_lake.upkeep.files import KeptTable, kept_tables, opened, stored_files
from headrace_lake.upkeep.rewrite import Engine, ask
from headrace_lake.views import files_of, quoted, text

from headrace.features.online import open_online_store
from headrace.forget.saved_files import InFiles, forget_in_files
from headrace.forget.subject import Subject, conditions, event_ids, named_columns, subject_of
from headrace.project import Project
from headrace.tables import lake_path, project_tables
from headrace.upkeep.tables import upkeep_policy

COMMAND = "headrace lake forget"


@dataclass(frozen=True)
class OutOfReach:
    """Something that may still hold the subject, and until when.

    Attributes:
        what: What it is.
        where: Its names.
        until: When it goes at the latest; None: nobody knows, or never.
        why: What decides about that.
    """

    what: str
    where: str
    until: datetime | None
    why: str


@dataclass
class ForgetReport:
    """What went, or would go.

    Attributes:
        events: The events that were searched.
        key_digest: What stands for the key in `ops.audit` and `ops.forgotten`; empty in a dry run.
        tables: Table → rows.
        online: View → keys in the online store.
        files: Saved training set → rows.
        gone_after: When the vacuum removes the last files of the tables that hold it.
        out_of_reach: What may still hold it.
        is_dry_run: Whether nothing was changed.
    """

    events: tuple[str, ...]
    key_digest: str = ""
    tables: dict[str, int] = field(default_factory=dict)
    online: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    gone_after: datetime | None = None
    out_of_reach: list[OutOfReach] = field(default_factory=list)
    is_dry_run: bool = False

    @property
    def rows(self) -> int:
        """All that was found."""
        return sum(self.tables.values()) + sum(self.online.values()) + sum(self.files.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {**asdict(self), "rows": self.rows}


def forget(
    project: Project,
    key: str,
    events: Sequence[str] = (),
    *,
    now: datetime,
    who: str = COMMAND,
    dry_run: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> ForgetReport:
    """Delete every row that names a subject; events of it that come later are new events.

    A run that was ended is run again: events go last, and what they lead to is found by them.

    Args:
        project: The project.
        key: The clear key, or its hash.
        events: Names of events that it is a key of; none: all, when they are keyed by one field.
        now: The time of day, UTC.
        who: User and command, for the audit.
        dry_run: Only count.
        say: Called with lines about the progress.

    Raises:
        UnknownEventError: There is no such event.
        SubjectError: The events are keyed by different fields.
        LakeError: A file could not be read or written.
        OnlineStoreUnavailableError: The online store does not answer.
    """
    subject = subject_of(project, key, events)
    policy = upkeep_policy(project)
    report = ForgetReport(subject.events, is_dry_run=dry_run)
    tables = {table.full_name: table for table in kept_tables(lake_path(project), project_tables(project))}
    active = {name: active_files(opened(table)) for name, table in tables.items() if name.startswith("events.")}
    with tempfile.TemporaryDirectory(prefix="headrace-forget-") as folder:
        wanted = wanted_rows(subject, tables, active, Path(folder))
        found = [
            _deletion(tables[name], condition, policy.engine) for name, condition in wanted.items() if name in tables
        ]
        if not dry_run:
            report.key_digest = _note(subject, tables, who, now)
        for one in found:
            say(f"{'counting' if dry_run else 'forgetting'} in {one.table.full_name}")
            rows = one.count() if dry_run else one.run()
            if rows:
                report.tables[one.table.full_name] = rows
    report.online = _online(subject, dry_run)
    in_files = forget_in_files(subject, dry_run=dry_run)
    report.files = {str(path): rows for path, rows in in_files.rows.items()}
    report.gone_after = now + policy.vacuum_age if report.tables else None
    report.out_of_reach = [*of_files(in_files), *out_of_reach(subject, list(tables.values()), now)]
    if not dry_run:
        _audit(project, subject, report, who, now)
    return report


def wanted_rows(
    subject: Subject, tables: Mapping[str, KeptTable], files: Mapping[str, Sequence[str]], folder: Path
) -> dict[str, str]:
    """Return table → the condition of its rows that name the subject; those of events come last.

    Args:
        subject: The subject.
        tables: The stored tables by name.
        files: Table → the files in which its events are looked for.
        folder: A folder, which is there as long as the conditions are used.
    """
    ids = event_ids(subject, files)
    return {**_of_undeclared(subject, list(tables.values())), **conditions(subject, ids, folder)}


def _of_undeclared(subject: Subject, tables: Sequence[KeptTable]) -> dict[str, str]:
    """Return table → condition for tables that are not declared any more, as far as a column has the key's name."""
    return {
        table.full_name: subject.is_in(subject.field)
        for table in tables
        if table.schema != "ops" and not table.is_declared and subject.field in stored_schema(opened(table)).names
    }


def of_files(found: InFiles) -> list[OutOfReach]:
    """Return the files of the data folder that could not be searched."""
    return [OutOfReach("file", str(path), None, f"cannot be searched: {why}") for path, why in found.failed.items()]


def out_of_reach(subject: Subject, tables: Sequence[KeptTable], now: datetime) -> list[OutOfReach]:
    """Return what may still hold a subject whose rows are gone from the lake."""
    found = [
        OutOfReach("table", table.full_name, None, "not declared any more, and no column has the name of the key")
        for table in tables
        if table.schema not in ("ops", "rollups") and not table.is_declared and not _of_undeclared(subject, [table])
    ]
    prefix = subject.project.settings.kafka.topic_prefix
    for contract in subject.contracts:
        retention = contract.topic_settings.retention if contract.topic_settings else "forever"
        until = now + retention if isinstance(retention, timedelta) else None
        why = "topic.retention of the contract" if until else "kept for ever: topic: {retention: …} in the contract"
        found.append(OutOfReach("topic", contract.topic(prefix), until, why))
    made = [view.topic(prefix) for view in subject.views]
    made += [f"{prefix}scores.{model}" for model in subject.project.model_declarations]
    made += [f"{prefix}{name}" for name in ("dead_letters", "late_events", "duplicates", "alerts")]
    found.append(OutOfReach("topics", ", ".join(made), None, "kept for ever: kafka-configs sets retention.ms"))
    for view in subject.views:
        until = now + timedelta(milliseconds=view.retain_ms)
        found.append(OutOfReach("state of the job", f"view {view.name}", until, "retain of the view"))
    if subject.project.sinks:
        names = ", ".join(subject.project.sinks)
        found.append(OutOfReach("endpoints", f"sinks {names}", None, "what was handed over is theirs: ask them"))
    found.append(
        OutOfReach(
            "copies", "backups, exports, training sets outside the data folder or in LibSVM, models, query texts "
            "in ops.audit, logs", None, "headrace does not know them, or they name no key",
        )
    )  # fmt: skip
    return found


def _deletion(table: KeptTable, condition: str, engine: Engine) -> Deletion:
    return Deletion(table, condition, lambda handle: stored_files(handle, table.time_column), "forget", COMMAND, engine)


def _note(subject: Subject, tables: Mapping[str, KeptTable], who: str, now: datetime) -> str:
    """Write down what will be missing, before the first row is: verify and rebuild have to know.

    Returns:
        The digest of the key.
    """
    lake = subject.project.lake
    salt = salt_of(lake)
    missing = [*_keys_of_events(subject, tables), *_values(subject, tables)]
    record_forgotten(lake.path, missing, salt, who, now)
    return digest_of(salt, subject.values[-1])


def _keys_of_events(subject: Subject, tables: Mapping[str, KeptTable]) -> Iterator[Missing]:
    """Yield the keys that lose events, be they the subject's or others'."""
    for contract in subject.contracts:
        paths = _files(tables, f"events.{contract.table}")
        if paths:
            query = f'SELECT DISTINCT "_key" FROM {files_of(paths, {})} WHERE {subject.names(contract.name)}'
            yield from (
                Missing(f"events.{contract.table}", str(key))
                for (key,) in ask(query, Engine(), subject.project.lake.path)
                if key
            )


def _values(subject: Subject, tables: Mapping[str, KeptTable]) -> Iterator[Missing]:
    """Yield what stands for the subject in each column; never a clear value that only a hash stands for."""
    for table, column, kind in named_columns(subject):
        paths = _files(tables, table)
        if paths:
            names = stored_schema(opened(tables[table])).names
            of_kind = f" AND {quoted(kind_column(table, names))} = {text(kind)}" if kind else ""
            of_subject = f"{subject.is_in(column)}{of_kind}"
            query = f"SELECT DISTINCT CAST({quoted(column)} AS VARCHAR) FROM {files_of(paths, {})} WHERE {of_subject}"
            found = ask(query, Engine(), subject.project.lake.path)
            yield from (Missing(table, value, column, kind) for (value,) in found)


def _files(tables: Mapping[str, KeptTable], name: str) -> list[str]:
    return active_files(opened(tables[name])) if name in tables else []


def _online(subject: Subject, dry_run: bool) -> dict[str, int]:
    if not subject.own_views:
        return {}
    found = {}
    with open_online_store(subject.project) as store:
        for view in subject.own_views:
            keys = [row.key for row in store.read(view.name, subject.values) if row is not None]
            if keys:
                found[view.name] = len(keys) if dry_run else store.forget(view.name, keys)
    return found


def _audit(project: Project, subject: Subject, report: ForgetReport, who: str, now: datetime) -> None:
    resource = f"{', '.join(subject.events)}: key with the digest {report.key_digest}"
    why = f"{report.rows} rows of {', '.join([*report.tables, *report.online, *report.files]) or 'nothing'}"
    note = Note(who, "command line", "lake:forget", resource, "allowed", why)
    record_audit(lake_path(project), {note: (now, now, 1)})
