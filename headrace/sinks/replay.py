"""Dead letters of a sink → its endpoint once more, by what the sink declares now.

What the endpoint has taken is `sent` in `ops.replays`, and not sent by a later run. After a run that was killed in
between some records are sent again, with the same keys as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from headrace_lake.replays import ReplayRow, ReplayState, record_replays, replays_of
from headrace_lake.tables import SINK_LETTERS

from headrace.events.dead_letters import RawLetter
from headrace.sinks.letters import record_of
from headrace.sinks.rows import Outgoing
from headrace.sinks.sink import deliver

if TYPE_CHECKING:
    from headrace_lake.catalog import Lake

    from headrace.sinks.project_sinks import SinkParts

_FIX = "as declared"


@dataclass(frozen=True, slots=True)
class LetterOutcome:
    """What became of one dead letter.

    Attributes:
        topic: The topic its record stands on.
        partition: The partition.
        offset: The place there.
        reason: Why it became a letter.
        outcome: `sent`, `refused`, `left_out` (the sink does not mean it any more), or in a dry run `would_be_sent`.
        detail: Why it was refused again, or in a dry run what would be sent.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    outcome: str
    detail: str | None


@dataclass
class SinkReplayReport:
    """What a run did.

    Attributes:
        sink: Name of the sink.
        counts: Outcome → number of letters.
        done_before: Letters that an earlier run has sent.
        answers: Every letter that this run looked at, by place.
    """

    sink: str
    counts: dict[str, int] = field(default_factory=dict)
    done_before: int = 0
    answers: list[LetterOutcome] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether no letter is left."""
        return "refused" not in self.counts

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


def replay_letters(
    lake: Lake,
    parts: SinkParts,
    letters: Sequence[RawLetter],
    who: str,
    *,
    limit: int | None = None,
    dry_run: bool = False,
) -> SinkReplayReport:
    """Hand the letters over that no run has handed over.

    Args:
        lake: The lake.
        parts: The sink.
        letters: Its letters, in order.
        who: User and command, for the audit.
        limit: Most letters, beside those that were sent before.
        dry_run: Say what would be sent, and send nothing.

    Raises:
        LakeWriteError: The audit could not be written; what it lacks is sent again by the next run.
    """
    name = parts.declaration.name
    report = SinkReplayReport(name)
    past = replays_of(lake, f"{SINK_LETTERS}{name}")
    done = {(row.topic, row.partition, row.offset, row.record_timestamp) for row in past if row.state == "sent"}
    known = [letter for letter in letters if letter.topic == parts.spec.topic]
    waiting = [letter for letter in known if letter.place not in done]
    report.done_before = len(known) - len(waiting)
    waiting = waiting[:limit]
    size = parts.declaration.http.batch
    for start in range(0, len(waiting), size):
        batch = waiting[start : start + size]
        outgoing = {(one.record.partition, one.record.offset): one for one in parts.rows([*map(record_of, batch)])}
        problems = _previewed(outgoing.values()) if dry_run else _delivered(parts, [*outgoing.values()])
        rows = [_answered(report, letter, outgoing, problems, who, dry_run=dry_run) for letter in batch]
        if not dry_run:
            record_replays(lake.path, [row for row in rows if row is not None])
    return report


def _delivered(parts: SinkParts, batch: Sequence[Outgoing]) -> dict[tuple[int, int], str]:
    refusals = deliver(parts.endpoint, batch)
    return {(one.outgoing.record.partition, one.outgoing.record.offset): one.detail for one in refusals}


def _previewed(batch: Any) -> dict[tuple[int, int], str]:
    return {(one.record.partition, one.record.offset): one.problem for one in batch if one.problem is not None}


def _answered(
    report: SinkReplayReport,
    letter: RawLetter,
    outgoing: dict[tuple[int, int], Outgoing],
    problems: dict[tuple[int, int], str],
    who: str,
    *,
    dry_run: bool,
) -> ReplayRow | None:
    place = (letter.partition, letter.offset)
    detail = problems.get(place)
    state: ReplayState = "refused" if detail is not None else "sent"
    outcome: str = state
    if place not in outgoing:
        outcome, detail = "left_out", "the sink does not send it"
    elif dry_run and detail is None:
        outcome, detail = "would_be_sent", (outgoing[place].body or b"").decode()
    report.counts[outcome] = report.counts.get(outcome, 0) + 1
    report.answers.append(LetterOutcome(letter.topic, *place, letter.reason, outcome, detail))
    if outcome not in ("sent", "refused"):
        return None
    return ReplayRow(
        f"{SINK_LETTERS}{report.sink}", letter.topic, *place, letter.record_timestamp, letter.reason,
        letter.sent_id, _FIX, "", who, state, detail, datetime.now(UTC),
    )  # fmt: skip
