"""A view resolved against its event: what the kernel reads and computes. Frozen; both compilers start here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from headrace_ingestion.contract import Contract, FieldType

from headrace_features.declaration import Over
from headrace_features.expressions import Compiled

KernelOperation = Literal["lag", "count", "sum", "mean", "std", "min", "max", "since_last", "hour", "day_of_week"]
ColumnType = Literal["double", "long", "int", "string", "bool"]


@dataclass(frozen=True)
class Input:
    """A value of the event that the kernel or an expression reads: a field of the contract, or a derived value.

    Attributes:
        name: Name of the field or of the derived value.
        type: Its type.
        derived: The expression over the fields (rendered over columns `_f_<field>`), or None for a field.
    """

    name: str
    type: FieldType
    derived: Compiled | None = None


@dataclass(frozen=True)
class KernelFeature:
    """A column that the kernel computes.

    Attributes:
        name: Name of the column.
        operation: What is computed.
        type: Type of the column.
        of: Name of the input; None where there is none.
        over: Extent of the window; None where there is none.
        steps: Events before, for a lag.
        exclude_current: Whether the event itself does not count.
        zone: IANA name, for calendar parts.
        hidden: Whether only expressions read it and no row shows it.
    """

    name: str
    operation: KernelOperation
    type: ColumnType
    of: str | None = None
    over: Over | None = None
    steps: int = 0
    exclude_current: bool = False
    zone: str = "UTC"
    hidden: bool = False


@dataclass(frozen=True)
class ExpressionFeature:
    """A column that SQL computes from the kernel's columns and the inputs (rendered over their plain names, quoted)."""

    name: str
    type: ColumnType
    compiled: Compiled


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

    @property
    def group(self) -> str:
        """Return the name of the job that computes it: views over one event and key run in one job."""
        return f"{self.contract.name}.{self.key}"

    def topic(self, prefix: str = "") -> str:
        """Return the name of the view's topic."""
        return f"{prefix}features.{self.name}"

    @property
    def longest_window_ms(self) -> int:
        """Return the length of the longest window of time, 0 when there is none."""
        return max((f.over.length_ms for f in self.kernel if f.over), default=0)
