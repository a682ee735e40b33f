"""Files straight into the lake: events of before the topic, in front of its first offset; see decision 11."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
from headrace_ingestion.codec import compile_encoder
from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import EventError, HeadraceError
from headrace_ingestion.headers import CONTRACT, EVENT_ID, TRACEPARENT
from headrace_ingestion.partitioning import partition_of
from headrace_ingestion.pii import PiiSecret
from headrace_ingestion.records import StoredRecord
from headrace_lake.commit import Seek, commit
from headrace_lake.decode import compile_decoder
from headrace_lake.delta_table import open_for_append
from headrace_lake.offsets import OffsetRange, recorded_offsets
from headrace_lake.tables import TableSpec

from headrace.events.check import NOT_A_ROW, RefusedRow
from headrace.events.import_letters import ImportLetters
from headrace.events.mapping import FieldPlan, Reading, plan_fields, reading_digest
from headrace.events.replay import OnProgress
from headrace.events.rows import Row, header, read_rows
from headrace.events.sources import Format, Source, find_source
from headrace.pii import project_secret

if TYPE_CHECKING:
    from headrace_lake.catalog import Lake

    from headrace.project import Project

FIRST_OFFSET = -(10**17)
"""Offset of the first imported event of a table; those of a topic begin at 0."""

BATCH_ROWS = 50_000
_SEQUENCE = "headrace/import"
_SHOWN_REFUSALS = 10


class ImportRefusedError(HeadraceError):
    """Events cannot be put before what the jobs have read."""


@dataclass
class ImportReport:
    """What an import did.

    Attributes:
        event: Name of the event.
        files: Number of files.
        done_before: Files that were imported already.
        added: Events that were added to the table.
        repeats: Events that were left out, because the table has an event of that id.
        refused: Rows that the contract refused.
        resumed_after: Rows that earlier runs had read.
        reasons: Reason → number of rows.
        refusals: The first refused rows.
        views: Views whose past now waits to be computed.
        seconds: How long it took.
    """

    event: str
    files: int = 0
    done_before: int = 0
    added: int = 0
    repeats: int = 0
    refused: int = 0
    resumed_after: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    refusals: list[RefusedRow] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


def import_files(
    project: Project,
    event: str,
    files: list[Path],
    reading: Reading | None = None,
    *,
    form: Format | None = None,
    bad: Path | None = None,
    on_progress: OnProgress = lambda done_bytes, total_bytes, events: None,
) -> ImportReport:
    """Add the rows of files to the table of an event, as events of before its topic.

    A file that was imported is known by its content and its reading, and left out; one that was begun goes on behind
    what is stored.

    Args:
        project: The project.
        event: Name of the event.
        files: CSV, JSON Lines or Parquet, each also with gzip; in the order in which they happened.
        reading: How rows become events.
        form: Format of the files, when their names do not say it.
        bad: Refused rows are written there, as JSON Lines.
        on_progress: Told of the progress.

    Raises:
        UnknownEventError: There is no such event.
        ImportRefusedError: A job has read the event already, or another import writes the table.
        SourceError: A file is missing, cannot be read, or lacks a required column.
        MappingError: The reading does not fit the contract.
        LakeError: The rows could not be stored.
    """
    from headrace.tables import local_lake, project_tables

    contract, said = project.events.sent_contract(event), reading or Reading()
    spec = next(one for one in project_tables(project) if one.full_name == f"events.{event}")
    # What keeps two imports apart is a lock of this machine, and a store has writers on many.
    lake = local_lake(project, "headrace lake import")
    began = time.monotonic()
    with ExitStack() as held:
        views = _before_every_job(project, contract, held)
        partitions = contract.partitions or project.settings.kafka.partitions
        sources = [find_source(file, form) for file in files]
        run = _Import(
            project.lake, lake, spec, contract, partitions, bad, on_progress, sources,
            project_secret(project),
        )  # fmt: skip
        for source in sources:
            run.add(source, said)
    run.report.views = views if run.report.added else []
    run.report.seconds = time.monotonic() - began
    return run.report


class _Import:
    def __init__(
        self,
        lake: Lake,
        folder: Path,
        spec: TableSpec,
        contract: Contract,
        partitions: int,
        bad: Path | None,
        on_progress: OnProgress,
        sources: list[Source],
        pii_secret: PiiSecret | None,
    ) -> None:
        self.report = ImportReport(contract.name, len(sources))
        self._lake, self._folder, self._spec, self._contract = lake, folder, spec, contract
        self._partitions = partitions
        self._bad = bad
        self._encode = compile_encoder(contract, pii_secret)
        self._decode = compile_decoder(spec)
        self._on_progress = on_progress
        self._total_bytes = sum(source.size_bytes for source in sources)
        self._done_bytes = 0

    def add(self, source: Source, reading: Reading) -> None:
        """Import one file, or what is left of it."""
        plan = plan_fields(self._contract, reading, source, header(source))
        digest = reading_digest(self._contract, reading, source)
        begun, ended = f"headrace/import/{digest}", f"headrace/imported/{digest}"
        recorded = recorded_offsets(open_for_append(self._folder, self._spec), (begun, ended))
        if recorded[ended] is not None:
            self.report.done_before += 1
        else:
            skip = recorded[begun] or 0
            self.report.resumed_after += skip
            next_row = skip
            self._letters = ImportLetters(self._folder, self._contract, digest)
            for rows, done_bytes in _batches(source, plan, skip):
                self._commit(self._records(source, plan, digest, rows), begun, next_row or None, rows[-1].number + 1)
                next_row = rows[-1].number + 1
                self._on_progress(self._done_bytes + done_bytes, self._total_bytes, self.report.added)
            self._commit([], ended, None, next_row)
        self._done_bytes += source.size_bytes

    def _records(self, source: Source, plan: FieldPlan, digest: str, rows: list[Row]) -> list[StoredRecord]:
        found = []
        self._numbers = {row.line: row.number for row in rows}
        for row in rows:
            made_id = f"{digest}-{row.number}"
            if row.values is None:
                self._letters.add(row.number, "not_json", row.problem, None, made_id)
                self._refuse(RefusedRow(str(source.path), row.line, NOT_A_ROW, row.problem))
                continue
            fields, event_id = plan.fields(row.values), plan.event_id(row.values) or made_id
            try:
                encoded = self._encode(fields)
            except EventError as error:
                self._letters.add(row.number, error.reason, error.detail, fields, event_id)
                self._refuse(RefusedRow(str(source.path), row.line, error.reason, error.detail))
                continue
            trace = f"00-{digest}{digest}-{row.number + 1:016x}-00"
            named = ((EVENT_ID, event_id), (CONTRACT, self._contract.label), (TRACEPARENT, trace))
            headers = [(name, value.encode()) for name, value in named]
            partition = partition_of(encoded.key, self._partitions)
            # The offset stands for the line until the table says where it goes on.
            found.append(
                StoredRecord(
                    str(source.path), partition, row.line, encoded.event_time_ms, encoded.key, encoded.value, headers
                )
            )
        return found

    def _commit(self, records: list[StoredRecord], app_id: str, start: int | None, next_row: int) -> None:
        recorded = recorded_offsets(open_for_append(self._folder, self._spec), (_SEQUENCE,))[_SEQUENCE]
        first = FIRST_OFFSET + (recorded or 0)
        placed = [record._replace(offset=first + place) for place, record in enumerate(records)]
        decoded = self._decode(placed)
        for refused in decoded.refused:
            line = records[refused.record.offset - first].offset
            value, ids = refused.record.value or b"", dict(refused.record.headers)
            event_id = (ids[EVENT_ID] or b"").decode()
            self._letters.add(self._numbers[line], refused.reason, refused.detail, orjson.loads(value), event_id)
            self._refuse(RefusedRow(refused.record.topic, line, refused.reason, refused.detail))
        # Before the rows: a run that ends in between finds them there.
        self._letters.store(next_row)
        rows = decoded.rows
        new = self._new(rows.column("event_id").to_pylist())
        self.report.repeats += rows.num_rows - len(new)
        ranges = {
            app_id: OffsetRange(start, next_row),
            _SEQUENCE: OffsetRange(recorded, (recorded or 0) + len(records)),
        }
        if isinstance(commit(self._folder, self._spec, rows.take(pa.array(new, pa.int64())), ranges), Seek):
            raise ImportRefusedError(
                f"another import writes {self._spec.full_name}",
                {"expected": "one import of an event at a time"},
                "the same command, when the other has ended: it goes on where this one ended",
            )
        self.report.added += len(new)

    def _new(self, event_ids: list[str]) -> list[int]:
        """Return the places of the ids that neither the table has nor an earlier row of these."""
        if not event_ids:
            return []
        table = f'raw."events_{self._contract.name}"'
        query = f"SELECT event_id FROM {table} SEMI JOIN (SELECT unnest($ids::VARCHAR[]) AS event_id) USING (event_id)"
        seen = {event_id for (event_id,) in self._lake.sql(query, {"ids": event_ids}).rows}
        places = []
        for place, event_id in enumerate(event_ids):
            if event_id not in seen:
                places.append(place)
                seen.add(event_id)
        return places

    def _refuse(self, row: RefusedRow) -> None:
        report = self.report
        report.refused += 1
        report.reasons[row.reason] = report.reasons.get(row.reason, 0) + 1
        if len(report.refusals) < _SHOWN_REFUSALS:
            report.refusals.append(row)
        if self._bad is not None:
            with self._bad.open("ab") as file:
                file.write(orjson.dumps(asdict(row), option=orjson.OPT_APPEND_NEWLINE))


def _batches(source: Source, plan: FieldPlan, skip: int) -> Iterator[tuple[list[Row], int]]:
    rows: list[Row] = []
    done_bytes = 0
    for chunk in read_rows(source, plan.columns, skip):
        rows += chunk.rows
        done_bytes = chunk.done_bytes
        if len(rows) >= BATCH_ROWS:
            yield rows, done_bytes
            rows = []
    if rows:
        yield rows, done_bytes


def _before_every_job(project: Project, contract: Contract, held: ExitStack) -> list[str]:
    """Keep the jobs of the event from starting, and return their views.

    Raises:
        ImportRefusedError: One has state or rows, or runs.
    """
    from headrace_streaming.checkpoints import StateFolder

    from headrace.features.backfill import alone, has_rows
    from headrace.flink import state_root
    from headrace.stack.state import running_state

    plans = [plan for plan in project.plans.values() if plan.views[0].contract.name == contract.name]
    elsewhere = [view.name for plan in plans for view in plan.views if view.contract.stream != contract.stream]
    if elsewhere:
        raise ImportRefusedError(
            f"events of {contract.name!r} cannot be imported: a view reads them by another key",
            {
                "views": ", ".join(elsewhere),
                "why": "that order is made as events pass through their topic, which imported ones do not",
            },
            f"headrace events replay FILE --event {contract.name}",
        )
    running = running_state(project.folders)
    processes = {process.name for process in running.processes} if running else set()
    for plan in plans:
        root = state_root(project, plan)
        held.enter_context(alone(plan, StateFolder(root, "import")))
        has_state = any(root.glob("*/*/**/_metadata"))
        if has_state or has_rows(project, plan) or f"job-{plan.group}" in processes:
            raise ImportRefusedError(
                f"events of {contract.name!r} cannot be imported any more: the job {plan.group} has read its topic",
                {
                    "views": ", ".join(view.name for view in plan.views),
                    "why": "imported events come before the first of the topic, and rows that are there would be wrong",
                },
                f"headrace events replay FILE --event {contract.name}",
            )
    return [view.name for plan in plans for view in plan.views]
