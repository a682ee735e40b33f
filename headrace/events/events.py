"""What a project does with its events: check, send, replay, look. The command line and notebooks call this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from headrace_ingestion.contract import Contract
from headrace_ingestion.errors import REASONS, DeclarationError, UnknownEventError, closest
from headrace_ingestion.pii import PiiSecret
from headrace_ingestion.producer import Producer
from headrace_ingestion.transport import Transport
from headrace_ingestion.versions import load_versions

from headrace.events.check import CheckReport, check_files
from headrace.events.checkpoint import Checkpoint
from headrace.events.errors import DerivedEventError
from headrace.events.mapping import Reading, plan_fields, reading_digest
from headrace.events.pacing import Pacer
from headrace.events.replay import OnProgress, Replay, ReplayFile, ReplayReport, Selection
from headrace.events.rows import header
from headrace.events.sending import Sent, send_lines, send_one
from headrace.events.sources import Format, find_source
from headrace.events.tail import From, TailedEvent, tail
from headrace.pii import project_secret

if TYPE_CHECKING:
    from datetime import datetime

    from headrace.events.compat import CompatReport
    from headrace.events.dead_letters import Chosen, DeadLetter
    from headrace.events.fix_and_replay import FixReport
    from headrace.project import Project

WAIT_SECONDS = 30.0
"""How long a broker may take to acknowledge before sending is given up."""

QUEUE_EVENTS = 20_000


class Events:
    """The events of one project.

    Args:
        project: The project.
        transport: Carries the records instead of Kafka; see `headrace_ingestion.testing`.
    """

    def __init__(self, project: Project, transport: Transport | None = None) -> None:
        self._project = project
        self._transport = transport

    def contract(self, name: str) -> Contract:
        """Return the contract of a declared event.

        Raises:
            UnknownEventError: There is none of that name.
            DeclarationError: A declaration is wrong.
        """
        contracts = self._project.readable
        if name not in contracts:
            raise UnknownEventError(
                f"the project declares no event {name!r}",
                {"events": ", ".join(contracts) or "none", "where": str(self._project.folder / "events")},
                closest(name, contracts) or f"events/{name}.yaml",
            )
        return contracts[name]

    def sent_contract(self, name: str) -> Contract:
        """Return the contract of an event that can be sent.

        Raises:
            DerivedEventError: It is made of others.
            UnknownEventError: There is none of that name.
            DeclarationError: A declaration is wrong.
        """
        contract = self.contract(name)
        derived = self._project.derived.get(name)
        if derived is not None:
            sources = [source.name for source in derived.sources]
            raise DerivedEventError(
                f"the event {name!r} is made of others, and nobody sends it",
                {"made of": ", ".join(sources), "declared in": contract.place_of(None)},
                f"the same with {sources[0]}",
            )
        return contract

    def compat(self, event: str | None = None, against: Path | None = None) -> CompatReport:
        """Return what the versions of contracts say of each other and of the lake; see `compat.compat_report`.

        Args:
            event: One event; None: all of them.
            against: For one event: a contract that its running version is compared with instead.

        Raises:
            UnknownEventError: There is no such event.
            DeclarationError: A declaration is wrong, or `against` declares another event.
        """
        from headrace.events.compat import compat_report

        names = [self.sent_contract(event).name] if event else list(self._project.contracts)
        versions = load_versions(self._project.folder / "events", root=self._project.folder)
        other = None if against is None else Contract.load(against)
        if other is not None and other.name != event:
            raise DeclarationError(
                f"{against} declares the event {other.name!r}, and {event!r} is compared",
                {"expected": f"a contract of {event!r}"},
                f"headrace events compat {other.name} --against {against}",
            )
        return compat_report(self._project.lake, [versions[name] for name in names], other)

    def check(
        self,
        event: str,
        files: Sequence[str | Path | BinaryIO],
        reading: Reading | None = None,
        *,
        form: Format | None = None,
        shown: int = 20,
        limit: int | None = None,
    ) -> CheckReport:
        """Return what the contract says to every row, without sending; see `check_files`.

        Raises:
            UnknownEventError: There is no such event.
            DerivedEventError: It is made of others.
            SourceError: A file is missing, cannot be read, or lacks a required column.
        """
        contract = self.sent_contract(event)
        opened = [Path(file) if isinstance(file, str) else file for file in files]
        return check_files(contract, opened, reading, form=form, shown=shown, limit=limit)

    def send(
        self,
        event: str,
        fields: Mapping[str, object],
        *,
        event_id: str | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> Sent:
        """Send one event and return where it stands.

        Raises:
            UnknownEventError: There is no such event.
            DerivedEventError: It is made of others.
            EventError: It breaks its contract; nothing was sent.
            DeliveryError: It could not be delivered within the time.
            NotRunningError: The stack of this project is down.
        """
        contract = self.sent_contract(event)
        with self._producer(contract, wait_seconds) as producer:
            return send_one(producer, contract, fields, event_id)

    def send_lines(self, event: str, lines: Iterable[bytes], *, wait_seconds: float = WAIT_SECONDS) -> Iterator[Sent]:
        """Send JSON Lines and yield where each event stands, in order; see `sending.send_lines`."""
        contract = self.sent_contract(event)
        with self._producer(contract, wait_seconds) as producer:
            yield from send_lines(producer, contract, lines)

    def replay(
        self,
        event: str,
        files: Sequence[str | Path],
        reading: Reading | None = None,
        *,
        selection: Selection | None = None,
        speed: float | None = None,
        resume: bool = False,
        form: Format | None = None,
        wait_seconds: float = WAIT_SECONDS,
        say: Callable[[str], None] = lambda text: None,
        on_progress: OnProgress = lambda done_bytes, total_bytes, sent: None,
    ) -> ReplayReport:
        """Send the rows of files as events, each with its event time as the record timestamp.

        Event ids come from a column, or are made of the file's content and the row: a second replay of the same file is
        a duplicate within the `dedup` span of a view. Every file is read once before the first event for that digest.

        Args:
            event: Name of the event.
            files: CSV, JSON Lines or Parquet, each also with gzip.
            reading: How rows become events.
            selection: Which rows are sent.
            speed: 1 is the pace at which the events happened, all files together; None: as fast as the broker takes
                them, file after file.
            resume: Go on after what an earlier run of the same replay has sent.
            form: Format of the files, when their names do not say it.
            wait_seconds: How long the broker may take for an event.
            say: Told of columns that are ignored.
            on_progress: Told of the progress.

        Raises:
            UnknownEventError: There is no such event.
            DerivedEventError: It is made of others.
            SourceError: A file is missing, cannot be read, or lacks a required column.
            MappingError: The reading does not fit the contract.
            DeliveryError: An event could not be delivered within the time.
            ReplayInterruptedError: It was interrupted.
            NotRunningError: The stack of this project is down.
        """
        contract = self.sent_contract(event)
        said, chosen = reading or Reading(), selection or Selection()
        planned = [_planned(contract, said, Path(file), form) for file in files]
        options = (chosen.start, chosen.end, said.event_id, said.time_zone)
        checkpoint = Checkpoint.of(self._project.folders.root, [file.digest for file in planned], options)
        done = checkpoint.load() if resume else None
        if resume and done is None:
            say("no earlier run of this replay is recorded: it starts from the beginning")
        with self._producer(contract, wait_seconds) as producer:
            run = Replay(
                contract,
                planned,
                producer,
                checkpoint,
                selection=chosen,
                pacer=None if speed is None else Pacer(speed),
                say=say,
                on_progress=on_progress,
                flush_seconds=wait_seconds + 5,
            )
            return run.run(done)

    def tail(
        self,
        event: str,
        *,
        start: From = "latest",
        count: int | None = 10,
        follow: bool = False,
        wait_seconds: float = WAIT_SECONDS,
        where: str | None = None,
    ) -> Iterator[TailedEvent]:
        """Yield records of the event's topic; see `tail.tail`.

        Raises:
            UnknownEventError: There is no such event.
            ExpressionError: `where` is wrong.
            DeliveryError: No broker answers, or there is no such topic.
            NotRunningError: The stack of this project is down.
        """
        contract = self.contract(event)
        connection = self._project.connection()
        return tail(
            connection, contract, start=start, count=count, follow=follow, wait_seconds=wait_seconds, where=where
        )

    def dead_letters(
        self,
        event: str | None = None,
        reason: str | None = None,
        count: int = 20,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[DeadLetter]:
        """Return refused records as the lake holds them, the newest first.

        Args:
            event: Of this event alone; `sinks.<name>`: what that sink could not hand over.
            reason: Of this reason alone.
            count: Most records.
            since: Refused at this time or later; timezone-aware.
            until: Refused before this time; timezone-aware.

        Raises:
            UnknownEventError: There is no such event.
            UnknownReasonError: There is no such reason.
        """
        from headrace.events.dead_letters import dead_letters

        return dead_letters(self._project.lake, self._chosen(event, reason, since, until), count)

    def fix_and_replay(
        self,
        event: str,
        *,
        sql: str | None = None,
        python: str | None = None,
        reason: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
        dry_run: bool = False,
        who: str = "events.fix_and_replay",
        wait_seconds: float = WAIT_SECONDS,
    ) -> FixReport:
        """Mend dead letters of an event and send each of them once; see `fix_and_replay.FixAndReplay`.

        Args:
            event: Name of the event.
            sql: Expressions that give fields anew: `abs(duration_s) AS duration_s`.
            python: `module:function` of the project instead. Without both, letters are sent as they are.
            reason: Of this reason alone.
            since: Refused at this time or later; timezone-aware.
            until: Refused before this time; timezone-aware.
            limit: Most letters, beside those that were sent before.
            dry_run: Say what would be done, and do nothing.
            who: Stands in the audit, `ops.replays`.
            wait_seconds: How long the broker may take for an event.

        Raises:
            UnknownEventError: There is no such event.
            DerivedEventError: It is made of others.
            UnknownReasonError: There is no such reason.
            ExpressionError: `sql` is no list of expressions.
            FixError: There is no such function.
            ReplayRunningError: Another run works on the same project.
            DeliveryError: No broker answers.
            LakeWriteError: The audit could not be written.
            NotRunningError: The stack of this project is down.
        """
        from headrace.events.dead_letters import raw_letters
        from headrace.events.find_sent import find_sent
        from headrace.events.fix_and_replay import FixAndReplay, only_one
        from headrace.events.fixes import AsItIs, ByPython, BySql, Fix

        contract = self.sent_contract(event)
        fix: Fix = AsItIs()
        if sql is not None:
            fix = BySql(sql, contract.fields)
        elif python is not None:
            fix = ByPython(python, self._project.folder)
        letters = raw_letters(self._project.lake, self._chosen(event, reason, since, until))
        # What was hashed before it was refused is not hashed again.
        secret = project_secret(self._project, keeps_hashes=True)
        run = FixAndReplay(self._project.lake, contract, fix, who, pii_secret=secret)
        if dry_run:
            return run.dry_run(letters, limit)
        connection = self._project.connection()
        with only_one(self._project.folders.run), self._producer(contract, wait_seconds, secret) as producer:

            def look(ids: set[str], at: datetime) -> set[str]:
                return find_sent(connection, contract, ids, at, wait_seconds)

            return run.run(letters, producer, look, limit)

    def _chosen(self, event: str | None, reason: str | None, since: datetime | None, until: datetime | None) -> Chosen:
        from headrace_lake.tables import SINK_LETTERS

        from headrace.events.dead_letters import SINK_REASONS, Chosen, check_reason

        if event is not None and not event.startswith(SINK_LETTERS):
            self.contract(event)
        check_reason(reason, (*REASONS, *SINK_REASONS))
        return Chosen(event, reason, since, until)

    def producer(self, **options: Any) -> Producer:
        """Return a producer of all events of the project, for its brokers and with its secret for personal data.

        Args:
            options: As for `headrace_ingestion.Producer`.

        Raises:
            DeclarationError: A contract is wrong, or there is none.
            SettingsError: There is no secret to hash personal data with, or an option is wrong.
            NotRunningError: The stack of this project is down.
        """
        contracts = list(self._project.contracts.values())
        secret = project_secret(self._project)
        return Producer(contracts, self._project.connection(), pii_secret=secret, **options)

    @contextmanager
    def _producer(
        self, contract: Contract, wait_seconds: float, pii_secret: PiiSecret | None = None
    ) -> Iterator[Producer]:
        connection = None if self._transport else self._project.connection()
        producer = Producer(
            contract,
            connection,
            queue_max_events=QUEUE_EVENTS,
            block_seconds=wait_seconds,
            delivery_timeout_seconds=wait_seconds,
            transport=self._transport,
            pii_secret=pii_secret or project_secret(self._project),
        )
        try:
            yield producer
        except BaseException:
            # Nobody waits any more for what is on its way: a full queue would hold the error back.
            producer.close(0.0)
            raise
        producer.close()


def _planned(contract: Contract, reading: Reading, path: Path, form: Format | None) -> ReplayFile:
    source = find_source(path, form)
    plan = plan_fields(contract, reading, source, header(source))
    return ReplayFile(source, plan, reading_digest(contract, reading, source))
