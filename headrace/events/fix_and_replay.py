"""Dead letters → events: each mended, checked, sent once, and written down before and after.

A letter is `sending` in `ops.replays` before its event goes to the broker, and `sent` when the broker has acknowledged
it. A run that finds `sending` alone (the last one was killed in between) looks for the event on the topic: what stands
there is `sent`, what does not is sent now.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace_ingestion.codec import compile_encoder, from_the_future
from headrace_ingestion.contract import Contract
from headrace_ingestion.delivery import Delivery
from headrace_ingestion.durations import duration_ms
from headrace_ingestion.errors import DeliveryError, EventError, HeadraceError, Reason
from headrace_ingestion.pii import PiiSecret
from headrace_ingestion.producer import Producer

from headrace.events.dead_letters import RawLetter
from headrace.events.fixes import Fix, NotMended

if TYPE_CHECKING:
    from headrace_lake.catalog import Lake
    from headrace_lake.replays import ReplayRow, ReplayState

BATCH_LETTERS = 500
"""Letters that are written down, sent and written down together: most that a killed run leaves in doubt."""

UNMATCHED: Reason = "unmatched"
"""Reason of labels whose event did not come: nothing is wrong with them."""

_CLOCKS_APART = timedelta(minutes=10)

Place = tuple[str, int, int, datetime | None]

FindSent = Callable[[set[str], datetime], set[str]]
"""Of these event ids, those that stand on the event's topic since that time, in records that the contract takes."""


class ReplayRunningError(HeadraceError):
    """Another run works on the same dead letters."""


@dataclass(frozen=True, slots=True)
class LetterAnswer:
    """What became of one dead letter.

    Attributes:
        topic: The topic it stands on.
        partition: The partition.
        offset: The place there.
        reason: Why it was refused.
        outcome: `sent`, `already_there` (an event of its id is in the lake), `refused` (still), `failed` (not
            acknowledged), or in a dry run `would_be_sent`.
        detail: Why it is refused or failed.
        event_id: The id it is sent with.
        before: The fields as they were; None when the value is no JSON object.
        after: The fields as the fix left them; None when it could not.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    outcome: str
    detail: str | None
    event_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass
class FixReport:
    """What a run did.

    Attributes:
        event: Name of the event.
        dry_run: Whether nothing was sent.
        counts: Outcome → number of letters.
        done_before: Letters that an earlier run has sent.
        answers: Every letter that this run looked at, in the order of their places.
    """

    event: str
    dry_run: bool
    counts: dict[str, int] = field(default_factory=dict)
    done_before: int = 0
    answers: list[LetterAnswer] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether no letter is left."""
        return not ({"refused", "failed"} & set(self.counts))

    def add(self, answer: LetterAnswer) -> None:
        """Count an answer and keep it."""
        self.counts[answer.outcome] = self.counts.get(answer.outcome, 0) + 1
        self.answers.append(answer)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Let one run at a time work on the dead letters of a project on this machine.

    Raises:
        ReplayRunningError: One does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "fix-and-replay.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ReplayRunningError(
                "another fix-and-replay runs on this project", {"lock": lock.name}, "wait until it has ended"
            ) from error
        yield


@dataclass
class _Ledger:
    """What `ops.replays` says of the letters of an event."""

    begun: dict[Place, datetime] = field(default_factory=dict)
    done: set[Place] = field(default_factory=set)
    refused: set[tuple[Place, str]] = field(default_factory=set)
    sent_ids: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, rows: Iterable[ReplayRow]) -> _Ledger:
        """Return what these rows say."""
        found = cls()
        for row in rows:
            place = (row.topic, row.partition, row.offset, row.record_timestamp)
            if row.state == "sending":
                found.begun.setdefault(place, row.replayed_at)
            elif row.state == "refused":
                found.refused.add((place, row.fix_sha256))
            elif row.state != "failed":
                found.done.add(place)
                found.sent_ids.add(row.event_id)
        return found


class FixAndReplay:
    """One run over dead letters of one event.

    Args:
        lake: The lake.
        contract: The event.
        fix: Mends a letter.
        who: User and command, for the audit.
        now: The clock; timezone-aware.
        batch_letters: How many are sent between two commits of the audit.
        pii_secret: What personal data is hashed with; keeps what is hashed.
    """

    def __init__(
        self,
        lake: Lake,
        contract: Contract,
        fix: Fix,
        who: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        batch_letters: int = BATCH_LETTERS,
        pii_secret: PiiSecret | None = None,
    ) -> None:
        self._lake = lake
        self._contract = contract
        self._fix = fix
        self._who = who
        self._now = now
        self._batch_letters = batch_letters
        self._encode = compile_encoder(contract, pii_secret)
        self._ahead = timedelta(milliseconds=duration_ms(contract.max_ahead))
        self._report = FixReport(contract.name, dry_run=False)

    def dry_run(self, letters: Iterable[RawLetter], limit: int | None = None) -> FixReport:
        """Return what a run would do; nothing is sent or written."""
        self._report.dry_run = True
        for letter in islice(self._open_letters(letters, self._ledger()), limit):
            fields, why = self._mended(letter)
            self._answer(letter, "refused" if why else "would_be_sent", why, fields)
        return self._report

    def run(
        self, letters: Iterable[RawLetter], producer: Producer, find_sent: FindSent, limit: int | None = None
    ) -> FixReport:
        """Send the letters that no run has sent, and return what became of each.

        Args:
            letters: The letters, in order.
            producer: Sends events of the contract.
            find_sent: Looks for events on the topic.
            limit: Most letters that are looked at, beside those that were sent before.

        Raises:
            LakeWriteError: The audit could not be written; what is in doubt is settled by the next run.
        """
        ledger, found = self._ledger(), list(letters)
        self._settle(found, ledger, find_sent)
        waiting = islice(self._open_letters(found, ledger), limit)
        while batch := list(islice(waiting, self._batch_letters)):
            self._run_batch(batch, ledger, producer)
        self._report.answers.sort(key=lambda answer: (answer.topic, answer.partition, answer.offset))
        return self._report

    def _run_batch(self, batch: Sequence[RawLetter], ledger: _Ledger, producer: Producer) -> None:
        from headrace_lake.replays import record_replays

        # Of letters with one event id, whichever run sends them, the first is sent.
        there = self._ids_in_lake([letter.sent_id for letter in batch]) | ledger.sent_ids
        mended: list[tuple[RawLetter, Mapping[str, Any]]] = []
        rows: list[ReplayRow] = []
        for letter in batch:
            fields, why = self._mended(letter)
            # A label without its event is in the lake all the same: sending it again is what it waits for.
            if letter.sent_id in there and letter.reason != UNMATCHED:
                rows.append(self._row(letter, "already_there"))
                self._answer(letter, "already_there", None, fields)
            elif fields is None or why is not None:
                if (letter.place, self._fix.sha256) not in ledger.refused:
                    rows.append(self._row(letter, "refused", why))
                self._answer(letter, "refused", why, fields)
            else:
                rows.append(self._row(letter, "sending"))
                mended.append((letter, fields))
                there.add(letter.sent_id)
                ledger.sent_ids.add(letter.sent_id)
        record_replays(self._lake.path, rows)
        record_replays(self._lake.path, self._sent(mended, producer))

    def _sent(self, mended: Sequence[tuple[RawLetter, Mapping[str, Any]]], producer: Producer) -> list[ReplayRow]:
        answers: list[Delivery | DeliveryError | EventError] = []
        for letter, fields in mended:
            try:
                answers.append(producer.send(self._contract.name, fields, event_id=letter.sent_id))
            except (DeliveryError, EventError) as error:
                answers.append(error)
        rows = []
        for (letter, fields), answer in zip(mended, answers, strict=True):
            try:
                if not isinstance(answer, Delivery):
                    raise answer
                answer.result()
            except (DeliveryError, EventError) as error:
                # It may have been written all the same: `sending` stays, and the next run looks for it on the topic.
                why = str(error).splitlines()[0]
                rows.append(self._row(letter, "failed", why))
                self._answer(letter, "failed", why, fields)
            else:
                rows.append(self._row(letter, "sent"))
                self._answer(letter, "sent", None, fields)
        return rows

    def _mended(self, letter: RawLetter) -> tuple[Mapping[str, Any] | None, str | None]:
        """Return the fields, and why they are still no event."""
        try:
            fields = self._fix(letter)
        except NotMended as error:
            return None, str(error)
        try:
            encoded = self._encode(fields)
            if encoded.event_time_ms > (self._now() + self._ahead).timestamp() * 1_000:
                raise from_the_future(self._contract)
        except EventError as error:
            return fields, error.detail
        return fields, None

    def _open_letters(self, letters: Iterable[RawLetter], ledger: _Ledger) -> Iterator[RawLetter]:
        for letter in letters:
            if letter.place in ledger.done:
                self._report.done_before += 1
            else:
                yield letter

    def _ledger(self) -> _Ledger:
        from headrace_lake.replays import replays_of

        return _Ledger.of(replays_of(self._lake, self._contract.name))

    def _settle(self, letters: Sequence[RawLetter], ledger: _Ledger, find_sent: FindSent) -> None:
        """Find out what became of letters that an earlier run was sending when it ended."""
        from headrace_lake.replays import record_replays

        # A label without its event stands on the topic anyway: one that is sent twice counts once within `dedup`.
        doubtful = [letter for letter in letters if letter.reason != UNMATCHED]
        in_doubt = [letter for letter in doubtful if letter.place in ledger.begun and letter.place not in ledger.done]
        if not in_doubt:
            return
        since = min(ledger.begun[letter.place] for letter in in_doubt) - _CLOCKS_APART
        sent = find_sent({letter.sent_id for letter in in_doubt}, since)
        settled = [letter for letter in in_doubt if letter.sent_id in sent]
        record_replays(self._lake.path, [self._row(letter, "sent", "by a run that was ended") for letter in settled])
        ledger.done.update(letter.place for letter in settled)

    def _ids_in_lake(self, ids: Sequence[str]) -> set[str]:
        query = f'SELECT DISTINCT event_id FROM events."{self._contract.name}" WHERE list_contains($ids, event_id)'
        return set(self._lake.sql(query, {"ids": list(ids)}).arrow().column("event_id").to_pylist())

    def _row(self, letter: RawLetter, state: ReplayState, detail: str | None = None) -> ReplayRow:
        from headrace_lake.replays import ReplayRow

        topic, partition, offset, at = letter.place
        fix = self._fix
        return ReplayRow(
            self._contract.name, topic, partition, offset, at, letter.reason, letter.sent_id,
            fix.text, fix.sha256, self._who, state, detail, self._now(),
        )  # fmt: skip

    def _answer(self, letter: RawLetter, outcome: str, detail: str | None, after: Mapping[str, Any] | None) -> None:
        topic, partition, offset, _ = letter.place
        self._report.add(
            LetterAnswer(topic, partition, offset, letter.reason, outcome, detail, letter.sent_id, letter.fields, after)
        )
