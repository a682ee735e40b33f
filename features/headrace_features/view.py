"""A view resolved against its event: what the kernel reads and computes. Frozen; both compilers start here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from headrace_ingestion.contract import Contract, FieldType
from headrace_ingestion.feature_rows import Encoding

from headrace_features.entries import CalendarPart
from headrace_features.expressions import Compiled
from headrace_features.extents import Over

KernelOperation = Literal[
    "lag", "ago", "since_last", "count", "sum", "mean", "std", "min", "max", "range", "first", "last", "distinct",
    "quantile", "skew", "slope", "ewma", "rarity", "group_mean", "calendar", "cyclic_sin", "cyclic_cos", "distance",
    "travel",
]  # fmt: skip
Order = Literal["arrival", "event_time"]
ColumnType = Literal["double", "long", "int", "string", "bool"]
_LEAST_QUIET_MS = 5_000


@dataclass(frozen=True)
class Input:
    """A value of the event that the kernel or an expression reads: a field of the contract, or a derived value.

    Attributes:
        name: Name of the field or of the derived value.
        type: Its type.
        derived: The expression over the fields (rendered over columns `_f_<field>`), or None for a field.
        declared: The expression as it was declared, for people; empty for a field.
    """

    name: str
    type: FieldType
    derived: Compiled | None = None
    # Two views may write one expression differently and still read one value.
    declared: str = field(default="", compare=False)


@dataclass(frozen=True)
class KernelFeature:
    """A column that the kernel computes.

    Attributes:
        name: Name of the column.
        operation: What is computed.
        type: Type of the column.
        of: Name of the input; None where there is none.
        over: Extent of the window; None where there is none.
        where: Name of the input that is true for the events that count; None: all of them.
        steps: Events before, for a lag.
        ago: Time before, for a lag of time.
        exclude_current: Whether the event itself does not count.
        quantile: Which one, as numerator and denominator.
        half_life_ms: Of the weights of an `ewma`.
        piece: Part of the event's own time.
        zone: IANA name of its time zone.
        place: Names of inputs: latitude and longitude, for a distance those of both places.
        hidden: Whether only expressions read it and no row shows it.
    """

    name: str
    operation: KernelOperation
    type: ColumnType
    of: str | None = None
    over: Over | None = None
    where: str | None = None
    steps: int = 0
    ago: Over | None = None
    exclude_current: bool = False
    quantile: tuple[int, int] = (1, 2)
    half_life_ms: int = 0
    piece: CalendarPart = "hour"
    zone: str = "UTC"
    place: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the inputs that it reads of events."""
        return tuple(name for name in (self.of, self.where, *self.place) if name)


@dataclass(frozen=True)
class ExpressionFeature:
    """A column that SQL computes from the kernel's columns and the inputs (rendered over their plain names, quoted).

    Attributes:
        name: Name of the column.
        type: Type of the column.
        compiled: Its expression.
        words: What it is, in a few words.
    """

    name: str
    type: ColumnType
    compiled: Compiled
    words: str = field(default="", compare=False)


def longest_ms(features: Iterable[KernelFeature]) -> int:
    """Return how far the features look back by the clock, in milliseconds; 0 when none does."""
    return max((extent.length_ms for f in features for extent in (f.over, f.ago) if extent), default=0)


@dataclass(frozen=True)
class View:
    """A feature view, resolved.

    Attributes:
        name: Name of the view.
        contract: Contract of the event it reads.
        key: The event's key field: the entity.
        inputs: What it reads of an event.
        kernel: Columns of the kernel, hidden ones included.
        columns: The columns of a row, in the order of the declaration.
        ttl_ms: How long a value may be served after its clock.
        dedup_ms: How long a repeated id is a duplicate, by the key's clock, inclusive.
        retain_ms: A longer jump of the clock starts a new generation.
        digest: Twelve hexadecimal digits of declaration and contract.
        origin: The file, as messages show it.
        order: How the events of a key are ordered: by offset, or by (event time, offset).
        lateness_ms: With `event_time`, how far the watermark has to be past an event; 0 otherwise.
        description: For people; None: there is none.
        owner: Who answers for it; None: nobody is named.
        tags: Words to find it by.
        kinds: Kind of the entry that declares each of `columns`, such as `window`, in their order.
        derived: Name and expression of each value that is derived from the event's own, as declared.
        encoding: How the job writes the rows; their values and the digest are the same.
    """

    name: str
    contract: Contract
    key: str
    inputs: tuple[Input, ...]
    kernel: tuple[KernelFeature, ...]
    columns: tuple[KernelFeature | ExpressionFeature, ...]
    ttl_ms: int
    dedup_ms: int
    retain_ms: int
    digest: str
    origin: str = field(default="", compare=False)
    order: Order = "arrival"
    lateness_ms: int = 0
    description: str | None = field(default=None, compare=False)
    owner: str | None = field(default=None, compare=False)
    tags: tuple[str, ...] = field(default=(), compare=False)
    kinds: tuple[str, ...] = field(default=(), compare=False)
    derived: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    encoding: Encoding = "json"

    @property
    def group(self) -> str:
        """Return the name of the job that computes it: views over one event and key run in one job."""
        return f"{self.contract.name}.{self.key}"

    def topic(self, prefix: str = "") -> str:
        """Return the name of the view's topic."""
        return f"{prefix}features.{self.name}"

    @property
    def quiet_ms(self) -> int:
        """After what silence events that wait for a watermark go on: the lateness, at least five seconds."""
        return max(self.lateness_ms, _LEAST_QUIET_MS)

    @property
    def longest_window_ms(self) -> int:
        """Return the length of the longest window or lag of time, 0 when there is none."""
        return longest_ms(self.kernel)
