"""What every online store offers: writes under a guard, reads by key, and the keys that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from headrace_features.online.row import OnlineRow


class GuardedStore(Protocol):
    """The newest row of each key of each view; a write never replaces a row by one that is not newer.

    Safe for several writers at once, in this process and in others. Every method raises `OnlineStoreUnavailableError`
    when the store does not answer.
    """

    def write(self, view: str, rows: Sequence[OnlineRow]) -> int:
        """Store each row whose order is greater than that of its key's stored row, and return how many were stored.

        The batch is reduced to the newest row of each key first. Rows that were written before change nothing.
        """

    def restore(self, view: str, rows: Sequence[OnlineRow]) -> int:
        """Store each row as `write` does, and also where the stored row has the same order and other content.

        Rows of one order are one row: `write` lets what stands there stay, and so never mends a value that is wrong.
        A newer row stays here, too. Returns how many were stored; those that stand there already are not counted.
        """

    def read(self, view: str, keys: Sequence[str]) -> list[OnlineRow | None]:
        """Return the row of each key, None where there is none, in the order of `keys`."""

    def keys(self, view: str) -> Iterator[list[str]]:
        """Yield the keys of a view in parts, in any order.

        A key that stands there all the while comes at least once; one that is written meanwhile may come. No lock is
        held between two parts.
        """

    def forget(self, view: str, keys: Sequence[str]) -> int:
        """Remove the rows of keys, of whatever order, and return how many there were; a row written later stays."""

    def drop(self, view: str) -> None:
        """Remove all rows of a view."""

    def close(self) -> None:
        """Give back connections; the store is not used afterwards."""
