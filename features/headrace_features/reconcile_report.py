"""What a comparison of the online store with the lake found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["equal", "missing", "stale", "different", "ahead", "unknown"]
"""What became of one key.

`missing`: in the lake and not online. `stale`: an older row is online. `different`: the same row with other values.
`ahead`: a newer row is online, on its way to the lake. `unknown`: online, and the lake has never seen the key.
"""

WRONG: frozenset[Kind] = frozenset({"missing", "stale", "different"})
"""Kinds that the lake's row would put right."""

Outcome = Literal["passed", "mended", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between the lake and the online store.

    Attributes:
        kind: What is wrong with the key.
        key: The entity key, as text.
        column: The column; `row` where one of the two has none or another row.
        lake: What stands in the lake; for `row` its place in the order of the key.
        online: What stands online.
    """

    kind: Kind
    key: str
    column: str
    lake: object
    online: object


@dataclass(slots=True)
class ReconcileReport:
    """The figures of one view: a key is counted once.

    Attributes:
        view: Name of the view.
        declaration: Hash of the view's present declaration.
        equal: Keys whose newest row is the same in both.
        missing: Keys of the lake that are not online.
        stale: Keys with an older row online.
        different: Keys with the same row online, in other values.
        ahead: Keys with a newer row online than in the lake: it is on its way there.
        unknown: Keys that are online and that the lake has never seen, though it holds rows that were made later.
        mended: Rows that were put from the lake into the store; None when that was not asked for.
        left: Keys that are still missing, stale or different: all of them unless they were to be mended.
        first_differences: The first differences.
    """

    view: str
    declaration: str
    equal: int = 0
    missing: int = 0
    stale: int = 0
    different: int = 0
    ahead: int = 0
    unknown: int = 0
    mended: int | None = None
    left: int = 0
    first_differences: list[Finding] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """Keys that were missing, stale or different."""
        return self.missing + self.stale + self.different

    @property
    def keys(self) -> int:
        """All keys, of the lake and of the store."""
        return self.equal + self.wrong + self.ahead + self.unknown

    @property
    def outcome(self) -> Outcome:
        """`failed` while a key is missing, stale or different; `mended` when some were and none is now."""
        if self.left:
            return "failed"
        return "mended" if self.wrong else "passed"

    @property
    def passed(self) -> bool:
        """Whether no key is missing, stale or different now."""
        return not self.left

    def count(self, kind: Kind) -> None:
        """Count one key."""
        setattr(self, kind, getattr(self, kind) + 1)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data, its sums included."""
        return {"outcome": self.outcome, "keys": self.keys, "wrong": self.wrong, **asdict(self)}

    def text(self) -> str:
        """Return the report for people: one line of the outcome, then what else there is to say."""
        said = [
            f"{self.view} (declaration {self.declaration}): {self.outcome},"
            f" {self.equal} of {self.keys} keys are equal online and in the lake"
        ]
        figures = {
            "missing: in the lake, not online": self.missing,
            "stale: an older row is online": self.stale,
            "different: the same row is online, with other values": self.different,
            "ahead: on their way to the lake": self.ahead,
            "unknown: online, never seen by the lake": self.unknown,
        }
        said += [f"  {count} {what}" for what, count in figures.items() if count]
        if not self.keys:
            said.append("  neither the lake nor the online store holds a row of it yet")
        if self.mended is not None:
            said.append(f"  {self.mended} rows mended, {self.left} keys still wrong")
        said += [
            f"  {found.kind} {found.key!r} {found.column}: lake {found.lake!r}, online {found.online!r}"
            for found in self.first_differences
        ]
        return "\n".join(said)
